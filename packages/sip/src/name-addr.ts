import { ok, type Result } from '@stox/kernel'
import {
  TOKEN,
  grammarFailure,
  hasClass,
  isSpace,
  quote,
  quotedEnd,
  unquote,
  type SipGrammarFailure,
} from './grammar.ts'
import { Cursor, NO_PARAMS, formatParams, type SipParams } from './params.ts'
import { formatSipUri, parseUriWithin, type SipUri } from './uri.ts'

/** The value of From, To, Contact, Route, Record-Route. @see RFC 3261 §20.10 */
export interface NameAddr {
  /** As text: quotes and escapes taken off. */
  readonly displayName: string | undefined
  readonly uri: SipUri
  /** Header parameters (`tag`, `expires`, a `gr` printed outside the brackets). Those of the URI are in `uri.params`. */
  readonly params: SipParams
}

/** `( name-addr / addr-spec ) *( SEMI generic-param )`, all of the text. */
export const parseNameAddr = (text: string): Result<NameAddr, SipGrammarFailure> => takeNameAddr(new Cursor(text))

/** The same, up to the cursor's end. */
export function takeNameAddr(cursor: Cursor): Result<NameAddr, SipGrammarFailure> {
  const { text, end } = cursor
  const displayName = takeDisplayName(cursor)
  if (displayName === null) return grammarFailure('no proper display name and address')
  const uriStart = cursor.at
  const bracketed = uriStart > 0 && text.charCodeAt(uriStart - 1) === 60
  const uriEnd = bracketed ? text.indexOf('>', uriStart) : addrSpecEnd(text, uriStart, end)
  if (uriEnd === -1 || uriEnd > end) return grammarFailure('an angle bracket that does not close')
  const uri = parseUriWithin(text, uriStart, uriEnd)
  if (!uri.ok) return uri
  cursor.at = bracketed ? uriEnd + 1 : uriEnd
  const params = cursor.params()
  if (typeof params === 'string') return grammarFailure(params)
  if (cursor.peek() !== -1) return grammarFailure('unexpected text behind the address')
  return ok({ displayName, uri: uri.value, params })
}

/**
 * Moves to where the URI starts: behind the `<`, or to the start of a URI without brackets. Gives the display name before
 * it, undefined when there is none, null when it is wrong.
 */
function takeDisplayName(cursor: Cursor): string | undefined | null {
  const { text, end } = cursor
  const first = cursor.peek()
  const start = cursor.at
  if (first === 34) {
    cursor.at = quotedEnd(text, start, end)
    if (cursor.at === -1) return null
    const name = text.slice(start, cursor.at)
    return cursor.take(60) ? unquote(name) || undefined : null
  }
  // Tokens up to '<' are a display name; a ':' before that belongs to a URI without brackets.
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 60) {
      cursor.at = at + 1
      return text.slice(start, at).trimEnd() || undefined
    }
    if (code === 58) return undefined
    // COMPAT: `display-name` is ASCII unless quoted; many send UTF-8 without quotes.
    if (!hasClass(code, TOKEN) && !isSpace(code) && code < 128) return null
  }
  return null
}

/**
 * Where a URI without brackets ends: what follows a semicolon belongs to the header. A comma or a question mark would
 * have needed brackets, and is left for the caller to stumble over. @see RFC 3261 §20
 */
function addrSpecEnd(text: string, at: number, stop: number): number {
  let end = at
  for (; end < stop; end += 1) {
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
