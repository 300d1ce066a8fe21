import { formatSubscriptionState } from '@stox/sip'
import { requestInDialog } from './dialog.ts'
import { arm, before, stop, to } from './effects.ts'
import type {
  NotifierContext,
  NotifierEndCause,
  NotifierState,
  NotifierStep,
  NotifyDocument,
} from './notifier-state.ts'

const STOP_ALL = [stop('expiry'), stop('interval'), stop('poll')]

/** Writes the NOTIFY that is owed, if it is its time: one at a time, and changes not faster than the interval. @see RFC 3856 §6.10 */
export function flush(state: NotifierState, context: NotifierContext): NotifierStep {
  if (state.owed === 'nothing' || state.outstanding !== null) return to(state)
  const intervalMs = context.rules.minNotifyIntervalMs
  const pauseMs = Math.min(intervalMs, state.lastNotifyAtMs + intervalMs - context.nowMs) // the wall clock may step back
  if (state.owed === 'soon' && pauseMs > 0) return to(state, arm('interval', pauseMs))
  const step = notify(state, context)
  const { termination } = state
  return termination === null ? step : before(step.effects, end(step.state, termination.cause, undefined))
}

function notify(state: NotifierState, context: NotifierContext): NotifierStep {
  const document = documentOf(state, context)
  const { dialog, outgoing } = requestInDialog(state.dialog, 'NOTIFY', {
    headers: [
      ['Contact', `<${state.contact}>`],
      ['Event', state.event],
      ['Subscription-State', subscriptionStateOf(state, context)],
    ],
    ...document,
  })
  const next: NotifierState = {
    ...state,
    dialog,
    outstanding: dialog.localCSeq,
    owed: 'nothing',
    lastNotifyAtMs: context.nowMs,
  }
  return to(next, { kind: 'send-request', ...outgoing })
}

function documentOf(state: NotifierState, context: NotifierContext): NotifyDocument | undefined {
  const which = state.termination === null ? (state.name === 'active' ? 'current' : 'none') : state.termination.document
  return which === 'none' ? undefined : context.document(which)
}

function subscriptionStateOf(state: NotifierState, context: NotifierContext): string {
  const { termination } = state
  if (termination === null) {
    const expires = Math.max(0, Math.round((state.expiresAtMs - context.nowMs) / 1000))
    return formatSubscriptionState({ state: state.name, expires, reason: undefined, retryAfterS: undefined })
  }
  const { reason, retryAfterS } = termination
  return formatSubscriptionState({
    state: 'terminated',
    expires: undefined,
    reason,
    retryAfterS: retryAfterS ?? undefined,
  })
}

export const end = (state: NotifierState, cause: NotifierEndCause, status: number | undefined): NotifierStep =>
  to({ ...state, name: 'ended', owed: 'nothing' }, ...STOP_ALL, {
    kind: 'report',
    report: { kind: 'ended', cause: state.termination?.cause ?? cause, status },
  })
