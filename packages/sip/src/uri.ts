import { ok, utf8Bytes, utf8Text, type Result } from '@stox/kernel'
import {
  PASSWORD,
  URI_HEADER,
  URI_PARAM,
  USER,
  escapedRunEnd,
  grammarFailure,
  hasClass,
  isAllOrEscaped,
  isSpace,
  lowerSlice,
  type SipGrammarFailure,
} from './grammar.ts'
import { Cursor, NO_PARAMS, hostEnd, type SipParams } from './params.ts'

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

const SHAPED_SCHEMES: ReadonlySet<string> = new Set(['sip', 'sips', 'im', 'pres'])

export const parseSipUri = (text: string): Result<SipUri, SipUriFailure> => parseUriWithin(text, 0, text.length)

/** The URI that lies between two places of a text: all of it. */
export function parseUriWithin(text: string, start: number, end: number): Result<SipUri, SipUriFailure> {
  if (text.startsWith('sip:', start)) return parseShaped('sip', new Cursor(text, start + 4, end))
  const colon = text.indexOf(':', start)
  const scheme = colon > start && colon < end ? text.slice(start, colon).toLowerCase() : ''
  if (SHAPED_SCHEMES.has(scheme)) return parseShaped(scheme, new Cursor(text, colon + 1, end))
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) return grammarFailure('no URI scheme')
  const opaque = text.slice(colon + 1, end)
  if (!/^[!#$%&'()*+,\-./:;=?@[\]_~\w]+$/.test(opaque)) return grammarFailure('no proper URI')
  return ok({
    scheme,
    user: undefined,
    password: undefined,
    host: '',
    port: undefined,
    params: NO_PARAMS,
    headers: undefined,
    opaque,
  })
}

/** `[ userinfo ] hostport uri-parameters [ headers ]`. @see RFC 3261 §25.1 SIP-URI */
function parseShaped(scheme: string, cursor: Cursor): Result<SipUri, SipUriFailure> {
  const { text, end, at: start } = cursor
  let user: string | undefined
  let password: string | undefined
  // What could be a user is one only when an '@' follows: 'a.example' alone is a host.
  const userEnd = escapedRunEnd(text, start, USER, end)
  const passwordEnd = text.charCodeAt(userEnd) === 58 ? escapedRunEnd(text, userEnd + 1, PASSWORD, end) : userEnd
  if (passwordEnd < end && text.charCodeAt(passwordEnd) === 64) {
    if (userEnd === start) return grammarFailure('no user before the @ of the URI')
    user = text.slice(start, userEnd)
    if (passwordEnd > userEnd) password = text.slice(userEnd + 1, passwordEnd)
    cursor.at = passwordEnd + 1
  }
  if (isSpace(text.charCodeAt(cursor.at))) return grammarFailure('a space in the URI')
  const host = cursor.host()
  if (host === undefined) return grammarFailure('no proper user or host in the URI')
  let port: number | undefined
  if (cursor.at < end && text.charCodeAt(cursor.at) === 58) {
    cursor.at += 1
    port = isSpace(text.charCodeAt(cursor.at)) ? undefined : cursor.port()
    if (port === undefined) return grammarFailure('no proper port in the URI')
  }
  const params = takeUriParams(cursor)
  if (typeof params === 'string') return grammarFailure(params)
  let headers: string | undefined
  if (cursor.at < end && text.charCodeAt(cursor.at) === 63) {
    headers = text.slice(cursor.at + 1, end)
    if (!isAllOrEscaped(headers, URI_HEADER)) return grammarFailure('no proper headers in the URI')
  } else if (cursor.at < end) return grammarFailure('an unexpected character in the URI')
  return ok({ scheme, user, password, host, port, params, headers })
}

/** `*( ";" pname [ "=" pvalue ] )`: no spaces, no empty ones, none twice. @see RFC 3261 §19.1.1 */
function takeUriParams(cursor: Cursor): SipParams | string {
  const { text, end } = cursor
  if (cursor.at >= end || text.charCodeAt(cursor.at) !== 59) return NO_PARAMS
  const params = new Map<string, string | undefined>()
  do {
    const start = cursor.at + 1
    const stop = escapedRunEnd(text, start, URI_PARAM, end)
    const equals = text.indexOf('=', start)
    const nameEnd = equals === -1 || equals > stop ? stop : equals
    const name = lowerSlice(text, start, nameEnd)
    if (name === '') return 'an empty parameter in the URI'
    if (params.has(name)) return 'a parameter twice in the URI'
    if (nameEnd + 1 === stop) return 'a parameter without its value in the URI'
    params.set(name, nameEnd < stop ? text.slice(nameEnd + 1, stop) : undefined)
    cursor.at = stop
  } while (cursor.at < end && text.charCodeAt(cursor.at) === 59)
  return params
}

/** A URI of ours is written in several places. */
class OwnUri implements SipUri {
  readonly scheme = 'sip'
  readonly user: string | undefined
  readonly password = undefined
  readonly host: string
  readonly port: number | undefined
  readonly params: SipParams
  readonly headers = undefined
  #text: string | undefined

  constructor(user: string | undefined, host: string, port: number | undefined, params: SipParams) {
    this.user = user
    this.host = host
    this.port = port
    this.params = params
  }

  static text(uri: OwnUri): string {
    return (uri.#text ??= textOfUri(uri))
  }
}

export const formatSipUri = (uri: SipUri): string => (uri instanceof OwnUri ? OwnUri.text(uri) : textOfUri(uri))

function textOfUri(uri: SipUri): string {
  if (uri.opaque !== undefined) return `${uri.scheme}:${uri.opaque}`
  let text = `${uri.scheme}:`
  if (uri.user !== undefined) {
    text += uri.password === undefined ? `${uri.user}@` : `${uri.user}:${uri.password}@`
  }
  text += uri.port === undefined ? uri.host : `${uri.host}:${uri.port}`
  for (const [name, value] of uri.params) text += value === undefined ? `;${name}` : `;${name}=${value}`
  return uri.headers === undefined ? text : `${text}?${uri.headers}`
}

/** A `sip:` URI of parts. The user and `gr` are text and get escaped; `params` are as on the wire. */
export function newSipUri(parts: {
  readonly user?: string | undefined
  readonly host: string
  readonly port?: number | undefined
  readonly gr?: string | undefined
  readonly params?: Readonly<Record<string, string | undefined>>
}): SipUri {
  if (hostEnd(parts.host, 0) !== parts.host.length) throw new RangeError(`not a host: ${JSON.stringify(parts.host)}`)
  const { user, port, params, gr } = parts
  return new OwnUri(
    user === undefined ? undefined : textToUser(user),
    parts.host.toLowerCase(),
    port,
    params === undefined && gr === undefined ? NO_PARAMS : uriParams(params, gr),
  )
}

function uriParams(given: Readonly<Record<string, string | undefined>> = {}, gr: string | undefined): SipParams {
  const params = new Map(Object.entries(given))
  if (gr !== undefined) params.set('gr', textToUriParam(gr))
  for (const [name, value] of params) {
    if (name === '' || !isAllOrEscaped(name, URI_PARAM) || !isAllOrEscaped(value ?? '', URI_PARAM)) {
      throw new RangeError(`not a URI parameter: ${JSON.stringify(name)}`)
    }
  }
  return params
}

const hexPair = (octet: number): string => `%${octet < 16 ? '0' : ''}${octet.toString(16).toUpperCase()}`

function escapeOutside(text: string, keep: (code: number) => boolean): string {
  let clean = true
  for (let at = 0; at < text.length && clean; at += 1) clean = keep(text.charCodeAt(at))
  if (clean) return text
  let escaped = ''
  for (const octet of utf8Bytes(text)) escaped += keep(octet) ? String.fromCharCode(octet) : hexPair(octet)
  return escaped
}

/** Escapes taken off once, never twice; the octets must be UTF-8 and hold no control. @see RFC 7247 §6.4 */
function unescapeOnce(text: string, what: string): Result<string, SipUriFailure> {
  if (!text.includes('%') && isPlain(text)) return ok(text)
  const octets: number[] = []
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code !== 37) {
      if (code > 126) return grammarFailure(`a character in the ${what} that is not ASCII`)
      octets.push(code)
      continue
    }
    const pair = text.slice(at + 1, at + 3)
    if (!/^[0-9a-fA-F]{2}$/.test(pair)) return grammarFailure(`an escape in the ${what} that is not two hex digits`)
    octets.push(Number.parseInt(pair, 16))
    at += 2
  }
  const plain = utf8Text(Uint8Array.from(octets))
  if (plain === undefined) return grammarFailure(`the ${what} is not UTF-8`)
  return isPlain(plain) ? ok(plain) : grammarFailure(`a control character in the ${what}`)
}

// oxlint-disable-next-line no-control-regex
const isPlain = (text: string): boolean => !/[\u0000-\u001f\u007f]/.test(text)

/** The user part as text: percent-decoded once, strictly UTF-8, no control characters. */
export const userToText = (user: string): Result<string, SipUriFailure> => unescapeOnce(user, 'user')

/** Text as the user part of a `sip:` URI, in the one spelling we use: only what must be escaped is, in upper-case hex. */
export const textToUser = (text: string): string => escapeOutside(text, (code) => hasClass(code, USER))

const IM_USER = new Set([..."!$&'*+-/=_~."].map((character) => character.charCodeAt(0)))

/**
 * Text as the local part of an `im:` or `pres:` URI: dot-atom without what no URI may hold.
 * @see RFC 3860 §3.2, RFC 7247 §6.5 step 5
 */
export const textToImUser = (text: string): string =>
  escapeOutside(
    text,
    (code) => IM_USER.has(code) || (hasClass(code, USER) && /[A-Za-z0-9]/.test(String.fromCharCode(code))),
  )

/** The value of a URI parameter (`gr`) as text. */
export const uriParamToText = (value: string): Result<string, SipUriFailure> => unescapeOnce(value, 'parameter')

/** Text as the value of a URI parameter. @see RFC 5627 §9 */
export const textToUriParam = (text: string): string =>
  escapeOutside(text, (code) => code !== 61 && hasClass(code, URI_PARAM))

/** @see RFC 3261 §19.1.4: these must be equal even when one URI lacks them. */
const COMPARED_PARAMS = ['user', 'ttl', 'method', 'maddr', 'transport'] as const

/** Equal as RFC 3261 §19.1.4 compares: the user is case-sensitive, escapes of unreserved characters do not matter. */
export function sameSipUri(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    a.opaque === b.opaque &&
    settle(a.user) === settle(b.user) &&
    settle(a.password) === settle(b.password) &&
    a.host === b.host &&
    a.port === b.port &&
    COMPARED_PARAMS.every(
      (name) => settle(a.params.get(name))?.toLowerCase() === settle(b.params.get(name))?.toLowerCase(),
    ) &&
    [...a.params].every(
      ([name, value]) =>
        !b.params.has(name) || settle(value)?.toLowerCase() === settle(b.params.get(name))?.toLowerCase(),
    ) &&
    sortedHeaders(a.headers) === sortedHeaders(b.headers)
  )
}

const sortedHeaders = (headers: string | undefined): string =>
  headers === undefined ? '' : headers.split('&').map(settle).toSorted().join('&')

/** Unreserved escapes taken off, the others in upper case. */
const settle = (text: string | undefined): string | undefined =>
  text?.replace(/%([0-9a-fA-F]{2})/g, (escape, pair: string) => {
    const character = String.fromCharCode(Number.parseInt(pair, 16))
    return /[\w\-.!~*'()]/.test(character) ? character : escape.toUpperCase()
  })
