/** Why a piece of a message does not follow the grammar: a URI, an address, a Via, any header value. */
export interface SipGrammarFailure {
  readonly kind: 'sip-grammar'
  readonly detail: string
}

/** A quoted string without its quotes and escapes; anything else as it is. @see RFC 3261 §25.1 quoted-string */
export declare function unquote(value: string): string
/** Text as a quoted string; what a quoted string cannot hold (CR, LF, other controls) becomes a space. */
export declare function quote(text: string): string
/** Free text made fit for one header value: runs of line breaks, controls and spaces become one space. For Subject and the like. */
export declare function headerText(text: string): string
/** @see RFC 3261 §25.1 token */
export declare function isToken(text: string): boolean
