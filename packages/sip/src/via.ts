import type { Result } from '@stox/kernel'
import type { SipGrammarFailure } from './grammar.ts'
import type { SipRequest } from './message.ts'
import type { SipParams } from './params.ts'

/** @see RFC 3261 §20.42 */
export interface Via {
  /** Upper case: UDP, TCP, TLS, SCTP, or what else was written. */
  readonly transport: string
  readonly host: string
  readonly port: number | undefined
  /** `branch`, `received`, `rport` and others. */
  readonly params: SipParams
}

/** @see RFC 3261 §8.1.1.7 */
export const BRANCH_COOKIE = 'z9hG4bK'

export declare function parseVia(text: string): Result<Via, SipGrammarFailure>
export declare function formatVia(via: Via): string
/** The request with one more Via on top. */
export declare function withVia(request: SipRequest, via: Via): SipRequest
/** What a server notes on the top Via before it does anything else. @see RFC 3261 §18.2.1, RFC 3581 §4 */
export declare function withReceived(
  request: SipRequest,
  source: { readonly host: string; readonly port: number },
): SipRequest
/** Where a response goes when the flow of its request is gone (streams) or there is none (UDP). @see RFC 3261 §18.2.2, RFC 3581 §4 */
export declare function responseTarget(via: Via): { readonly host: string; readonly port: number }
