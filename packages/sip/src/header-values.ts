import { ok, type Result } from '@stox/kernel'
import { grammarFailure, isToken, parseDigits, quote, quotedEnd, unquote, type SipGrammarFailure } from './grammar.ts'
import type { SipHeaders } from './headers.ts'
import { parseNameAddr, type NameAddr } from './name-addr.ts'
import { Cursor, type SipParams } from './params.ts'

/** @see RFC 6665 §4.1.3 */
export interface SubscriptionState {
  /** Lower case: `active`, `pending`, `terminated`, or an extension. */
  readonly state: string
  readonly expires: number | undefined
  /** Lower case: `deactivated`, `probation`, `rejected`, `timeout`, `giveup`, `noresource`, `invariant`, or an extension. */
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

/** `token *( SEMI generic-param )`, all of the text. */
export function parseTokenWithParams(text: string): { readonly token: string; readonly params: SipParams } | undefined {
  const cursor = new Cursor(text)
  const token = cursor.token()
  const params = cursor.params()
  return token === '' || typeof params === 'string' || cursor.peek() !== -1 ? undefined : { token, params }
}

export function parseSubscriptionState(text: string): Result<SubscriptionState, SipGrammarFailure> {
  const parsed = parseTokenWithParams(text)
  if (parsed === undefined) return grammarFailure('no proper Subscription-State')
  const { token, params } = parsed
  const reason = params.get('reason')
  return ok({
    state: token.toLowerCase(),
    expires: parseDeltaSeconds(params.get('expires') ?? ''),
    reason: reason === undefined ? undefined : unquote(reason).toLowerCase(),
    retryAfterS: parseDeltaSeconds(params.get('retry-after') ?? ''),
  })
}

export function formatSubscriptionState(value: SubscriptionState): string {
  if (!isToken(value.state)) throw new RangeError(`not a subscription state: ${JSON.stringify(value.state)}`)
  let text = value.state
  if (value.reason !== undefined) {
    if (!isToken(value.reason)) throw new RangeError(`not a reason: ${JSON.stringify(value.reason)}`)
    text += `;reason=${value.reason}`
  }
  if (value.expires !== undefined) text += `;expires=${Math.max(0, Math.floor(value.expires))}`
  if (value.retryAfterS !== undefined) text += `;retry-after=${Math.max(0, Math.floor(value.retryAfterS))}`
  return text
}

/** The package is compared byte by byte, and so is the id. @see RFC 6665 §8.2.1 */
export function parseEvent(text: string): Result<EventHeader, SipGrammarFailure> {
  const parsed = parseTokenWithParams(text)
  return parsed === undefined
    ? grammarFailure('no proper Event')
    : ok({ package: parsed.token, id: parsed.params.get('id') })
}

export function formatEvent(event: EventHeader): string {
  const text = event.id === undefined ? event.package : `${event.package};id=${event.id}`
  if (!parseEvent(text).ok) throw new RangeError(`not an Event: ${JSON.stringify(text)}`)
  return text
}

const MAX_DELTA_SECONDS = 2 ** 32 - 1

/**
 * Seconds of Expires or Min-Expires; more than 2^32-1 counts as that. Undefined when it is no number: RFC 3261 §20.19
 * would take 3600 then.
 */
export function parseDeltaSeconds(text: string): number | undefined {
  const seconds = parseDigits(text.trim(), Number.POSITIVE_INFINITY)
  return seconds === undefined ? undefined : Math.min(seconds, MAX_DELTA_SECONDS)
}

/** The seconds before a comment and parameters. @see RFC 3261 §20.33 */
export const parseRetryAfter = (text: string): number | undefined =>
  parseDeltaSeconds(/^\s*(\d+)/.exec(text)?.[1] ?? '')

/** @see RFC 3261 §20.15 */
export function parseMediaType(text: string): Result<MediaType, SipGrammarFailure> {
  const cursor = new Cursor(text)
  const type = cursor.token()
  const slash = cursor.take(47)
  const subtype = cursor.token()
  const params = cursor.params()
  if (type === '' || !slash || subtype === '' || typeof params === 'string' || cursor.peek() !== -1) {
    return grammarFailure('no proper media type')
  }
  return ok({ type: `${type}/${subtype}`.toLowerCase(), params })
}

/**
 * Whether `Accept` takes this type (`type/subtype`, lower case). Without the header `byDefault` holds; an empty one takes
 * nothing; the closest range decides, and `q=0` is a no. @see RFC 3261 §20.1
 */
export function accepts(headers: SipHeaders, type: string, byDefault: boolean): boolean {
  if (!headers.has('Accept')) return byDefault
  const ranges = new Map<string, boolean>()
  for (const entry of headers.list('Accept')) {
    const range = parseMediaType(entry)
    if (range.ok) ranges.set(range.value.type, !/^0(\.0*)?$/.test(range.value.params.get('q') ?? '1'))
  }
  return ranges.get(type) ?? ranges.get(`${type.split('/')[0]}/*`) ?? ranges.get('*/*') ?? false
}

/** @see RFC 3261 §20.43 */
export function formatWarning(warning: Warning): string {
  if (!/^[1-9]\d\d$/.test(String(warning.code))) throw new RangeError(`not a warning code: ${warning.code}`)
  if (!/^[!#-~]+$/.test(warning.agent)) throw new RangeError(`not a warning agent: ${JSON.stringify(warning.agent)}`)
  return `${warning.code} ${warning.agent} ${quote(warning.text)}`
}

/** Those that can be read. */
export const parseWarnings = (headers: SipHeaders): readonly Warning[] =>
  headers.list('Warning').flatMap((entry) => {
    const [code = '', agent = ''] = entry.split(/\s+/, 2)
    const open = entry.indexOf('"')
    const number = parseDigits(code, 999)
    if (number === undefined || agent === '' || open === -1 || quotedEnd(entry, open) === -1) return []
    return [{ code: number, agent, text: unquote(entry.slice(open, quotedEnd(entry, open))) }]
  })

/** The one Contact of a request or response that makes or keeps a dialog; undefined when it is not one that can be read. */
export function contactOf(headers: SipHeaders): NameAddr | undefined {
  const contacts = headers.list('Contact')
  const parsed = contacts.length === 1 ? parseNameAddr(contacts[0]!) : undefined
  return parsed?.ok === true && parsed.value.uri.opaque === undefined ? parsed.value : undefined
}

/** The tokens of Require, Supported, Allow, Allow-Events: as written, parameters left out. */
export const tokensOf = (headers: SipHeaders, name: string): readonly string[] =>
  headers
    .list(name)
    .map((entry) => new Cursor(entry).token())
    .filter((token) => token !== '')
