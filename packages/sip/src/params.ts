/**
 * Parameters of a URI or of a header value, in their order: names in lower case, values as written (a quoted string
 * keeps its quotes, see `unquote`; an escape stays an escape), undefined for a parameter without `=`.
 */
export type SipParams = ReadonlyMap<string, string | undefined>

export const NO_PARAMS: SipParams = new Map()
