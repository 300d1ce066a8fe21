import { pause, until } from '../src/heard.ts'
import { becomeFriends, Traffic } from '../src/traffic.ts'
import { play } from '../src/play.ts'
import { SIP } from '../src/stage.ts'
import type { Watch } from '../src/sip-user.ts'

const ROMEO = 'romeo@sip.example'
const PRESENCE_RIGHT_WITHIN_MS = 10_000
const ACT_MS = 120_000

let watch: Watch | undefined

play('restart-gateway', { xmpp: ['juliet'], sip: { romeo: SIP } }, (act) => {
  act('they see each other', async ({ xmpp: { juliet }, sip: { romeo } }) => {
    watch = await becomeFriends(juliet, romeo)
  })

  act(
    'kill -9 in the middle: every message has an outcome that its sender saw, presence is right within 10 s, nobody is asked again',
    async ({ pair, kamailio, xmpp: { juliet }, sip: { romeo } }) => {
      if (watch === undefined) throw new Error('they do not see each other')
      const watching = watch
      const traffic = new Traffic(juliet, romeo, 25)
      await pause(1000)
      await pair.kill9('gateway')
      await pause(1000)
      // Both change while nobody can tell the other.
      juliet.heard.forget()
      watching.heard.forget()
      await romeo.publish({ basic: 'open', activity: 'away', note: 'changed meanwhile' })
      juliet.presence({ show: 'dnd', status: 'changed too' })
      await pause(500)
      await pair.start('gateway')
      await pair.ready()
      const readyMs = performance.now()
      await Promise.all([
        juliet.hearsPresence(ROMEO, { show: 'away', status: 'changed meanwhile' }, PRESENCE_RIGHT_WITHIN_MS),
        watching.notified(
          'busy',
          (one) => one.state === 'active' && one.note === 'changed too',
          PRESENCE_RIGHT_WITHIN_MS,
        ),
      ])
      expect(performance.now() - readyMs).toBeLessThan(PRESENCE_RIGHT_WITHIN_MS)
      await pause(500)
      const sums = await traffic.stop()
      process.stdout.write(`restart-gateway: ${traffic.describe(sums)}\n`)

      expect(sums.toSip.withoutOutcome).toEqual([])
      expect(sums.toXmpp.withoutOutcome).toEqual([])
      expect(sums.toXmpp.acceptedAndLost).toEqual([])
      expect(sums.toSip.delivered).toBeGreaterThan(0)
      expect(sums.toXmpp.delivered).toBeGreaterThan(0)
      expect(juliet.heard.all.filter((seen) => seen.type === 'subscribe' && seen.from === ROMEO)).toHaveLength(1)
      expect(juliet.heard.all.filter((seen) => seen.type === 'subscribed' && seen.from === ROMEO)).toHaveLength(1)
      await until('one subscription of hers at the SIP server', () => {
        const rows = kamailio.watchers('romeo').filter((row) => row.watcher === juliet.bare)
        return rows.length >= 1
      })
    },
    ACT_MS,
  )

  act('and presence goes on: each sees the next change of the other', async ({ xmpp: { juliet }, sip: { romeo } }) => {
    await romeo.publish({ basic: 'open', activity: 'busy', note: 'later' })
    await juliet.hearsPresence(ROMEO, { show: 'dnd', status: 'later' })
    juliet.presence({ show: 'away', status: 'later too' })
    await watch?.notified('away', (one) => one.note === 'later too')
  })

  act(
    'a restart that was asked for loses nothing either',
    async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
      const traffic = new Traffic(juliet, romeo, 25)
      await pause(500)
      await pair.child('gateway').stop(10_000)
      await pair.start('gateway')
      await pair.ready()
      await pause(500)
      const sums = await traffic.stop()
      process.stdout.write(`restart-gateway, asked for: ${traffic.describe(sums)}\n`)
      expect(sums.toSip.withoutOutcome).toEqual([])
      expect(sums.toXmpp.withoutOutcome).toEqual([])
      expect(sums.toXmpp.acceptedAndLost).toEqual([])
    },
    ACT_MS,
  )
})
