import type { Ids } from '@stox/kernel'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import type { Dialog, OutgoingRequest } from './dialog.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

/** What to watch, and as whom. Plain JSON. */
export interface SubscriptionOrder {
  /** The Event header, compared byte for byte with that of a NOTIFY: `presence`. */
  readonly event: string
  /** The one body type we take: `application/pidf+xml`. */
  readonly accept: string
  /** Header values of From and To, without tags: `"Juliet" <sip:juliet@xmpp.example>`. */
  readonly from: string
  readonly to: string
  readonly requestUri: string
  /** The URI for Contact. */
  readonly contact: string
  /** 0 polls: one NOTIFY and the end. */
  readonly expiresS: number
  readonly headers?: readonly SipHeaderEntry[]
}

/** What the machine may ask of its surroundings. */
export interface SubscriberContext {
  readonly nowMs: number
  readonly ids: Ids
}

/** One try to subscribe: the identity of the SUBSCRIBE until a NOTIFY makes a dialog of it. */
export interface Attempt {
  readonly callId: string
  readonly localTag: string
  readonly cseq: number
  /** Where the last redirection or the order said to go. */
  readonly requestUri: string
  readonly expiresS: number
  /** 3xx and 423 are followed once. */
  readonly redirected: boolean
  readonly lengthened: boolean
  /** From the 2xx; null: none yet. */
  readonly grantedS: number | null
}

interface Common {
  readonly order: SubscriptionOrder
  /** The watched user has let us in before: only a clear refusal ends that. */
  readonly authorized: boolean
  /** Failed tries in a row, for the back-off. */
  readonly failures: number
  /** How often in a row the watched user was unknown (404, 410, 604). */
  readonly missing: number
}

/** Plain JSON. @see RFC 6665 §4.1.2 */
export type SubscriberState = Common &
  (
    | {
        readonly name: 'subscribing'
        readonly attempt: Attempt
        readonly giveUpAtMs: number
        /** Ends as soon as it has a dialog to end. */ readonly unwanted: boolean
      }
    | {
        readonly name: 'pending' | 'active'
        readonly dialog: Dialog
        readonly expiresAtMs: number
        readonly refreshAtMs: number
        /** The refresh that waits for its response or its NOTIFY. */
        readonly refreshing: {
          readonly cseq: number
          readonly expiresS: number
          readonly answered: boolean
          readonly notified: boolean
        } | null
      }
    | { readonly name: 'holdoff'; readonly retryAtMs: number }
    | { readonly name: 'closing'; readonly dialog: Dialog; readonly giveUpAtMs: number }
    /** The resource will never change: no dialog, but what we know stays true. */
    | { readonly name: 'settled' }
    | { readonly name: 'ended' }
  )

export type SubscriberTimer = 'N' | 'refresh' | 'expiry' | 'retry'

export type SubscriberInput =
  /** The end of a SUBSCRIBE that `send-subscribe` asked for. */
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  /** A NOTIFY found by `dialogKeyOf`. Its body has been looked at: one we cannot take is answered 400 or 415 before it gets here. */
  | { readonly kind: 'notify'; readonly request: SipRequest }
  | { readonly kind: 'timer'; readonly timer: SubscriberTimer }
  /** Ask for the full state now (probe): refreshes the dialog, or ends a hold-off. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'unsubscribe' }

/** What follows from a response or a terminated subscription. @see mapping D.4, D.5 */
export type SubscriberDecision =
  /** Another try on a new dialog; the authorization stays. */
  | { readonly kind: 'resubscribe'; readonly afterMs: number }
  /** Later; the authorization stays. `afterMs` undefined: back-off. */
  | { readonly kind: 'holdoff'; readonly afterMs: number | undefined; readonly missing?: true }
  /** The watched user, or the server for it, refuses for good. */
  | { readonly kind: 'cancelled' }
  /** The subscription stays valid until its last known expiry; try the refresh again. */
  | { readonly kind: 'keep' }
  | { readonly kind: 'settled' }
  | { readonly kind: 'lengthen'; readonly expiresS: number }
  | { readonly kind: 'redirect'; readonly uri: string }

/** What the end or interruption came from, for the log and for the error the watcher may see. */
export interface SubscriberCause {
  /** A status, `timeout`, `transport`, `no-notify` (Timer N), `expired`, or the reason of a terminated subscription. */
  readonly reason: string
  readonly status: number | undefined
  readonly detail: string
}

export type SubscriberReport =
  /** 2xx: neutral, says nothing about authorization. */
  | { readonly kind: 'accepted'; readonly expiresS: number }
  /** A NOTIFY, already answered 200. The body is the full state as of now; empty: unknown. */
  | {
      readonly kind: 'notified'
      readonly state: 'pending' | 'active' | 'terminated'
      /** The first time that this watcher is let in. */
      readonly firstActive: boolean
      readonly contentType: string | undefined
      readonly contentLanguage: string | undefined
      readonly body: Uint8Array
    }
  /** No dialog for now; the authorization stays; the machine tries again by itself after `retryAfterMs`. */
  | { readonly kind: 'interrupted'; readonly cause: SubscriberCause; readonly retryAfterMs: number }
  /** Refused for good: tell the watcher `unavailable` and `unsubscribed`. */
  | { readonly kind: 'cancelled'; readonly cause: SubscriberCause }
  /** Over because we wanted it so, or because the poll is answered; `cause` when a poll failed. */
  | { readonly kind: 'ended'; readonly cause: SubscriberCause | undefined }

export type SubscriberEffect =
  | ({ readonly kind: 'send-subscribe' } & OutgoingRequest)
  | { readonly kind: 'respond'; readonly response: SipResponse }
  /** Replaces the timer of that name, if armed. */
  | { readonly kind: 'arm-timer'; readonly timer: SubscriberTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: SubscriberTimer }
  | { readonly kind: 'report'; readonly report: SubscriberReport }

export interface SubscriberStep {
  readonly state: SubscriberState
  readonly effects: readonly SubscriberEffect[]
}

/** The key for `dialogKeyOf(notify)`; undefined while there is no try and no dialog. It changes with every new try. */
export declare function subscriberKey(state: SubscriberState): string | undefined
export declare function openSubscription(
  order: SubscriptionOrder,
  context: SubscriberContext,
  options?: { readonly authorized?: boolean },
): SubscriberStep
export declare function advanceSubscriber(
  state: SubscriberState,
  input: SubscriberInput,
  context: SubscriberContext,
): SubscriberStep
/** After a restart: refreshes at a random moment within `spreadMs`, so that the notifier tells everything again. @see mapping D.10 */
export declare function resumeSubscriber(
  state: SubscriberState,
  context: SubscriberContext,
  spreadMs: number,
): SubscriberStep
