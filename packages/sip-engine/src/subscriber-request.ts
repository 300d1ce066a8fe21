import { newSipRequest, withTag } from '@stox/sip'
import type { SipHeaderEntry } from '@stox/sip'
import { requestInDialog, storedAddress } from './dialog.ts'
import type { Dialog } from './dialog.ts'
import { arm, to } from './effects.ts'
import { LONGEST_S, refreshAfterMs } from './soft-state.ts'
import { common } from './subscriber-state.ts'
import type {
  Attempt,
  Closing,
  Common,
  Refreshing,
  Subscribed,
  Subscribing,
  SubscriberContext,
  SubscriberStep,
  SubscriptionOrder,
} from './subscriber-state.ts'
import { TIMER_N_MS } from './timers.ts'

/** NOTIFYs count the same expiry down in whole seconds: less than this is the same moment. */
const SAME_EXPIRY_MS = 5000

const ARM_N = arm('N', TIMER_N_MS)

/** A new try: new Call-ID and From tag, since nothing of an old one may be taken for it. */
export function subscribe(state: Common, context: SubscriberContext): SubscriberStep {
  return send(
    { ...common(state), name: 'subscribing', unwanted: false },
    {
      callId: context.ids.token(),
      localTag: context.ids.token(),
      cseq: 1,
      requestUri: state.order.requestUri,
      expiresS: state.order.expiresS,
      redirected: false,
      lengthened: false,
      grantedS: null,
    },
  )
}

/** @see RFC 6665 §4.1.2.1, §4.1.2.4 */
export function send(state: Omit<Subscribing, 'attempt'>, attempt: Attempt): SubscriberStep {
  const { order } = state
  const request = newSipRequest({
    method: 'SUBSCRIBE',
    uri: attempt.requestUri,
    from: withTag(storedAddress(order.from), attempt.localTag),
    to: storedAddress(order.to),
    callId: attempt.callId,
    cseq: attempt.cseq,
    headers: subscribeHeaders(order, attempt.expiresS),
  })
  return to({ ...state, attempt }, { kind: 'send-request', request, nextHop: undefined }, ARM_N)
}

const subscribeHeaders = (order: SubscriptionOrder, expiresS: number): readonly SipHeaderEntry[] => [
  ['Contact', `<${order.contact}>`],
  ['Event', order.event],
  ['Expires', String(expiresS)],
  ['Accept', order.accept],
  ['Allow-Events', order.event],
  ...(order.headers ?? []),
]

export function refresh(state: Subscribed, expiresS: number, lengthened: boolean): SubscriberStep {
  const { dialog, outgoing } = requestInDialog(state.dialog, 'SUBSCRIBE', {
    headers: subscribeHeaders(state.order, expiresS),
  })
  const refreshing: Refreshing = { cseq: dialog.localCSeq, expiresS, answered: false, notified: false, lengthened }
  return to({ ...state, dialog, refreshing }, { kind: 'send-request', ...outgoing }, ARM_N)
}

/** Ends a dialog: the notifier's last NOTIFY, or Timer N, is the end. @see RFC 6665 §4.1.2.3 */
export function close(state: Common, dialog: Dialog): SubscriberStep {
  const last = requestInDialog(dialog, 'SUBSCRIBE', { headers: subscribeHeaders(state.order, 0) })
  const closing: Closing = { ...common(state), name: 'closing', dialog: last.dialog }
  return to(closing, { kind: 'send-request', ...last.outgoing }, ARM_N)
}

/** The notifier's word on the end of the subscription, and from it the moment to refresh. */
export function expireAfter(state: Subscribed, expiresS: number, context: SubscriberContext): SubscriberStep {
  const lifetimeMs = Math.min(expiresS, LONGEST_S) * 1000
  const expiresAtMs = context.nowMs + lifetimeMs
  if (Math.abs(expiresAtMs - state.expiresAtMs) < SAME_EXPIRY_MS) return to(state)
  return to(
    { ...state, expiresAtMs },
    arm('refresh', refreshAfterMs(lifetimeMs, context.ids.fraction())),
    arm('expiry', lifetimeMs),
  )
}
