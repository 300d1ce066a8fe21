import type { Ids } from '@stox/kernel'
import { dialogKey } from './dialog.ts'
import type { Dialog } from './dialog.ts'
import type { Effect, Step } from './effects.ts'
import type { SubscribeRules } from './subscribe-terms.ts'

export interface NotifyDocument {
  readonly contentType: string
  readonly body: string
}

export interface NotifierContext {
  readonly nowMs: number
  readonly ids: Ids
  readonly rules: SubscribeRules
  /**
   * Asked when a NOTIFY is written, so that it always says the newest. `current`: the full state, undefined when nothing
   * is known; `farewell`: the state that ends a subscription (all closed).
   */
  document(kind: 'current' | 'farewell'): NotifyDocument | undefined
}

/** @see RFC 6665 §4.1.3 */
export type TerminationReason =
  'deactivated' | 'probation' | 'rejected' | 'timeout' | 'giveup' | 'noresource' | 'invariant'

export interface Termination {
  readonly reason: TerminationReason
  readonly retryAfterS: number | null
  readonly document: 'none' | 'current' | 'farewell'
}

export type NotifierEndCause =
  'unsubscribed' | 'expired' | 'polled' | 'terminated' | 'refused-by-watcher' | 'unreachable'

/** Plain JSON. @see RFC 6665 §4.2.1, figure 3 */
export interface NotifierState {
  /** `polled`: the one NOTIFY waits for something to say. `ending`: the last NOTIFY waits until the one before it is answered. */
  readonly name: 'pending' | 'active' | 'polled' | 'ending' | 'ended'
  readonly dialog: Dialog
  /** The Event header as the watcher wrote it. */
  readonly event: string
  readonly contact: string
  readonly expiresAtMs: number
  /** CSeq of the NOTIFY that waits for its response. */
  readonly outstanding: number | null
  /** A NOTIFY that is owed: `soon` keeps the interval, `now` only waits for the outstanding one. */
  readonly owed: 'nothing' | 'soon' | 'now'
  readonly lastNotifyAtMs: number
  /** NOTIFYs in a row that failed. */
  readonly failures: number
  readonly termination: (Termination & { readonly cause: NotifierEndCause }) | null
}

/** `interval`: the pause between NOTIFYs is over; `poll`: the wait for something to say is. */
export type NotifierTimer = 'expiry' | 'interval' | 'poll'

export type NotifierReport =
  /** The watcher has come back: its interest lasts until `expiresAtMs`. */
  | { readonly kind: 'refreshed'; readonly expiresAtMs: number }
  | {
      readonly kind: 'ended'
      readonly cause: NotifierEndCause
      readonly status: number | undefined
    }

export type NotifierEffect = Effect<NotifierTimer, NotifierReport>
export type NotifierStep = Step<NotifierState, NotifierEffect>

/** The key for `dialogKeyOf(subscribe)`. */
export const notifierKey = (state: NotifierState): string => dialogKey(state.dialog.callId, state.dialog.localTag)
