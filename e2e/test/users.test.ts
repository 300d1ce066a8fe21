import { PEERS, USER_JOURNEYS, type Peer, type UserJourney } from '../src/compatibility.ts'
import { until } from '../src/heard.ts'
import { play, type Scene } from '../src/play.ts'
import { hangWhileTheyTalk, killWhileTheyTalk, restartWhileTheyTalk } from '../src/partner-outages.ts'
import { headerOf, statusOf } from '../src/sip-text.ts'
import { SIP, XMPP } from '../src/stage.ts'

const ROMEO = 'romeo@sip.example'
const SERIES = 30
const TEXT = 'Grüße, 你好, <b>a & b</b> 😀'
const RESTART_MS = 180_000
const PENDING = 2

/**
 * With acknowledgements, else nobody could know what it had read when it ended; Prosody has them where certificates prove
 * who is who. @see XEP-0198
 */
const PROSODY = {
  hasCertificates: true,
  pair: { partners: [{ domain: XMPP, partnerType: 'federated' }] },
  prosody: { hostsMore: 'modules_enabled = { "smacks" }' },
} as const

type People = Scene<'juliet' | 'nurse', 'romeo' | 'tybalt'>

const JOURNEYS: Readonly<Record<UserJourney, (scene: People, peer: Peer) => Promise<void>>> = {
  'messages each way': messages,
  'presence of a SIP user, with approval': seeSip,
  'presence of an XMPP user, with approval': seeXmpp,
  'users who do not exist': nobody,
  'the partner restarted while messages flow': restartWhileTheyTalk,
  'the partner killed while messages flow': killWhileTheyTalk,
  'the partner hangs for a while, and comes back': hangWhileTheyTalk,
}

for (const peer of PEERS) {
  const server = peer === 'ejabberd' ? { server: 'ejabberd' as const } : PROSODY
  play(
    `users of ${peer}`,
    { xmpp: ['juliet', 'nurse'], sip: { romeo: SIP, tybalt: SIP }, forceActive: false, ...server },
    (act) => {
      for (const { feature } of USER_JOURNEYS) act(feature, (scene) => JOURNEYS[feature](scene, peer), RESTART_MS)
    },
  )
}

async function messages({ xmpp: { juliet, nurse }, sip: { romeo } }: People): Promise<void> {
  juliet.message(ROMEO, TEXT, { thread: 'balcony', subject: 'Night' })
  const asked = await romeo.hears(TEXT)
  expect(asked.from).toMatch(/^sip:juliet@xmpp\.example/)
  expect([asked.callId, headerOf(asked.text, 'subject')]).toEqual(['balcony', 'Night'])
  expect(statusOf(await romeo.message(`sip:${nurse.bare}`, TEXT))).toBe(202)
  expect((await nurse.hearsMessage(TEXT)).from.split('/')[0]).toBe(ROMEO)

  const [heardBySip, heardByXmpp] = [romeo.heard.all.length, juliet.heard.all.length]
  const series = Array.from({ length: SERIES }, (_none, index) => `no. ${index}`)
  for (const text of series) juliet.message(ROMEO, text)
  for (const text of series) expect(statusOf(await romeo.message(`sip:${juliet.bare}`, text))).toBe(202)
  await romeo.hears(series.at(-1) ?? '', 30_000)
  await juliet.hearsMessage(series.at(-1) ?? '', 30_000)
  expect(romeo.heard.all.slice(heardBySip).map((one) => one.body)).toEqual(series)
  const seen = juliet.heard.all.slice(heardByXmpp).filter((one) => one.kind === 'message')
  expect(seen.map((one) => one.body)).toEqual(series)
}

async function seeSip({ kamailio, xmpp: { juliet, nurse }, sip: { romeo } }: People): Promise<void> {
  const isPending = (watcher: string) =>
    until(`${watcher} waiting for approval`, () =>
      kamailio.watchers('romeo').some((row) => row.watcher === watcher && row.status === PENDING),
    )
  await romeo.publish({ basic: 'open' })
  juliet.subscribe(ROMEO)
  await isPending(juliet.bare)
  await kamailio.rule('romeo', `sip:${juliet.bare}`, 'allow')
  await juliet.hearsPresence(ROMEO, { type: 'subscribed' })
  await juliet.hearsPresence(ROMEO, { type: '', show: undefined })
  await romeo.publish({ basic: 'open', activity: 'away', note: 'back soon' })
  await juliet.hearsPresence(ROMEO, { show: 'away', status: 'back soon' })
  await romeo.publish({ basic: 'closed' })
  await juliet.hearsPresence(ROMEO, { type: 'unavailable' })

  nurse.subscribe(ROMEO)
  await isPending(nurse.bare)
  await kamailio.rule('romeo', `sip:${nurse.bare}`, 'block')
  await nurse.hearsPresence(ROMEO, { type: 'unsubscribed' })
}

async function seeXmpp({ xmpp: { juliet, nurse }, sip: { romeo, tybalt } }: People): Promise<void> {
  const watch = await romeo.watch(`sip:${juliet.bare}`)
  await watch.notified('pending', (one) => one.state === 'pending')
  await juliet.hearsPresence(ROMEO, { type: 'subscribe' })
  juliet.approve(ROMEO)
  await watch.notified('available', (one) => one.state === 'active' && one.basics.includes('open'))
  juliet.presence({ show: 'dnd', status: 'busy & loud' })
  await watch.notified('busy', (one) => one.note === 'busy &amp; loud' && one.basics.includes('open'))
  juliet.presence({ type: 'unavailable' })
  await watch.notified('offline', (one) => one.basics.every((basic) => basic === 'closed'))
  juliet.presence()
  await watch.notified('back', (one) => one.basics.includes('open'))
  juliet.refuse(ROMEO)
  await watch.notified('the end', (one) => one.state === 'terminated' && one.reason === 'rejected')

  const refused = await tybalt.watch(`sip:${nurse.bare}`)
  await nurse.hearsPresence('tybalt@sip.example', { type: 'subscribe' })
  nurse.refuse('tybalt@sip.example')
  await refused.notified('the refusal', (one) => one.state === 'terminated' && one.reason === 'rejected')
}

async function nobody({ xmpp: { juliet }, sip: { romeo } }: People): Promise<void> {
  const error = await juliet.hearsError(juliet.message('nouser@sip.example', 'anybody?'))
  expect(error).toMatchObject({ from: 'nouser@sip.example', condition: 'item-not-found', errorType: 'cancel' })
  const away = await juliet.hearsError(juliet.message('offline@sip.example', 'anybody?'))
  expect(away).toMatchObject({ condition: 'recipient-unavailable', errorType: 'wait' })

  // The server says so only after it has taken the message.
  const callId = `late-${Math.random()}@sip.example`
  const headers = [['Content-Type', 'text/plain']] as const
  const answer = await romeo.request('MESSAGE', 'sip:nobody@xmpp.example', { headers, callId, body: 'anybody?' })
  expect(statusOf(answer)).toBe(202)
  const told = await romeo.heard.next('that it failed', (one) => one.body.includes('was not delivered'))
  expect([told.from, headerOf(told.text, 'in-reply-to')]).toEqual(['sip:nobody@xmpp.example', callId])
}
