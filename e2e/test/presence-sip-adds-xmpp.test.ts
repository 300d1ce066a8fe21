import { play } from '../src/play.ts'
import { SIP, SIP_TCP } from '../src/stage.ts'
import type { Watch } from '../src/sip-user.ts'

const ROMEO = 'romeo@sip.example'
const watches = new Map<string, Watch>()
const watchOf = (name: string): Watch => {
  const watch = watches.get(name)
  if (watch === undefined) throw new Error(`${name} watches nobody`)
  return watch
}

play(
  'presence-sip-adds-xmpp',
  { xmpp: ['juliet', 'nurse'], sip: { romeo: SIP, paris: SIP_TCP, tybalt: SIP } },
  (act) => {
    act(
      'pending: he asks, she is asked, and until she approves he learns nothing',
      async ({ xmpp: { juliet }, sip: { romeo } }) => {
        const watch = await romeo.watch('sip:juliet@xmpp.example')
        watches.set('romeo', watch)
        const first = await watch.notified('pending', (one) => one.state === 'pending')
        expect(first).toMatchObject({ state: 'pending', body: '' })
        await juliet.hearsPresence(ROMEO, { type: 'subscribe' })
        await watch.heard.never('anything more', (one) => one.state !== 'pending', 1000)
      },
    )

    act('approved: he is told so and sees her available', async ({ xmpp: { juliet } }) => {
      juliet.approve(ROMEO)
      await watchOf('romeo').notified('available', (one) => one.state === 'active' && one.basics.includes('open'))
    })

    act('away with a status text', async ({ xmpp: { juliet } }) => {
      juliet.presence({ show: 'away', status: 'in the garden & not alone' })
      const away = await watchOf('romeo').notified('away', (one) => one.show === 'away' || one.activity === 'away')
      expect(away).toMatchObject({ state: 'active', note: 'in the garden &amp; not alone' })
      expect(away.basics).toContain('open')
    })

    act('busy', async ({ xmpp: { juliet } }) => {
      juliet.presence({ show: 'dnd' })
      const busy = await watchOf('romeo').notified('busy', (one) => one.show === 'dnd' || one.activity === 'busy')
      expect(busy.basics).toContain('open')
    })

    act('RFC 3856 §6.8: a document is complete, with a tuple for each of her devices', async ({ stage, server }) => {
      const garden = await stage.xmppUser(server, 'juliet', { resource: 'garden' })
      await watchOf('romeo').notified(
        'two devices',
        (one) => one.basics.filter((basic) => basic === 'open').length === 2,
      )
      await garden.stop()
      await watchOf('romeo').notified(
        'one device',
        (one) => one.basics.filter((basic) => basic === 'open').length === 1,
      )
    })

    act('offline, and back', async ({ xmpp: { juliet } }) => {
      juliet.presence({ type: 'unavailable' })
      await watchOf('romeo').notified(
        'offline',
        (one) => one.state === 'active' && one.basics.every((basic) => basic === 'closed'),
      )
      juliet.presence()
      await watchOf('romeo').notified('back', (one) => one.basics.includes('open'))
    })

    act('a refresh gives the full state again', async () => {
      watchOf('romeo').heard.forget()
      await watchOf('romeo').subscribe(1800)
      const again = await watchOf('romeo').notified('full state', (one) => one.state === 'active')
      expect(again.basics).toContain('open')
      expect(again.expiresS).toBeLessThanOrEqual(1800)
    })

    act('over TCP too: asked, approved, available', async ({ xmpp: { nurse }, sip: { paris } }) => {
      const watch = await paris.watch('sip:nurse@xmpp.example')
      watches.set('paris', watch)
      await watch.notified('pending', (one) => one.state === 'pending')
      await nurse.hearsPresence('paris@tcp.example', { type: 'subscribe' })
      nurse.approve('paris@tcp.example')
      await watch.notified('available', (one) => one.state === 'active' && one.basics.includes('open'))
    })

    act('refused: she says no at once', async ({ xmpp: { nurse }, sip: { tybalt } }) => {
      const watch = await tybalt.watch('sip:nurse@xmpp.example')
      await watch.notified('pending', (one) => one.state === 'pending')
      await nurse.hearsPresence('tybalt@sip.example', { type: 'subscribe' })
      nurse.refuse('tybalt@sip.example')
      await watch.notified('the refusal', (one) => one.state === 'terminated' && one.reason === 'rejected')
    })

    act(
      'he ends his subscription and may open it again without asking her again',
      async ({ xmpp: { juliet }, sip: { romeo } }) => {
        juliet.heard.forget()
        await watchOf('romeo').subscribe(0)
        await watchOf('romeo').notified('the end', (one) => one.state === 'terminated' && one.reason === 'timeout')
        const again = await romeo.watch('sip:juliet@xmpp.example')
        watches.set('romeo', again)
        await again.notified('her state', (one) => one.state === 'active' && one.basics.includes('open'))
        await juliet.heard.never('being asked again', (seen) => seen.type === 'subscribe', 500)
      },
    )

    act('removed: she takes back what she gave', async ({ xmpp: { juliet } }) => {
      juliet.refuse(ROMEO)
      await watchOf('romeo').notified('the end', (one) => one.state === 'terminated' && one.reason === 'rejected')
    })

    act(
      'a user who does not exist stays pending or is said not to be there, never available',
      async ({ sip: { romeo } }) => {
        const watch = await romeo.watch('sip:nobody@xmpp.example')
        await watch.heard.never('an available nobody', (one) => one.basics.includes('open'), 1500)
      },
    )
  },
)
