import { pause } from '../src/heard.ts'
import { becomeFriends, Traffic } from '../src/traffic.ts'
import { play } from '../src/play.ts'
import { SIP } from '../src/stage.ts'
import type { Watch } from '../src/sip-user.ts'

const ROMEO = 'romeo@sip.example'
const PRESENCE_RIGHT_WITHIN_MS = 10_000
const ACT_MS = 120_000
const EVERY_MS = 25
const OUTCOMES_WITHIN_MS = 15_000

let watch: Watch | undefined

play('restart-edge', { xmpp: ['juliet'], sip: { romeo: SIP } }, (act) => {
  act('they see each other', async ({ xmpp: { juliet }, sip: { romeo } }) => {
    watch = await becomeFriends(juliet, romeo)
  })

  act(
    'kill -9 in the middle: streams come back, presence is right within 10 s, every SIP sender saw an outcome',
    async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
      if (watch === undefined) throw new Error('they do not see each other')
      const watching = watch
      const traffic = new Traffic(juliet, romeo, EVERY_MS)
      await pause(1000)
      await pair.kill9('edge')
      await pause(1000)
      juliet.heard.forget()
      watching.heard.forget()
      await romeo.publish({ basic: 'open', activity: 'away', note: 'changed meanwhile' })
      juliet.presence({ show: 'dnd', status: 'changed too' })
      await pause(500)
      await pair.start('edge')
      await pair.ready()
      await Promise.all([
        juliet.hearsPresence(ROMEO, { show: 'away', status: 'changed meanwhile' }, PRESENCE_RIGHT_WITHIN_MS),
        watching.notified(
          'busy',
          (one) => one.state === 'active' && one.note === 'changed too',
          PRESENCE_RIGHT_WITHIN_MS,
        ),
      ])
      await pause(500)
      // What is lost has no outcome to wait for.
      const sums = await traffic.stop(OUTCOMES_WITHIN_MS)
      const lost = sums.toSip.withoutOutcome.length
      process.stdout.write(
        `restart-edge: ${traffic.describe(sums)}; ${lost} XMPP message(s) were in the dead edge's hands and are lost: ` +
          'this partner does no stream management, and cannot know (see the play stream-management)\n',
      )
      // Promised to SIP senders; to XMPP senders where their server does stream management.
      expect(sums.toXmpp.withoutOutcome).toEqual([])
      expect(sums.toXmpp.acceptedAndLost.length).toBeLessThanOrEqual(IN_THE_SOCKET)
      expect(lost).toBeLessThanOrEqual(IN_HAND)
      expect(sums.toSip.delivered).toBeGreaterThan(0)
      expect(sums.toXmpp.delivered).toBeGreaterThan(0)
      expect(juliet.heard.all.filter((seen) => seen.type === 'subscribe' && seen.from === ROMEO)).toHaveLength(1)
    },
    ACT_MS,
  )

  act('and presence goes on: each sees the next change of the other', async ({ xmpp: { juliet }, sip: { romeo } }) => {
    await romeo.publish({ basic: 'open', activity: 'busy', note: 'later' })
    await juliet.hearsPresence(ROMEO, { show: 'dnd', status: 'later' })
    juliet.presence({ show: 'away', status: 'later too' })
    await watch?.notified('away', (one) => one.note === 'later too')
  })
})

/** What the partner had written into the dead connection before it noticed: a few messages at this rate. */
const IN_HAND = 10
/** What the edge had written into its connection to the partner, and the partner had not read. */
const IN_THE_SOCKET = 1
