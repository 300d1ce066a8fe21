import { dialbackPartner } from '../src/pair.ts'
import { play } from '../src/play.ts'
import { statusOf } from '../src/sip-text.ts'
import { SIP, SIP_TCP, XMPP } from '../src/stage.ts'

/** @see RFC 7247 §7.2, table 3 */
const CONDITIONS: readonly (readonly [number, string, string])[] = [
  [403, 'forbidden', 'auth'],
  [404, 'item-not-found', 'cancel'],
  [480, 'recipient-unavailable', 'wait'],
  [486, 'recipient-unavailable', 'wait'],
  [500, 'internal-server-error', 'cancel'],
  [513, 'policy-violation', 'modify'],
  [603, 'recipient-unavailable', 'wait'],
]

/** Where a SIP user may write in vain, and the statuses that say why. @see mapping B.3 */
const UNREACHABLE: readonly (readonly [string, string, readonly number[]])[] = [
  ['a partner that nobody answers for', 'dead.example', [504]],
  ['a partner that says it has no XMPP', 'noserver.example', [404]],
  ['a partner that is not in the DNS', 'nowhere.example', [404]],
  ['a domain that is no partner, although it could be reached', 'stranger.example', [403]],
  ['a partner that is switched off', 'off.example', [403]],
]

/** Far below the 32 s of the sender's transaction. */
const IN_TIME_MS = 25_000

play(
  'errors',
  {
    xmpp: ['juliet'],
    sip: { romeo: SIP, paris: SIP_TCP },
    pair: {
      partners: [
        dialbackPartner(XMPP),
        dialbackPartner('dead.example'),
        dialbackPartner('noserver.example'),
        dialbackPartner('nowhere.example'),
        dialbackPartner('off.example', { enabled: false }),
      ],
    },
  },
  (act) => {
    act(
      'a user that SIP does not know (404) comes back as item-not-found with its own id',
      async ({ xmpp: { juliet } }) => {
        const id = juliet.message('nouser@sip.example', 'Art thou there?', { id: 'own-id-1' })
        const error = await juliet.hearsError(id)
        expect(error).toMatchObject({
          id: 'own-id-1',
          from: 'nouser@sip.example',
          condition: 'item-not-found',
          errorType: 'cancel',
        })
      },
    )

    act('a SIP user who is not there (480) is recipient-unavailable', async ({ xmpp: { juliet } }) => {
      const error = await juliet.hearsError(juliet.message('offline@sip.example', 'anybody?'))
      expect(error).toMatchObject({ condition: 'recipient-unavailable', errorType: 'wait' })
    })

    for (const [status, condition, errorType] of CONDITIONS) {
      act(
        `RFC 7247 §7.2: a SIP user who answers ${status} is ${condition}`,
        async ({ xmpp: { juliet }, sip: { romeo } }) => {
          romeo.answer = () => ({ status, reason: 'So It Is' })
          try {
            const error = await juliet.hearsError(juliet.message('romeo@sip.example', `answer ${status}`))
            expect(error).toMatchObject({ condition, errorType, from: 'romeo@sip.example' })
          } finally {
            romeo.answer = () => ({ status: 200, reason: 'OK' })
          }
        },
      )
    }

    act('a domain of ours without a user part is refused, not swallowed', async ({ xmpp: { juliet } }) => {
      const error = await juliet.hearsError(juliet.message('sip.example', 'to nobody'))
      expect(error.type).toBe('error')
    })

    for (const [what, domain, statuses] of UNREACHABLE) {
      act(
        `a message to ${what} gets its sender a final ${statuses.join(' or ')} in time, over UDP and TCP`,
        async ({ sip: { romeo, paris } }) => {
          for (const person of [romeo, paris]) {
            const beganMs = performance.now()
            const answer = await person.message(`sip:someone@${domain}`, 'anybody?')
            expect(statuses).toContain(statusOf(answer))
            expect(performance.now() - beganMs).toBeLessThan(IN_TIME_MS)
          }
        },
      )
    }

    act(
      'what was refused stands in the journal with its reason and without its text',
      async ({ pair, xmpp: { juliet } }) => {
        await juliet.hearsError(juliet.message('nouser@sip.example', 'a secret nobody logs', { id: 'journal-1' }))
        const reply = await pair.rest('GET', '/v1/messages?id=journal-1')
        expect(reply.status).toBe(200)
        const text = JSON.stringify(reply.json)
        expect(text).toContain('item-not-found')
        expect(text).toContain('bounced')
        expect(text).not.toContain('a secret')
      },
    )

    act('after all that a good message still passes, each way', async ({ xmpp: { juliet }, sip: { romeo } }) => {
      juliet.message('romeo@sip.example', 'good again')
      await romeo.hears('good again')
      expect([200, 202]).toContain(statusOf(await romeo.message('sip:juliet@xmpp.example', 'and here')))
      await juliet.hearsMessage('and here')
    })
  },
)
