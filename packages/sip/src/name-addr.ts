import { ok, type Result } from '@stox/kernel'
import {
  TOKEN,
  grammarFailure,
  hasClass,
  isSpace,
  quote,
  quotedEnd,
  skipSpace,
  unquote,
  type SipGrammarFailure,
} from './grammar.ts'
import { Cursor, NO_PARAMS, formatParams, type SipParams } from './params.ts'
import { formatSipUri, parseSipUri, type SipUri } from './uri.ts'

/** The value of From, To, Contact, Route, Record-Route. @see RFC 3261 §20.10 */
export interface NameAddr {
  /** As text: quotes and escapes taken off. */
  readonly displayName: string | undefined
  readonly uri: SipUri
  /** Header parameters (`tag`, `expires`, a `gr` printed outside the brackets). Those of the URI are in `uri.params`. */
  readonly params: SipParams
}

/** `( name-addr / addr-spec ) *( SEMI generic-param )`, all of the text. */
export function parseNameAddr(text: string): Result<NameAddr, SipGrammarFailure> {
  const open = takeDisplayName(text)
  if (typeof open === 'string') return grammarFailure(open)
  let uriText: string
  const cursor = new Cursor(text)
  if (open.bracketed) {
    const close = text.indexOf('>', open.at)
    if (close === -1) return grammarFailure('an angle bracket that does not close')
    uriText = text.slice(open.at, close)
    cursor.at = close + 1
  } else {
    cursor.at = addrSpecEnd(text, open.at)
    uriText = text.slice(open.at, cursor.at)
  }
  const uri = parseSipUri(uriText)
  if (!uri.ok) return uri
  const params = cursor.params()
  if (typeof params === 'string') return grammarFailure(params)
  if (cursor.peek() !== -1) return grammarFailure('unexpected text behind the address')
  return ok({ displayName: open.displayName, uri: uri.value, params })
}

/** What comes before the URI: an optional display name and `<`, or nothing. `at` is where the URI starts. */
function takeDisplayName(
  text: string,
): { readonly displayName: string | undefined; readonly bracketed: boolean; readonly at: number } | string {
  const start = skipSpace(text, 0)
  if (text.charCodeAt(start) === 34) {
    const end = quotedEnd(text, start)
    if (end === -1) return 'a quoted string that does not close'
    const open = skipSpace(text, end)
    if (text.charCodeAt(open) !== 60) return 'a display name without an address in angle brackets'
    return { displayName: unquote(text.slice(start, end)) || undefined, bracketed: true, at: open + 1 }
  }
  // Tokens up to '<' are a display name; a ':' before that belongs to a URI without brackets.
  let at = start
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 60) return { displayName: text.slice(start, at).trim() || undefined, bracketed: true, at: at + 1 }
    if (code === 58) return { displayName: undefined, bracketed: false, at: start }
    // COMPAT: `display-name` is ASCII unless quoted; many send UTF-8 without quotes.
    if (!hasClass(code, TOKEN) && !isSpace(code) && code < 128) return 'a display name that should be quoted'
  }
  return 'no address'
}

/**
 * Where a URI without brackets ends: what follows a semicolon belongs to the header. A comma or a question mark would
 * have needed brackets, and is left for the caller to stumble over. @see RFC 3261 §20
 */
function addrSpecEnd(text: string, at: number): number {
  let end = at
  for (; end < text.length; end += 1) {
    const code = text.charCodeAt(end)
    if (code === 59 || code === 44 || code === 63 || code === 60 || code === 62 || code === 34 || isSpace(code)) break
  }
  return end
}

/** Always in brackets, the display name always quoted. */
export function formatNameAddr(address: NameAddr): string {
  const uri = formatSipUri(address.uri)
  if (/[\s<>"]/.test(uri)) throw new RangeError(`not a URI: ${JSON.stringify(uri)}`)
  const name = address.displayName === undefined ? '' : `${quote(address.displayName)} `
  return `${name}<${uri}>${formatParams(address.params)}`
}

/** The same address with another tag, or with none. */
export function withTag(address: NameAddr, tag: string | undefined): NameAddr {
  const params = new Map(address.params)
  if (tag === undefined) params.delete('tag')
  else params.set('tag', tag)
  return { ...address, params }
}

export const nameAddr = (uri: SipUri, displayName?: string, tag?: string): NameAddr => ({
  displayName,
  uri,
  params: tag === undefined ? NO_PARAMS : new Map([['tag', tag]]),
})

/** The tag, as written. @see RFC 3261 §19.3 */
export const tagOf = (address: NameAddr): string | undefined => address.params.get('tag')
