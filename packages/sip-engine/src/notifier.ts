import type { Ids, Result } from '@stox/kernel'
import type { SipRequest, SipResponse } from '@stox/sip'
import type { Dialog, OutgoingRequest } from './dialog.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

export interface SubscribeRules {
  /** Event packages we serve: `presence`. */
  readonly events: readonly string[]
  /** The body type we send; the watcher must accept it (an absent Accept does). */
  readonly bodyType: string
  readonly minExpiresS: number
  readonly maxExpiresS: number
  readonly defaultExpiresS: number
  /** At least this long between two NOTIFYs of one dialog. @see RFC 3856 §6.10 */
  readonly minNotifyIntervalMs: number
}

export const DEFAULT_SUBSCRIBE_RULES: SubscribeRules = {
  events: ['presence'],
  bodyType: 'application/pidf+xml',
  minExpiresS: 60,
  maxExpiresS: 3600,
  defaultExpiresS: 3600,
  minNotifyIntervalMs: 5000,
}

/** What a SUBSCRIBE asks for, checked and granted. */
export interface SubscribeTerms {
  /** The Event header as written. */
  readonly event: string
  /** 0: a poll, or the end. */
  readonly expiresS: number
}

export interface NotifyDocument {
  readonly contentType: string
  readonly body: string
}

export interface NotifierContext {
  readonly nowMs: number
  readonly ids: Ids
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

/** Plain JSON. @see RFC 6665 §4.2.1, figure 3 */
export interface NotifierState {
  /** `ending`: the last NOTIFY waits until the one before it is answered. */
  readonly name: 'pending' | 'active' | 'polled' | 'ending' | 'ended'
  readonly dialog: Dialog
  readonly rules: SubscribeRules
  readonly event: string
  readonly contact: string
  readonly expiresAtMs: number
  /** CSeq of the NOTIFY that waits for its response. */
  readonly outstanding: number | null
  /** Something has changed since the last NOTIFY was written. */
  readonly dirty: boolean
  readonly lastNotifyAtMs: number
  readonly failures: number
  readonly termination: Termination | null
}

/** `interval`: the pause between NOTIFYs is over; `poll`: the wait for something to say is. */
export type NotifierTimer = 'expiry' | 'interval' | 'poll'

export type NotifierInput =
  /** SUBSCRIBE within the dialog (`dialogKeyOf`): refresh or end. */
  | { readonly kind: 'subscribe'; readonly request: SipRequest }
  | { readonly kind: 'authorize'; readonly authorization: 'pending' | 'active' }
  /** The document has changed. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'terminate'; readonly termination: Termination }
  /** The end of a NOTIFY that `send-notify` asked for. */
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  | { readonly kind: 'timer'; readonly timer: NotifierTimer }

export type NotifierReport =
  /** The watcher has come back: its interest lasts until `expiresAtMs`. */
  | { readonly kind: 'refreshed'; readonly expiresAtMs: number }
  | {
      readonly kind: 'ended'
      readonly cause: 'unsubscribed' | 'expired' | 'polled' | 'terminated' | 'refused-by-watcher' | 'unreachable'
      readonly status: number | undefined
    }

export type NotifierEffect =
  | { readonly kind: 'respond'; readonly response: SipResponse }
  | ({ readonly kind: 'send-notify' } & OutgoingRequest)
  /** Replaces the timer of that name, if armed. */
  | { readonly kind: 'arm-timer'; readonly timer: NotifierTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: NotifierTimer }
  | { readonly kind: 'report'; readonly report: NotifierReport }

export interface NotifierStep {
  readonly state: NotifierState
  readonly effects: readonly NotifierEffect[]
}

export declare function notifierKey(state: NotifierState): string
/** The checks every SUBSCRIBE passes, new or within a dialog; the failure is the response to give. @see mapping D.5 */
export declare function judgeSubscribe(request: SipRequest, rules: SubscribeRules): Result<SubscribeTerms, SipResponse>
/** Takes a SUBSCRIBE without To tag: 200, and at once the first NOTIFY. The failure is the response to give. */
export declare function openNotifier(
  request: SipRequest,
  options: {
    readonly rules: SubscribeRules
    /** The URI for Contact. */
    readonly contact: string
    readonly authorization: 'pending' | 'active'
    /** How long a poll may wait for `changed` when there is no document yet. */
    readonly pollWaitMs?: number
  },
  context: NotifierContext,
): Result<NotifierStep, SipResponse>
export declare function advanceNotifier(
  state: NotifierState,
  input: NotifierInput,
  context: NotifierContext,
): NotifierStep
/** After a restart: one NOTIFY for a dialog that still lives, with the full state. @see mapping D.10 */
export declare function resumeNotifier(state: NotifierState, context: NotifierContext): NotifierStep
