import { fail, latin1Text, ok, utf8Text } from '@stox/kernel'
import type { AbsorbedReason, Hashes, Result } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import { parseDeltaSeconds, parseMediaType, parseSipUri, unquote } from '@stox/sip'
import { delayElement, newMessage } from '@stox/xmpp'
import type { Jid, MessageStanza } from '@stox/xmpp'
import { sanitizeText } from '@stox/xml'
import { sipAddressToJid, sipUriToJid } from './address.ts'
import { isLanguageTag } from './message-to-sip.ts'
import type { SipFailure } from './sip-failure.ts'

/** The content types a MESSAGE may have. @see mapping C.5 */
export const ACCEPTED_TYPES = 'text/plain'

/** Who writes to whom: known before the body is looked at. */
export interface SipParties {
  readonly from: Jid
  readonly to: Jid
}

/** What the stanza will say. */
export interface SipText {
  readonly text: string
  /** Same for every copy of one request, whichever way it came: forks and re-routes are recognised by it. */
  readonly id: string
  readonly thread: string
  readonly subject: string | undefined
  readonly lang: string | undefined
  /** Set when the request says it was written some time ago. */
  readonly sentAtMs: number | undefined
}

export type SipTextVerdict =
  { readonly kind: 'text'; readonly content: SipText } | { readonly kind: 'absorb'; readonly reason: AbsorbedReason }

/** The Request-URI wins over To, which may be an alias. @see RFC 7572 §5, mapping C.3 */
export function partiesOfRequest(request: SipRequest): Result<SipParties, SipFailure> {
  const requestUri = parseSipUri(request.uri)
  if (!requestUri.ok) return fail(badRequest('Malformed Request-URI'))
  const to = sipUriToJid(requestUri.value)
  if (!to.ok) return to
  const from = sipAddressToJid(request.core.from)
  if (!from.ok) {
    // 404, 416 and 480 would speak of the one who is called.
    return fail({ ...from.failure, status: 400, text: from.failure.text ?? 'Malformed From' })
  }
  return ok({ from: from.value, to: to.value })
}

const badRequest = (text: string): SipFailure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: 'bad-request',
  status: 400,
  text,
  detail: text,
})

const unsupported = (text: string, headers: readonly (readonly [string, string])[]): SipFailure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: 'not-acceptable',
  status: 415,
  text,
  headers,
  detail: text,
})

// What windows-1252 has where iso-8859-1 has C1 controls (0x80–0x9F).
const WINDOWS_1252 = '€\uFFFD‚ƒ„…†‡ˆ‰Š‹Œ\uFFFDŽ\uFFFD\uFFFD‘’“”•–—˜™š›œ\uFFFDžŸ'

function decodeBody(body: Uint8Array, charset: string | undefined): Result<string, SipFailure> {
  switch (charset) {
    // Absent means UTF-8. @see RFC 3261 §7.4.1
    case undefined:
    case 'utf-8':
    case 'utf8':
    case 'us-ascii': {
      const text = utf8Text(body)
      return text === undefined ? fail(badRequest('The body is not UTF-8')) : ok(text)
    }
    case 'iso-8859-1':
      return ok(latin1Text(body))
    case 'windows-1252':
      return ok(
        latin1Text(body).replace(/[\u0080-\u009F]/g, (byte) => WINDOWS_1252[byte.charCodeAt(0) - 0x80] ?? '\uFFFD'),
      )
    default:
      return fail(unsupported('Unsupported charset', [['Accept', 'text/plain;charset=UTF-8']]))
  }
}

/** Older than this, a Date is worth showing. @see mapping C.3 */
const OLD_MS = 60_000

/** The content of a MESSAGE: body type, encoding, language, then the headers that have a place. @see RFC 3261 §8.2.3, RFC 7572 §5 */
export function textOfMessage(request: SipRequest, hashes: Hashes, nowMs: number): Result<SipTextVerdict, SipFailure> {
  const encoding = request.headers.get('Content-Encoding')
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity')
    return fail(unsupported('Unsupported content encoding', [['Accept-Encoding', 'identity']]))
  const contentType = request.headers.get('Content-Type')
  if (contentType === undefined && request.body.length > 0) return fail(badRequest('Missing Content-Type'))
  const media = parseMediaType(contentType ?? 'text/plain')
  if (!media.ok) return fail(badRequest('Malformed Content-Type'))
  if (media.value.type !== 'text/plain')
    return fail(unsupported('Unsupported content type', [['Accept', ACCEPTED_TYPES]]))
  const charset = media.value.params.get('charset')
  const decoded = decodeBody(request.body, charset === undefined ? undefined : unquote(charset).toLowerCase())
  if (!decoded.ok) return decoded

  const dateMs = parseHttpDate(request.headers.get('Date'))
  const expiresS = parseDeltaSeconds(request.headers.get('Expires') ?? '')
  // @see RFC 3428 §7
  if (expiresS !== undefined && dateMs !== undefined && dateMs + expiresS * 1000 < nowMs)
    return ok({ kind: 'absorb', reason: 'expired' })

  // An illegal character would end the stream for every user on it. @see mapping C.12
  const text = sanitizeText(decoded.value)
  // One-space messages wake up clients elsewhere; nobody wants to read them.
  if (text.trim() === '') return ok({ kind: 'absorb', reason: 'no-content' })

  const { callId, cseq, from } = request.core
  const subject = request.headers.get('Subject')
  const lang = request.headers.get('Content-Language')?.split(',')[0]?.trim()
  return ok({
    kind: 'text',
    content: {
      text,
      id: hashes.sha256Hex(`${callId}\n${from.params.get('tag') ?? ''}\n${cseq.number}`).slice(0, 32),
      thread: sanitizeText(callId),
      subject: subject === undefined || subject.trim() === '' ? undefined : sanitizeText(subject),
      lang: lang !== undefined && isLanguageTag(lang) ? lang : undefined,
      sentAtMs: dateMs !== undefined && nowMs - dateMs > OLD_MS ? dateMs : undefined,
    },
  })
}

const DATE = /^(?:[A-Z][a-z]{2}), \d{2} (?:[A-Z][a-z]{2}) \d{4} \d{2}:\d{2}:\d{2} GMT$/
function parseHttpDate(value: string | undefined): number | undefined {
  if (value === undefined || !DATE.test(value.trim())) return undefined
  const ms = Date.parse(value.trim())
  return Number.isNaN(ms) ? undefined : ms
}

/** `normal` unless the contact writes `chat` himself. @see RFC 7572 §5, RFC 6121 §5.2.2 */
export function messageToXmpp(
  parties: SipParties,
  content: SipText,
  type: 'normal' | 'chat',
  gateway: Jid,
): MessageStanza {
  return newMessage({
    from: parties.from,
    to: parties.to,
    id: content.id,
    type,
    lang: content.lang,
    bodies: [{ lang: undefined, text: content.text }],
    subject: content.subject,
    thread: content.thread,
    ...(content.sentAtMs === undefined ? {} : { extra: [delayElement({ from: gateway, stampMs: content.sentAtMs })] }),
  })
}
