import type { XmppWatchEvent } from '../src/watch-xmpp.ts'
import { advanceXmppWatch } from '../src/watch-xmpp.ts'
import type { XmppWatch, XmppWatchContext } from '../src/watch-xmpp-state.ts'
import { newXmppWatch } from '../src/watch-xmpp-state.ts'
import { countingIds, presenceOf } from './stage.ts'

const NOW_MS = 100 * 24 * 3_600_000
const context: XmppWatchContext = {
  nowMs: NOW_MS,
  ids: countingIds(),
  documents: { of: () => '<presence/>' },
  rules: {
    events: ['presence'],
    bodyType: 'application/pidf+xml',
    minExpiresS: 60,
    maxExpiresS: 3600,
    defaultExpiresS: 3600,
    minNotifyIntervalMs: 0,
  },
  // Watched without a dialog of ours.
  publishes: true,
  isShownToContact: () => false,
}

const watch = (changes: Partial<XmppWatch> = {}): XmppWatch => ({
  ...newXmppWatch('juliet@capulet.example', 'romeo@montague.example'),
  ...changes,
})
const pending = (changes: Partial<XmppWatch> = {}) =>
  watch({ authorization: 'pending', pendingSinceMs: NOW_MS, ...changes })
const active = (changes: Partial<XmppWatch> = {}) => watch({ authorization: 'active', ...changes })
const denied = (deniedUntilMs: number) => watch({ authorization: 'denied', deniedUntilMs })

const error = (condition: string, type = 'cancel'): XmppWatchEvent => ({
  kind: 'presence',
  presence: presenceOf(
    `<presence xmlns='jabber:server' from='romeo@montague.example' to='juliet@capulet.example' type='error'>` +
      `<error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`,
  ),
})
const ours = (type: string) =>
  presenceOf(
    `<presence xmlns='jabber:server' from='juliet@capulet.example' to='romeo@montague.example' type='${type}'/>`,
  )
const left = (type: string): XmppWatchEvent => ({ kind: 'sent', presence: ours(type) })
const unsent = (type: string, retry: 'later' | 'never' = 'later'): XmppWatchEvent => ({
  kind: 'unsent',
  presence: ours(type),
  failure: { fault: 'network', retry, condition: 'remote-server-not-found', status: 404, detail: 'no road' },
})
const FORGOTTEN = ['cancel probe-over', 'cancel probe-soon', 'cancel retry']

const RESUME: XmppWatchEvent = { kind: 'resume' }
const HEAL: XmppWatchEvent = { kind: 'heal' }
const REFRESH: XmppWatchEvent = { kind: 'refresh' }
const LISTED: XmppWatchEvent = { kind: 'listed' }
const RETRY: XmppWatchEvent = { kind: 'timer', timer: 'retry' }
const FORGET: XmppWatchEvent = { kind: 'timer', timer: 'forget' }
const PROBE_SOON: XmppWatchEvent = { kind: 'timer', timer: 'probe-soon' }

test.each<[string, XmppWatch, XmppWatchEvent, XmppWatch['authorization'] | undefined, readonly string[]]>([
  ['a refusal that still holds', denied(NOW_MS + 1000), RESUME, 'denied', ['arm forget 1000']],
  ['a refusal that is over', denied(NOW_MS), RESUME, undefined, []],
  ['a request that never left', pending(), RESUME, 'pending', ['subscribe']],
  ['a request that has left', pending({ askedAtMs: 1 }), RESUME, 'pending', []],
  ['a request that nobody has answered for a month', pending({ pendingSinceMs: 0 }), RESUME, undefined, []],
  ['an agreement', active(), RESUME, 'active', ['probe']],

  ['a road again, for a request that never left', pending(), HEAL, 'pending', ['subscribe']],
  ['a road again, for a request that has left', pending({ askedAtMs: 1 }), HEAL, 'pending', []],
  ['a road again, for an agreement', active(), HEAL, 'active', ['probe']],
  ['a road again, while it is resumed anyway', active({ resuming: true }), HEAL, 'active', []],

  [
    'an administrator asks again, whatever was asked',
    pending({ askedAtMs: NOW_MS }),
    REFRESH,
    'pending',
    ['subscribe'],
  ],
  ['an administrator asks who is there', active({ heardAtMs: NOW_MS }), REFRESH, 'active', ['probe']],

  ['listed for the first time', watch(), LISTED, 'pending', ['subscribe']],
  ['listed, refused before', denied(NOW_MS), LISTED, 'pending', ['cancel forget', 'subscribe']],
  ['listed, refused just now', denied(NOW_MS + 1), LISTED, 'denied', []],
  ['listed, and known', active({ heardAtMs: NOW_MS }), LISTED, 'active', []],
  ['listed, and known of old', active({ heardAtMs: NOW_MS - 300_001 }), LISTED, 'active', ['probe']],
  ['listed, asked a day ago', pending({ askedAtMs: NOW_MS - 86_400_001 }), LISTED, 'pending', ['subscribe']],
  ['listed, asked today', pending({ askedAtMs: NOW_MS - 86_400_000 }), LISTED, 'pending', []],

  ['another try of an agreement', active(), RETRY, 'active', ['probe']],
  ['another try of a request', pending(), RETRY, 'pending', ['subscribe']],
  ['a request to nobody', pending(), error('item-not-found'), undefined, FORGOTTEN],
  ['a request that is not allowed', pending(), error('forbidden', 'auth'), undefined, FORGOTTEN],
  ['a request that may be allowed later', pending(), error('not-allowed', 'wait'), 'pending', FORGOTTEN],
  ['a request in a bad moment', pending(), error('internal-server-error'), 'pending', FORGOTTEN],
  ['an agreement outlives every error', active(), error('item-not-found'), 'active', FORGOTTEN],
  ['a probe has left', active(), left('probe'), 'active', ['cancel retry', 'arm probe-over 30000']],
  [
    'a probe has left, in a hurry',
    active({ resuming: true }),
    left('probe'),
    'active',
    ['cancel retry', 'arm probe-over 2500'],
  ],
  ['a request has left', pending(), left('subscribe'), 'pending', ['cancel retry']],
  ['something else has left', active(), left('unavailable'), 'active', []],
  ['a probe cannot leave', active(), unsent('probe'), 'active', ['cancel probe-over', 'arm retry 30000']],
  [
    'a probe cannot leave for five minutes',
    active({ troubleSinceMs: NOW_MS - 300_000 }),
    unsent('probe'),
    'active',
    ['cancel probe-over', 'arm retry 300000'],
  ],
  ['a request can never leave', pending(), unsent('subscribe', 'never'), undefined, FORGOTTEN],
  ['something else cannot leave', active(), unsent('unavailable'), 'active', []],
  ['a refusal is forgotten', denied(NOW_MS), FORGET, undefined, []],
  ['approved, and nothing heard', active(), PROBE_SOON, 'active', ['probe']],
  ['approved, and heard', active({ heardAtMs: 1 }), PROBE_SOON, 'active', []],
])('%s', (_name, begun, event, authorization, wanted) => {
  const step = advanceXmppWatch(begun, event, context)
  expect(step.watch?.authorization).toBe(authorization)
  expect(
    step.effects.map((effect) => {
      switch (effect.kind) {
        case 'send-stanza':
          return effect.presence.type
        case 'arm-timer':
          return `arm ${effect.timer} ${effect.afterMs}`
        case 'cancel-timer':
          return `cancel ${effect.timer}`
        default:
          return effect.kind
      }
    }),
  ).toEqual(wanted)
})

test.each([
  ['a road again', HEAL],
  ['another try', RETRY],
  ['a restart', RESUME],
])('%s, and nobody watches: the contact is not bothered', (_name, event) => {
  const step = advanceXmppWatch(active(), event, { ...context, publishes: false })
  expect([step.effects, step.watch?.resuming]).toEqual([[], false])
})
