import { unreachable } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import { resumedDialog } from './dialog.ts'
import { arm, before, stop, to } from './effects.ts'
import { end, interrupt, stopTimers } from './subscriber-end.ts'
import { onNotify } from './subscriber-notify.ts'
import { onReply } from './subscriber-reply.ts'
import { close, refresh, subscribe } from './subscriber-request.ts'
import type {
  Subscribed,
  SubscriberCause,
  SubscriberContext,
  SubscriberState,
  SubscriberStep,
  SubscriberTimer,
  SubscriptionOrder,
} from './subscriber-state.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

export type SubscriberInput =
  /** The end of a SUBSCRIBE that `send-request` asked for. */
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  /** A NOTIFY found by `dialogKeyOf`. Its body has been looked at: one we cannot take is answered 400 or 415 before it gets here. */
  | { readonly kind: 'notify'; readonly request: SipRequest }
  | { readonly kind: 'timer'; readonly timer: SubscriberTimer }
  /** Ask for the full state now (probe): refreshes the dialog, or ends a hold-off. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'unsubscribe' }

export function openSubscription(
  order: SubscriptionOrder,
  context: SubscriberContext,
  options: { readonly authorized?: boolean } = {},
): SubscriberStep {
  return subscribe({ order, authorized: options.authorized ?? false, failures: 0, missing: 0 }, context)
}

export function advanceSubscriber(
  state: SubscriberState,
  input: SubscriberInput,
  context: SubscriberContext,
): SubscriberStep {
  switch (input.kind) {
    case 'reply':
      return onReply(state, input.request, input.reply, context)
    case 'notify':
      return onNotify(state, input.request, context)
    case 'timer':
      return onTimer(state, input.timer, context)
    case 'refresh':
      return onRefreshWanted(state, context)
    case 'unsubscribe':
      return onUnsubscribe(state)
    default:
      return unreachable(input)
  }
}

/** After a restart: refreshes at a random moment within `spreadMs`, so that the notifier tells everything again. @see mapping note D.10 */
export function resumeSubscriber(state: SubscriberState, context: SubscriberContext, spreadMs: number): SubscriberStep {
  const spread = (withinMs: number): number => Math.round(context.ids.fraction() * Math.max(0, withinMs))
  switch (state.name) {
    case 'subscribing':
      return state.unwanted ? end(state) : subscribe(state, context)
    case 'pending':
    case 'active': {
      const remainingMs = state.expiresAtMs - context.nowMs
      if (remainingMs <= 0) return subscribe(state, context)
      const next: Subscribed = { ...state, dialog: resumedDialog(state.dialog), refreshing: null }
      return to(next, arm('refresh', spread(Math.min(remainingMs / 2, spreadMs))), arm('expiry', remainingMs))
    }
    case 'closing':
      return close(state, resumedDialog(state.dialog))
    case 'holdoff':
      return to(state, arm('retry', Math.max(0, state.retryAtMs - context.nowMs) + spread(spreadMs)))
    case 'settled':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

function onTimer(state: SubscriberState, timer: SubscriberTimer, context: SubscriberContext): SubscriberStep {
  switch (state.name) {
    case 'subscribing':
      return timer === 'N' ? interrupt(state, undefined, NO_NOTIFY, context) : to(state)
    case 'pending':
    case 'active':
      if (timer === 'refresh' && state.refreshing === null) return refresh(state, state.order.expiresS, false)
      if (timer === 'expiry') return interrupt(state, 0, EXPIRED, context)
      // Without a response the transaction's own timeout decides, and keeps the subscription.
      if (timer === 'N' && state.refreshing?.answered === true) return interrupt(state, 0, NO_NOTIFY, context)
      return to(state)
    case 'closing':
      return timer === 'N' ? end(state) : to(state)
    case 'holdoff':
      return timer === 'retry' ? subscribe(state, context) : to(state)
    case 'settled':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

function onRefreshWanted(state: SubscriberState, context: SubscriberContext): SubscriberStep {
  switch (state.name) {
    case 'pending':
    case 'active':
      return state.refreshing === null ? refresh(state, state.order.expiresS, false) : to(state)
    case 'holdoff':
      return before([stop('retry')], subscribe(state, context))
    case 'subscribing':
    case 'closing':
    case 'settled':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

function onUnsubscribe(state: SubscriberState): SubscriberStep {
  switch (state.name) {
    case 'subscribing':
      return to({ ...state, unwanted: true })
    case 'pending':
    case 'active':
      return before(stopTimers(state), close(state, state.dialog))
    case 'holdoff':
    case 'settled':
      return end(state)
    case 'closing':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

const NO_NOTIFY: SubscriberCause = { reason: 'no-notify', status: undefined, detail: 'Timer N: no NOTIFY came' }

const EXPIRED: SubscriberCause = { reason: 'expired', status: undefined, detail: 'never refreshed in time' }
