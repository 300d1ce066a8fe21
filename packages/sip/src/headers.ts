/**
 * Header fields: immutable, in their order, as they came. Names are asked for in any case or compact form and come back
 * in their usual spelling. Values are text (UTF-8 read where there are high bytes) but are kept, copied and written
 * byte for byte.
 */
export declare class SipHeaders {
  static readonly empty: SipHeaders
  /** Throws a RangeError for a name that is no token or a value with CR, LF or NUL: only we can cause that. */
  static of(entries: Iterable<readonly [name: string, value: string]>): SipHeaders
  /** The value of the first such field. */
  get(name: string): string | undefined
  /** One value a field. */
  all(name: string): readonly string[]
  /** One value a list entry: fields split at their commas. Only for headers that are lists. */
  list(name: string): readonly string[]
  has(name: string): boolean
  /** Replaces every such field by one, in the place of the first. */
  with(name: string, value: string): SipHeaders
  append(name: string, value: string): SipHeaders
  prepend(name: string, value: string): SipHeaders
  without(name: string): SipHeaders
  /** Adds the fields of these names from another message, byte for byte, in the other's order. */
  appendFrom(other: SipHeaders, names: readonly string[]): SipHeaders
  entries(): Iterable<readonly [name: string, value: string]>
  get size(): number
}

/** The usual spelling of a known header name, whatever its case or form; others as written. @see RFC 3261 §7.3.3 */
export declare function canonicalHeaderName(name: string): string
