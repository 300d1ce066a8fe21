import { unreachable } from '@stox/kernel'
import type { Ids } from '@stox/kernel'
import type { SipHeaderEntry } from '@stox/sip'
import { dialogKey } from './dialog.ts'
import type { Dialog } from './dialog.ts'
import type { Effect, Step } from './effects.ts'

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

export interface Common {
  readonly order: SubscriptionOrder
  /** The watched user has let us in before: only a clear refusal ends that. */
  readonly authorized: boolean
  /** Failed tries in a row, for the back-off. */
  readonly failures: number
  /** How often in a row the watched user was unknown (404, 410, 604). */
  readonly missing: number
}

/** No NOTIFY yet. `unwanted`: ends as soon as it has a dialog to end. */
export type Subscribing = Common & {
  readonly name: 'subscribing'
  readonly attempt: Attempt
  readonly unwanted: boolean
}

/** The SUBSCRIBE of a refresh: done when both its response and a NOTIFY are here. */
export interface Refreshing {
  readonly cseq: number
  readonly expiresS: number
  readonly answered: boolean
  readonly notified: boolean
  readonly lengthened: boolean
}

export type Subscribed = Common & {
  readonly name: 'pending' | 'active'
  readonly dialog: Dialog
  readonly startedAtMs: number
  readonly expiresAtMs: number
  readonly refreshing: Refreshing | null
}

export type Closing = Common & { readonly name: 'closing'; readonly dialog: Dialog }

/** Plain JSON. `settled`: the resource will never change, so there is no dialog, but what we know stays true. @see RFC 6665 §4.1.2 */
export type SubscriberState =
  | Subscribing
  | Subscribed
  | Closing
  | (Common & { readonly name: 'holdoff'; readonly retryAtMs: number })
  | (Common & { readonly name: 'settled' })
  | (Common & { readonly name: 'ended' })

export type SubscriberTimer = 'N' | 'refresh' | 'expiry' | 'retry'

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
      readonly body: Uint8Array
    }
  /** No dialog for now; the authorization stays; the machine tries again by itself after `retryAfterMs`. */
  | { readonly kind: 'interrupted'; readonly cause: SubscriberCause; readonly retryAfterMs: number }
  /** Refused for good: tell the watcher `unavailable` and `unsubscribed`. */
  | { readonly kind: 'cancelled'; readonly cause: SubscriberCause }
  /** Over because we wanted it so, or because the poll is answered; `cause` when a poll failed. */
  | { readonly kind: 'ended'; readonly cause: SubscriberCause | undefined }

export type SubscriberEffect = Effect<SubscriberTimer, SubscriberReport>
export type SubscriberStep = Step<SubscriberState, SubscriberEffect>

export const report = (what: SubscriberReport): SubscriberEffect => ({ kind: 'report', report: what })

export const common = ({ order, authorized, failures, missing }: Common): Common => ({
  order,
  authorized,
  failures,
  missing,
})

export const isPoll = (order: SubscriptionOrder): boolean => order.expiresS === 0

/** The key for `dialogKeyOf(notify)`; undefined while there is no try and no dialog. It changes with every new try. */
export function subscriberKey(state: SubscriberState): string | undefined {
  switch (state.name) {
    case 'subscribing':
      return dialogKey(state.attempt.callId, state.attempt.localTag)
    case 'pending':
    case 'active':
    case 'closing':
      return dialogKey(state.dialog.callId, state.dialog.localTag)
    case 'holdoff':
    case 'settled':
    case 'ended':
      return undefined
    default:
      return unreachable(state)
  }
}
