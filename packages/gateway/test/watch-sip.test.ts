import { formatJid } from '@stox/xmpp'
import type { SipWatchEvent } from '../src/watch-sip.ts'
import { advanceSipWatch } from '../src/watch-sip.ts'
import type { SipWatch, SipWatchContext } from '../src/watch-sip-state.ts'
import { newSipWatch } from '../src/watch-sip-state.ts'
import { countingIds, presenceOf } from './stage.ts'

const ROMEO = 'romeo@montague.example' // watches
const JULIET = 'juliet@capulet.example' // on SIP

const context: SipWatchContext = {
  nowMs: 1_000_000,
  ids: countingIds(),
  readsNotes: false,
  showsNotes: true,
  expiresS: 3600,
  mayAsk: true,
  order: (expiresS) => ({
    event: 'presence',
    accept: 'application/pidf+xml',
    from: `<sip:${ROMEO}>`,
    to: `<sip:${JULIET}>`,
    requestUri: `sip:${JULIET}`,
    contact: 'sip:romeo@192.0.2.1',
    expiresS,
  }),
}

const watch = (changes: Partial<SipWatch> = {}): SipWatch => ({ ...newSipWatch(ROMEO, JULIET), ...changes })
const active = (changes: Partial<SipWatch> = {}): SipWatch => watch({ authorization: 'active', ...changes })

/** The watch after these events, and what the last of them wanted, in short. */
function after(begun: SipWatch, ...events: readonly SipWatchEvent[]) {
  let now: SipWatch | undefined = begun
  let wanted: string[] = []
  for (const event of events) {
    if (now === undefined) throw new Error('nothing is left')
    const step = advanceSipWatch(now, event, context)
    now = step.watch
    wanted = step.effects.map((effect) => {
      switch (effect.kind) {
        case 'send-stanza':
          return `${effect.presence.type} ${formatJid(effect.presence.from)}`
        case 'send-sip':
          return `${effect.request.method} ${effect.request.headers.get('Expires')}`
        case 'arm-timer':
          return `arm ${effect.timer} ${effect.afterMs}`
        case 'cancel-timer':
          return `cancel ${effect.timer}`
        case 'respond':
          return String(effect.response.status)
      }
    })
  }
  return { watch: now, wanted }
}

const failure = {
  fault: 'us',
  retry: 'later',
  condition: 'remote-server-timeout',
  status: 504,
  detail: 'no road',
} as const
const unsent = (attributes: string, retry: 'later' | 'never' = 'later'): SipWatchEvent => ({
  kind: 'unsent',
  presence: presenceOf(`<presence xmlns='jabber:server' to='${ROMEO}' ${attributes}/>`),
  failure: { ...failure, retry },
})

describe('mapping D.10: what could not leave', () => {
  const gone = [
    { resource: 'desk', atMs: 0, unsent: false },
    { resource: 'phone', atMs: 0, unsent: false },
  ]

  test('that a device went is told again, however long ago, and of that one only', () => {
    const { watch: kept, wanted } = after(active({ gone }), unsent(`from='${JULIET}/desk' type='unavailable'`))
    expect(kept?.gone.map((one) => one.unsent)).toEqual([true, false])
    expect(wanted).toEqual(['arm resend 60000'])
    const again = after(kept ?? watch(), { kind: 'timer', timer: 'resend' })
    expect([again.wanted, again.watch?.gone]).toEqual([[`unavailable ${JULIET}/desk`], [{ ...gone[0], unsent: false }]])
  })

  test('a subscribed is owed until it leaves', () => {
    const { watch: owing } = after(active(), unsent(`from='${JULIET}' type='subscribed'`))
    expect(owing?.owesSubscribed).toBe(true)
    expect(after(owing ?? watch(), { kind: 'heal' }).wanted).toEqual(['cancel resend', `subscribed ${JULIET}`])
  })

  test.each<[string, SipWatch, SipWatchEvent]>([
    ['what no patience mends', active(), unsent(`from='${JULIET}'`, 'never')],
    ['who is not let in', watch({ authorization: 'pending' }), unsent(`from='${JULIET}'`)],
    ['an unsubscribed', active(), unsent(`from='${JULIET}' type='unsubscribed'`)],
    ['it waits already', active({ resendAtMs: 1_000_001 }), unsent(`from='${JULIET}'`)],
  ])('not again: %s', (_name, begun, event) => expect(after(begun, event).wanted).toEqual([]))
})

describe('mapping D.2: the watcher comes and goes', () => {
  test('who was lost from sight is told only what is new to him then', () => {
    const { watch: left } = after(active({ tellAgain: true, known: true }), { kind: 'watcher-left' })
    expect(left).toMatchObject({ authorization: 'active', tellAgain: false, known: false })
  })

  test('back while the first SUBSCRIBE, which nobody wants any more, is under way: another', () => {
    const left = after(active(), { kind: 'watcher-came' }, { kind: 'watcher-left' })
    expect(left.watch?.subscriber).toMatchObject({ name: 'subscribing', unwanted: true })
    expect(after(left.watch ?? watch(), { kind: 'watcher-came' }).wanted).toEqual(['SUBSCRIBE 3600', 'arm N 32000'])
  })

  test('back while the first SUBSCRIBE is under way: nothing', () =>
    expect(after(active(), { kind: 'watcher-came' }, { kind: 'watcher-came' }).wanted).toEqual([]))
})

describe('after a restart', () => {
  test('without a dialog there is nothing to take up', () => {
    const { watch: kept, wanted } = after(active({ known: true }), { kind: 'resume' })
    expect([kept?.subscriber, kept?.known, wanted]).toEqual([null, false, []])
  })

  test('with one it is asked for at once, and twice more', () => {
    const begun = after(active(), { kind: 'refresh' }).watch ?? watch()
    expect(after(begun, { kind: 'resume' }).wanted).toEqual([
      'SUBSCRIBE 3600',
      'arm N 32000',
      'arm confirm 6000 6000',
      'arm confirm 35000 35000',
    ])
  })
})
