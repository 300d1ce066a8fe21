import { unreachable } from '@stox/kernel'
import { arm, before, stop, to } from './effects.ts'
import type { SubscriberDecision } from './subscriber-decision.ts'
import { subscribe } from './subscriber-request.ts'
import { common, isPoll, report } from './subscriber-state.ts'
import type {
  Common,
  Subscribed,
  Subscribing,
  SubscriberCause,
  SubscriberContext,
  SubscriberEffect,
  SubscriberState,
  SubscriberStep,
} from './subscriber-state.ts'

/** A dialog that lived this long was a good one: what ends it starts the back-off anew. */
const GOOD_DIALOG_MS = 60_000
/** A user who was there before and is unknown now may come back. @see mapping note D.5 */
const MISSING_RETRY_MS = 3_600_000
const MISSING_TRIES = 3
const BACKOFF_FIRST_MS = 30_000
const BACKOFF_LONGEST_MS = 3_600_000

/** The timers that run in a state, to be stopped when it is left. */
export function stopTimers(state: SubscriberState): readonly SubscriberEffect[] {
  switch (state.name) {
    case 'subscribing':
    case 'closing':
      return [stop('N')]
    case 'pending':
    case 'active':
      return [stop('N'), stop('refresh'), stop('expiry')]
    case 'holdoff':
      return [stop('retry')]
    case 'settled':
    case 'ended':
      return []
    default:
      return unreachable(state)
  }
}

/** What a decision means wherever there was an attempt or a dialog, and none stays. */
export function follow(
  state: Subscribing | Subscribed,
  decision: SubscriberDecision,
  cause: SubscriberCause,
  context: SubscriberContext,
): SubscriberStep {
  if (state.name === 'subscribing' && state.unwanted) return end(state)
  switch (decision.kind) {
    case 'cancelled':
      return cancel(state, cause)
    case 'missing': {
      const missing = state.missing + 1
      if (!state.authorized || missing >= MISSING_TRIES) return cancel(state, cause)
      return interrupt({ ...state, missing }, MISSING_RETRY_MS, cause, context)
    }
    case 'settled':
      return to({ ...common(state), name: 'settled' }, ...stopTimers(state))
    case 'resubscribe':
    case 'holdoff':
    case 'keep':
      return interrupt(state, decision.afterMs, cause, context)
    case 'accepted':
    case 'lengthen':
    case 'redirect':
      return interrupt(state, undefined, cause, context) // handled where they make sense
    default:
      return unreachable(decision)
  }
}

/** No dialog for now. Polls and what nobody wants any more end here. */
export function interrupt(
  state: Subscribing | Subscribed,
  wantedAfterMs: number | undefined,
  cause: SubscriberCause,
  context: SubscriberContext,
): SubscriberStep {
  if (isPoll(state.order) || (state.name === 'subscribing' && state.unwanted)) return end(state, cause)
  const good = state.name !== 'subscribing' && context.nowMs - state.startedAtMs >= GOOD_DIALOG_MS
  const failures = good ? 1 : state.failures + 1
  // `At once` is believed the first time; a notifier that keeps saying it gets the back-off.
  const immediate = wantedAfterMs !== undefined && wantedAfterMs < BACKOFF_FIRST_MS
  const afterMs =
    immediate && failures <= 1 ? wantedAfterMs : Math.max(wantedAfterMs ?? 0, backoffMs(failures, context))
  const leaving = stopTimers(state)
  const after: Common = { ...common(state), failures }
  const told = report({ kind: 'interrupted', cause, retryAfterMs: afterMs })
  if (afterMs === 0) return before([...leaving, told], subscribe(after, context))
  return to({ ...after, name: 'holdoff', retryAtMs: context.nowMs + afterMs }, ...leaving, told, arm('retry', afterMs))
}

/** 30 s, doubled for each failure in a row, at most an hour; ± 20 %. @see mapping note D.6 */
export function backoffMs(failures: number, context: SubscriberContext): number {
  const plainMs = Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_LONGEST_MS)
  return Math.round(plainMs * (0.8 + 0.4 * context.ids.fraction()))
}

const cancel = (state: SubscriberState, cause: SubscriberCause): SubscriberStep =>
  to({ ...common(state), authorized: false, name: 'ended' }, ...stopTimers(state), report({ kind: 'cancelled', cause }))

export const end = (state: SubscriberState, cause?: SubscriberCause): SubscriberStep =>
  to({ ...common(state), name: 'ended' }, ...stopTimers(state), report({ kind: 'ended', cause }))
