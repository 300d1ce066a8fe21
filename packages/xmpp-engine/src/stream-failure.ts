import type { Failure } from '@stox/kernel'
import type { DialbackCondition, StreamCondition } from '@stox/xmpp'

/** Why a stream could not be had, or ended. Each is one row of the table that `failureOf` reads. */
export type StreamFailure =
  /** No SRV and no address, or a target of `.`. */
  | { readonly kind: 'domain-not-found'; readonly detail: string }
  /** The name server did not answer, or answered with an error. */
  | { readonly kind: 'dns-trouble'; readonly detail: string }
  | { readonly kind: 'unreachable'; readonly detail: string }
  | { readonly kind: 'timeout'; readonly detail: string }
  | { readonly kind: 'tls-failed'; readonly detail: string }
  /** The partner's record and the peer's offer have nothing in common. */
  | { readonly kind: 'no-method'; readonly detail: string }
  | { readonly kind: 'dialback-invalid'; readonly detail: string }
  | { readonly kind: 'dialback-error'; readonly condition: DialbackCondition; readonly detail: string }
  /** The peer closed the stream with this error. */
  | { readonly kind: 'peer-error'; readonly condition: StreamCondition; readonly detail: string }
  /** We closed the stream with this error. */
  | { readonly kind: 'protocol'; readonly condition: StreamCondition; readonly detail: string }
  | { readonly kind: 'closed'; readonly detail: string }
  /** Our side of the rules: the partner is not listed, or not enabled. */
  | { readonly kind: 'not-allowed'; readonly detail: string }
  | { readonly kind: 'connection-limit'; readonly detail: string }
  | { readonly kind: 'queue-full'; readonly detail: string }
  /** The stanza's own time ran out while it waited for a stream. */
  | { readonly kind: 'expired'; readonly detail: string }
  | { readonly kind: 'too-big'; readonly detail: string }
  | { readonly kind: 'shutting-down'; readonly detail: string }

/** What the sender of a stanza is told. @see mapping B.3 */
export declare function failureOf(failure: StreamFailure): Failure
