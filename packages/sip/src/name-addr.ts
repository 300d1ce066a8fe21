import type { Result } from '@stox/kernel'
import type { SipGrammarFailure } from './grammar.ts'
import type { SipParams } from './params.ts'
import type { SipUri } from './uri.ts'

/** The value of From, To, Contact, Route, Record-Route. @see RFC 3261 §20.10 */
export interface NameAddr {
  /** As text: quotes and escapes taken off. */
  readonly displayName: string | undefined
  readonly uri: SipUri
  /** Header parameters (`tag`, `expires`, a `gr` printed outside the brackets). Those of the URI are in `uri.params`. */
  readonly params: SipParams
}

export declare function parseNameAddr(text: string): Result<NameAddr, SipGrammarFailure>
/** Always in brackets, the display name always quoted. */
export declare function formatNameAddr(address: NameAddr): string
/** The same address with another tag, or with none. */
export declare function withTag(address: NameAddr, tag: string | undefined): NameAddr
export declare function nameAddr(uri: SipUri, displayName?: string, tag?: string): NameAddr
