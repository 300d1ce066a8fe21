import type { Result } from '@stox/kernel'
import type { SipGrammarFailure } from './grammar.ts'
import type { SipHeaders } from './headers.ts'
import type { NameAddr } from './name-addr.ts'
import type { SipParams } from './params.ts'

/** @see RFC 6665 §4.1.3 */
export interface SubscriptionState {
  /** Lower case: `active`, `pending`, `terminated`, or an extension. */
  readonly state: string
  readonly expires: number | undefined
  readonly reason: string | undefined
  readonly retryAfterS: number | undefined
}

/** @see RFC 6665 §8.2.1 */
export interface EventHeader {
  readonly package: string
  readonly id: string | undefined
}

export interface MediaType {
  /** Lower case, `type/subtype`. */
  readonly type: string
  readonly params: SipParams
}

export interface Warning {
  readonly code: number
  readonly agent: string
  readonly text: string
}

export declare function parseSubscriptionState(text: string): Result<SubscriptionState, SipGrammarFailure>
export declare function formatSubscriptionState(value: SubscriptionState): string
export declare function parseEvent(text: string): Result<EventHeader, SipGrammarFailure>
export declare function formatEvent(event: EventHeader): string
/** Seconds of Expires or Min-Expires; more than 2^32-1 counts as that. Undefined when it is no number. @see RFC 3261 §20.19 */
export declare function parseDeltaSeconds(text: string): number | undefined
/** @see RFC 3261 §20.33 */
export declare function parseRetryAfter(text: string): number | undefined
export declare function parseMediaType(text: string): Result<MediaType, SipGrammarFailure>
/** Whether `Accept` takes this type; without the header, `byDefault`. @see RFC 3261 §20.1 */
export declare function accepts(headers: SipHeaders, type: string, byDefault: boolean): boolean
/** @see RFC 3261 §20.43 */
export declare function formatWarning(warning: Warning): string
export declare function parseWarnings(headers: SipHeaders): readonly Warning[]
/** The one Contact of a request or response within a dialog; undefined when there is none, `*`, or it cannot be read. */
export declare function contactOf(headers: SipHeaders): NameAddr | undefined
/** The tokens of Require, Supported, Allow, Allow-Events: as written. */
export declare function tokensOf(headers: SipHeaders, name: string): readonly string[]
