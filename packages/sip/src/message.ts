import type { SipHeaders } from './headers.ts'
import type { NameAddr } from './name-addr.ts'
import type { Via } from './via.ts'

/** The headers no message can do without, read strictly when it arrives. @see RFC 3261 §8.1.1 */
export interface SipCore {
  /** Topmost first. Empty only in a request of ours that no transport has taken yet. */
  readonly vias: readonly Via[]
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: { readonly number: number; readonly method: string }
  /** Undefined when absent: take 70. */
  readonly maxForwards: number | undefined
}

export interface SipRequest {
  readonly kind: 'request'
  readonly method: string
  /** As written; `parseSipUri` has accepted it. */
  readonly uri: string
  readonly headers: SipHeaders
  readonly body: Uint8Array
  readonly core: SipCore
}

export interface SipResponse {
  readonly kind: 'response'
  readonly status: number
  readonly reason: string
  readonly headers: SipHeaders
  readonly body: Uint8Array
  readonly core: SipCore
}

export type SipMessage = SipRequest | SipResponse

export interface SipAnswer {
  readonly status: number
  readonly reason: string
  readonly headers?: readonly (readonly [name: string, value: string])[]
}

/** Why bytes are no SIP message we take. `answer` and `salvaged` are both there or both absent: absent means discard. */
export interface SipSyntaxFailure {
  readonly kind: 'sip-syntax'
  readonly detail: string
  readonly answer: SipAnswer | undefined
  /** As much of the request as `newSipResponse` needs: its top Via can be read; other parts of `core` may be stand-ins. */
  readonly salvaged: SipRequest | undefined
}

export type SipHeaderEntry = readonly [name: string, value: string]

export interface NewSipRequest {
  readonly method: string
  readonly uri: string
  readonly from: NameAddr
  readonly to: NameAddr
  readonly callId: string
  readonly cseq: number
  readonly maxForwards?: number
  readonly headers?: readonly SipHeaderEntry[]
  readonly contentType?: string
  readonly body?: string | Uint8Array
}

export interface NewSipResponseOptions {
  /** Put on the To when the request has no tag there and the status is not 100. */
  readonly toTag?: string
  readonly headers?: readonly SipHeaderEntry[]
  readonly contentType?: string
  readonly body?: string | Uint8Array
}

/** A request without Via: the transport adds it (`withVia`). */
export declare function newSipRequest(input: NewSipRequest): SipRequest
/** The response to a request: Via, From, To, Call-ID, CSeq as they came, Record-Route where a dialog may start. @see RFC 3261 §8.2.6.2, §12.1.1 */
export declare function newSipResponse(
  request: SipRequest,
  status: number,
  reason?: string,
  options?: NewSipResponseOptions,
): SipResponse
/** The reason phrases of the registry; `reasonOf` falls back to the class. */
export declare const REASONS: Readonly<Record<number, string>>
export declare function reasonOf(status: number): string
