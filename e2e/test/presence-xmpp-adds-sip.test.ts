import { until } from '../src/heard.ts'
import { play } from '../src/play.ts'
import { SIP, SIP_TCP } from '../src/stage.ts'

const ROMEO = 'romeo@sip.example'
const PARIS = 'paris@tcp.example'
const PENDING = 2
const ACTIVE = 1

play(
  'presence-xmpp-adds-sip',
  { xmpp: ['juliet', 'nurse'], sip: { romeo: SIP, paris: SIP_TCP, tybalt: SIP }, forceActive: false },
  (act) => {
    act(
      'pending: she asks, and until he approves she learns nothing',
      async ({ kamailio, xmpp: { juliet }, sip: { romeo } }) => {
        await romeo.publish({ basic: 'open' })
        juliet.subscribe(ROMEO)
        await until('the SIP server holding her request', () =>
          kamailio.watchers('romeo').some((row) => row.watcher === juliet.bare && row.status === PENDING),
        )
        await juliet.heard.never(
          'an approval or presence',
          (seen) => seen.kind === 'presence' && seen.from.startsWith(ROMEO),
          1000,
        )
      },
    )

    act('approved: she is told so once, then sees him available', async ({ kamailio, xmpp: { juliet } }) => {
      await kamailio.rule('romeo', `sip:${juliet.bare}`, 'allow')
      await juliet.hearsPresence(ROMEO, { type: 'subscribed' })
      await juliet.hearsPresence(ROMEO, { type: '', show: undefined })
      await until('an active row', () => kamailio.watchers('romeo').some((row) => row.status === ACTIVE))
    })

    act('away with a status text, busy, offline, and back', async ({ xmpp: { juliet }, sip: { romeo } }) => {
      await romeo.publish({ basic: 'open', activity: 'away', note: 'back at ten &amp; not before' })
      await juliet.hearsPresence(ROMEO, { type: '', show: 'away', status: 'back at ten & not before' })
      await romeo.publish({ basic: 'open', activity: 'busy' })
      await juliet.hearsPresence(ROMEO, { type: '', show: 'dnd', status: undefined })
      await romeo.publish({ basic: 'closed' })
      await juliet.hearsPresence(ROMEO, { type: 'unavailable' })
      await romeo.publish({ basic: 'open' })
      await juliet.hearsPresence(ROMEO, { type: '', show: undefined })
    })

    act('RFC 8048 §8.2: what she may see, another may not', async ({ xmpp: { nurse } }) => {
      await nurse.heard.never(
        'presence of romeo',
        (seen) => seen.kind === 'presence' && seen.from.startsWith(ROMEO),
        300,
      )
    })

    act('she logs in again and sees him without asking again', async ({ stage, server, xmpp: { juliet } }) => {
      const garden = await stage.xmppUser(server, 'juliet', { resource: 'garden' })
      await garden.hearsPresence(ROMEO, { type: '' })
      await juliet.heard.never('a second approval', (seen) => seen.type === 'subscribed' && seen.from === ROMEO, 300)
      await garden.stop()
    })

    act('over TCP too: approved, available, away', async ({ kamailio, xmpp: { nurse }, sip: { paris } }) => {
      await kamailio.rule('paris', `sip:${nurse.bare}`, 'allow', SIP_TCP)
      await paris.publish({ basic: 'open' })
      nurse.subscribe(PARIS)
      await nurse.hearsPresence(PARIS, { type: 'subscribed' })
      await nurse.hearsPresence(PARIS, { type: '', show: undefined })
      await paris.publish({ basic: 'open', activity: 'away' })
      await nurse.hearsPresence(PARIS, { type: '', show: 'away' })
    })

    act('refused: a user who blocks her', async ({ kamailio, xmpp: { juliet } }) => {
      await kamailio.rule('tybalt', `sip:${juliet.bare}`, 'block')
      juliet.subscribe('tybalt@sip.example')
      await juliet.hearsPresence('tybalt@sip.example', { type: 'unsubscribed' })
    })

    act('refused later: he takes back what he gave', async ({ kamailio, xmpp: { nurse } }) => {
      await kamailio.rule('paris', `sip:${nurse.bare}`, 'block', SIP_TCP)
      await nurse.hearsPresence(PARIS, { type: 'unsubscribed' })
    })

    act(
      'removed: she takes him off, and the SIP server holds no subscription of hers any more',
      async ({ kamailio, xmpp: { juliet }, sip: { romeo } }) => {
        juliet.heard.forget()
        juliet.removeContact(ROMEO)
        await until('no row of hers', () => kamailio.watchers('romeo').every((row) => row.watcher !== juliet.bare))
        await romeo.publish({ basic: 'open', activity: 'away', note: 'alone' })
        await juliet.heard.never('his new state', (seen) => seen.kind === 'presence' && seen.status === 'alone', 1000)
      },
    )
  },
)
