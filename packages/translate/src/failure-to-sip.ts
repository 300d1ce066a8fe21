import type { Failure, StanzaCondition, StanzaErrorType } from '@stox/kernel'
import { formatWarning, headerText, parseSipUri, reasonOf } from '@stox/sip'
import type { SipAnswer, SipHeaderEntry } from '@stox/sip'
import type { StanzaErrorInfo } from '@stox/xmpp'
import { parseJid } from '@stox/xmpp'
import { jidToSipText } from './address.ts'
import type { SipFailure } from './sip-failure.ts'

/** The methods we take, for `Allow`. */
export const ALLOWED_METHODS = 'MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS'

interface StatusRow {
  /** What RFC 7247 §7.1 table 2 prints. */
  readonly rfc: { readonly fullJid: number; readonly bareJid: number }
  /** What is legal and wise for a non-INVITE transaction; left out where it is the table's own. */
  readonly emit?: { readonly fullJid: number; readonly bareJid: number }
}
const both = (status: number): { readonly fullJid: number; readonly bareJid: number } => ({
  fullJid: status,
  bareJid: status,
})

/** SIP tells a device (4xx) from a person (6xx). @see RFC 7247 §7.1, table 2 */
export const STATUS_FOR_CONDITION = {
  'bad-request': { rfc: both(400) },
  conflict: { rfc: both(400) },
  'feature-not-implemented': { rfc: { fullJid: 405, bareJid: 501 } },
  // DEVIATION: a 6xx ends every fork, and 603 tells a watcher "for ever"; we never know that much.
  forbidden: { rfc: { fullJid: 403, bareJid: 603 }, emit: both(403) },
  // 301 with the new address when the element has one that we can map (`redirectStatus`).
  gone: { rfc: both(410) },
  'internal-server-error': { rfc: both(500) },
  'item-not-found': { rfc: { fullJid: 404, bareJid: 604 }, emit: both(404) },
  'jid-malformed': { rfc: both(400) },
  'not-acceptable': { rfc: { fullJid: 406, bareJid: 606 }, emit: both(406) },
  'not-allowed': { rfc: both(403) },
  // DEVIATION: 401 and 407 must carry a challenge, and we have none for a remote XMPP domain. @see RFC 3261 §22.2
  'not-authorized': { rfc: both(401), emit: both(403) },
  'policy-violation': { rfc: both(403) },
  'recipient-unavailable': { rfc: { fullJid: 480, bareJid: 600 }, emit: both(480) },
  // 302 with the new address when we can map it (`redirectStatus`).
  redirect: { rfc: both(302), emit: both(480) },
  'registration-required': { rfc: both(407), emit: both(403) },
  'remote-server-not-found': { rfc: both(404) },
  // DEVIATION: 408 must never be sent to a non-INVITE request. @see RFC 4320 §4.2
  'remote-server-timeout': { rfc: both(408), emit: both(504) },
  'resource-constraint': { rfc: both(500) },
  // Note 5: never 503, which SIP reads as "this whole server is down". The table leaves 403 or 405.
  'service-unavailable': { rfc: { fullJid: 405, bareJid: 403 }, emit: both(403) },
  'subscription-required': { rfc: both(400) },
  'undefined-condition': { rfc: both(400) },
  // 491 belongs to INVITE glare.
  'unexpected-request': { rfc: both(491), emit: both(400) },
} as const satisfies Record<StanzaCondition, StatusRow>

/** The final SIP status for a stanza error about a full or a bare JID. */
export function statusForCondition(
  condition: StanzaCondition,
  about: 'fullJid' | 'bareJid',
  type?: StanzaErrorType,
): number {
  if (condition === 'undefined-condition' && type === 'wait') return 500
  const row: StatusRow = STATUS_FOR_CONDITION[condition]
  return (row.emit ?? row.rfc)[about]
}

/** 301 or 302 needs somewhere to go: an `xmpp:` or `sip:` address that has a SIP spelling. */
function alternateUri(alternate: string | undefined): string | undefined {
  if (alternate === undefined) return undefined
  const text = alternate.trim()
  if (text.startsWith('sip:')) return parseSipUri(text).ok ? text : undefined
  if (!text.startsWith('xmpp:')) return undefined
  const address = text.slice('xmpp:'.length).split('?')[0] ?? ''
  let decoded: string
  try {
    decoded = decodeURIComponent(address)
  } catch {
    return undefined
  }
  const jid = parseJid(decoded)
  return jid.ok ? jidToSipText(jid.value, 'off') : undefined
}

/** An error stanza that answers what we sent for a SIP user, as a failure. */
export function stanzaErrorToFailure(error: StanzaErrorInfo, about: 'fullJid' | 'bareJid'): SipFailure {
  const contact = alternateUri(error.alternate)
  const moved = contact !== undefined && (error.condition === 'gone' || error.condition === 'redirect')
  return {
    fault: error.type === 'wait' ? 'partner' : 'recipient',
    retry: error.type === 'wait' ? 'later' : error.type === 'modify' ? 'after-change' : 'never',
    condition: error.condition,
    errorType: error.type,
    status: moved ? (error.condition === 'gone' ? 301 : 302) : statusForCondition(error.condition, about, error.type),
    ...(error.text === undefined ? {} : { text: error.text }),
    ...(moved ? { alternate: contact } : {}),
    ...(error.condition === 'resource-constraint' ? { retryAfterS: 60 } : {}),
    detail: `stanza error ${error.condition}`,
  }
}

/** Free text from the other side, fit for one header value and not too long. @see mapping B.0, C.12 */
export function shortHeaderText(text: string, maxCharacters: number): string {
  const clean = headerText(text).trim()
  return clean.length <= maxCharacters ? clean : [...clean].slice(0, maxCharacters).join('').trimEnd()
}

/** What a SIP sender hears of a failure. 408 cannot leave here, nor a 401 or 407 without its challenge. */
export function failureToSip(failure: Failure | SipFailure): Required<SipAnswer> {
  const status = legalStatus(failure.status)
  const headers: SipHeaderEntry[] = 'headers' in failure ? [...(failure.headers ?? [])] : []
  const has = (name: string): boolean => headers.some(([other]) => other.toLowerCase() === name)
  if (status === 405 && !has('allow')) headers.push(['Allow', ALLOWED_METHODS])
  if (failure.retryAfterS !== undefined && !has('retry-after'))
    headers.push(['Retry-After', String(Math.max(0, Math.ceil(failure.retryAfterS)))])
  if ((status === 301 || status === 302) && !has('contact')) {
    const contact = alternateUri(failure.alternate)
    if (contact === undefined) return failureToSip({ ...failure, status: status === 301 ? 410 : 480 })
    headers.push(['Contact', `<${contact}>`])
  }
  // The reason phrase stays the standard one; the words for people go into a Warning. @see RFC 3261 §20.43
  if (failure.text !== undefined && !has('warning')) {
    const text = shortHeaderText(failure.text, 128)
    if (text !== '') headers.push(['Warning', formatWarning({ code: 399, agent: 'stox', text })])
  }
  return { status, reason: reasonOf(status), headers }
}

/** @see RFC 4320 §4.2, RFC 3261 §22.2–3 */
function legalStatus(status: number): number {
  if (status === 408) return 504
  if (status === 401 || status === 407) return 403
  return status >= 300 && status <= 699 ? status : 500
}
