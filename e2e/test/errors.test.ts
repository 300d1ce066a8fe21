import { dialbackPartner } from '../src/pair.ts'
import { play } from '../src/play.ts'
import { statusOf } from '../src/sip-text.ts'
import { SIP, SIP_TCP, XMPP } from '../src/stage.ts'

/**
 * All that a SIP user can say and a server hands on: 401 and 407 are the server's own business, 408 and 503 it makes
 * others of. @see RFC 7247 §7.2, table 3
 */
const CONDITIONS: readonly (readonly [number, string, string])[] = [
  [300, 'redirect', 'modify'],
  [302, 'redirect', 'modify'],
  [305, 'redirect', 'modify'],
  [380, 'not-acceptable', 'modify'],
  [400, 'bad-request', 'modify'],
  [402, 'bad-request', 'modify'],
  [403, 'forbidden', 'auth'],
  [404, 'item-not-found', 'cancel'],
  [405, 'feature-not-implemented', 'cancel'],
  [406, 'not-acceptable', 'modify'],
  [410, 'gone', 'cancel'],
  [413, 'policy-violation', 'modify'],
  [414, 'policy-violation', 'modify'],
  [415, 'not-acceptable', 'modify'],
  [416, 'not-acceptable', 'modify'],
  [420, 'feature-not-implemented', 'cancel'],
  [421, 'not-acceptable', 'modify'],
  [423, 'resource-constraint', 'wait'],
  [430, 'recipient-unavailable', 'wait'],
  [439, 'feature-not-implemented', 'cancel'],
  [440, 'policy-violation', 'wait'],
  [480, 'recipient-unavailable', 'wait'],
  [481, 'item-not-found', 'cancel'],
  [482, 'not-acceptable', 'cancel'],
  [483, 'not-acceptable', 'cancel'],
  [484, 'item-not-found', 'cancel'],
  [485, 'item-not-found', 'cancel'],
  [486, 'recipient-unavailable', 'wait'],
  [487, 'recipient-unavailable', 'wait'],
  [488, 'not-acceptable', 'modify'],
  [489, 'policy-violation', 'modify'],
  [491, 'unexpected-request', 'wait'],
  [493, 'bad-request', 'modify'],
  [499, 'bad-request', 'modify'],
  [500, 'internal-server-error', 'cancel'],
  [501, 'feature-not-implemented', 'cancel'],
  [502, 'remote-server-not-found', 'cancel'],
  [504, 'remote-server-timeout', 'wait'],
  [505, 'not-acceptable', 'modify'],
  [513, 'policy-violation', 'modify'],
  [599, 'internal-server-error', 'cancel'],
  [600, 'recipient-unavailable', 'wait'],
  [603, 'recipient-unavailable', 'wait'],
  [604, 'item-not-found', 'cancel'],
  [606, 'not-acceptable', 'modify'],
  [699, 'recipient-unavailable', 'wait'],
]

/** The conditions of stanza errors. @see RFC 6120 §8.3.3 */
const STANZA_ERRORS = [
  ...['bad-request', 'conflict', 'feature-not-implemented', 'forbidden', 'gone', 'internal-server-error'],
  ...['item-not-found', 'jid-malformed', 'not-acceptable', 'not-allowed', 'not-authorized', 'policy-violation'],
  ...['recipient-unavailable', 'redirect', 'registration-required', 'remote-server-not-found'],
  ...['remote-server-timeout', 'resource-constraint', 'service-unavailable', 'subscription-required'],
  ...['undefined-condition', 'unexpected-request'],
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
    xmpp: ['juliet', 'nurse', 'rosaline'],
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

    act(
      'each status that a SIP user answers reaches the sender as its condition',
      async ({ xmpp: { juliet }, sip: { romeo } }) => {
        try {
          for (const [status, condition, errorType] of CONDITIONS) {
            romeo.answer = () => ({ status, reason: 'So It Is' })
            const error = await juliet.hearsError(juliet.message('romeo@sip.example', `answer ${status}`))
            const { from } = error
            expect([status, error.condition, error.errorType, from]).toEqual([
              status,
              condition,
              errorType,
              'romeo@sip.example',
            ])
          }
        } finally {
          romeo.answer = () => ({ status: 200, reason: 'OK' })
        }
      },
    )

    act(
      'mapping B.4: each stanza error that comes late reaches the SIP user, by the contact, in words',
      async ({ xmpp: { juliet, nurse, rosaline }, sip: { romeo, paris } }) => {
        // No more than five go to one user of one contact.
        const pairs = [juliet, nurse, rosaline].flatMap((person) => [romeo, paris].map((phone) => ({ person, phone })))
        for (const [index, condition] of STANZA_ERRORS.entries()) {
          const { person, phone } = pairs[index % pairs.length]!
          expect([200, 202]).toContain(statusOf(await phone.message(`sip:${person.bare}`, `make it ${condition}`)))
          const seen = await person.hearsMessage(`make it ${condition}`)
          const defined = { name: condition, attrs: { xmlns: 'urn:ietf:params:xml:ns:xmpp-stanzas' } }
          person.send({
            name: 'message',
            attrs: { type: 'error', to: seen.from, id: seen.id ?? '' },
            children: [{ name: 'error', attrs: { type: 'cancel' }, children: [defined] }],
          })
          const told = await phone.hears(`[Your message was not delivered: ${condition}]`)
          expect(told.from).toBe(`sip:${person.bare}`)
        }
      },
    )

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
