import type { Result } from '@stox/kernel'
import type { SipGrammarFailure } from './grammar.ts'
import type { SipParams } from './params.ts'

/** @see RFC 3261 §19.1.1; `im` and `pres` have the same shape for us (RFC 3859, RFC 3860). */
export interface SipUri {
  /** Lower case: `sip`, `sips`, `im`, `pres`, or the scheme of a URI we only carry. */
  readonly scheme: string
  /** As written, escapes included; `userToText` reads it. */
  readonly user: string | undefined
  readonly password: string | undefined
  /** Lower case, no trailing dot, IPv6 in brackets. Empty when `opaque` is there. */
  readonly host: string
  readonly port: number | undefined
  readonly params: SipParams
  /** What follows `?`, as written. */
  readonly headers: string | undefined
  /** What follows the colon of any other scheme (`tel:`, `urn:`, `http:`), as written. */
  readonly opaque?: string
}

export type SipUriFailure = SipGrammarFailure

export declare function parseSipUri(text: string): Result<SipUri, SipUriFailure>
export declare function formatSipUri(uri: SipUri): string
/** A `sip:` URI of parts; the user is text and gets escaped, `gr` likewise. */
export declare function newSipUri(parts: {
  readonly user?: string
  readonly host: string
  readonly port?: number
  readonly gr?: string
  readonly params?: Readonly<Record<string, string | undefined>>
}): SipUri
/** The user part as text: percent-decoded once, strictly UTF-8, no control characters. */
export declare function userToText(user: string): Result<string, SipUriFailure>
/** Text as the user part of a `sip:` URI, in the one spelling we use: only what must be escaped is, in upper-case hex. */
export declare function textToUser(text: string): string
/** Text as the local part of an `im:` or `pres:` URI. @see RFC 3860 §3.2, RFC 7247 §6.5 step 5 */
export declare function textToImUser(text: string): string
/** The value of a URI parameter (`gr`) as text, and back. */
export declare function uriParamToText(value: string): Result<string, SipUriFailure>
export declare function textToUriParam(text: string): string
/** Equal as RFC 3261 §19.1.4 compares (the user is case-sensitive, unreserved escapes do not matter). */
export declare function sameSipUri(a: SipUri, b: SipUri): boolean
