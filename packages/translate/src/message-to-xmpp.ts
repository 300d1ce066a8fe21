import { fail, ok } from '@stox/kernel'
import type { AbsorbedReason, Hashes, Result } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import { parseDeltaSeconds, parseMediaType, parseNameAddr, parseSipUri } from '@stox/sip'
import type { Imdn, IsComposing, NameAddr } from '@stox/sip'
import { chatStateElement, delayElement, markableElement, newMessage, receiptRequestElement } from '@stox/xmpp'
import type { Jid, LangText, MessageStanza } from '@stox/xmpp'
import { sanitizeText } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { sipAddressToJid, sipUriToJid } from './address.ts'
import { decodeWords, encodingOf, languageIn, readContent, unsupportedEncoding } from './sip-content.ts'
import type { ReportsAsked, SipWords } from './sip-content.ts'
import { badRequest } from './sip-failure.ts'
import type { SipFailure } from './sip-failure.ts'

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
  /** The Call-ID of what it answers. @see RFC 3261 §20.21 */
  readonly inReplyTo?: string | undefined
  readonly subject: string | undefined
  readonly lang: string | undefined
  /** The same text in other languages. */
  readonly others?: readonly LangText[] | undefined
  /** Set when the request says it was written some time ago. */
  readonly sentAtMs: number | undefined
  /** The same with its looks. */
  readonly html: XmlElement | undefined
  readonly asks: ReportsAsked | undefined
  readonly cpim: boolean
  readonly alternatives: boolean
}

export type SipTextVerdict =
  | { readonly kind: 'text'; readonly content: SipText }
  | { readonly kind: 'composing'; readonly composing: IsComposing }
  | { readonly kind: 'report'; readonly report: Imdn }
  | { readonly kind: 'absorb'; readonly reason: AbsorbedReason }

/** The Request-URI wins over To, which may be an alias. @see RFC 7572 §5, mapping C.3 */
export function partiesOfRequest(
  request: SipRequest,
  isAsserted: (domain: string) => boolean = () => false,
): Result<SipParties, SipFailure> {
  const requestUri = parseSipUri(request.uri)
  if (!requestUri.ok) return fail(badRequest('Malformed Request-URI'))
  const to = sipUriToJid(requestUri.value)
  if (!to.ok) return to
  const asserted = assertedSender(request, isAsserted)
  const from = sipAddressToJid(asserted ?? request.core.from)
  if (!from.ok) {
    // 404, 416 and 480 would speak of the one who is called.
    return fail({ ...from.failure, status: 400, text: from.failure.text ?? 'Malformed From' })
  }
  return ok({ from: from.value, to: to.value })
}

/**
 * Who a trusted peer says it is, for a user of a domain whose server is believed; what he would keep to himself stays in
 * his domain. @see RFC 3325 §9.1, §9.3
 */
function assertedSender(request: SipRequest, isAsserted: (domain: string) => boolean): NameAddr | undefined {
  if (!request.headers.has('P-Asserted-Identity')) return undefined
  const asserted = request.headers.list('P-Asserted-Identity')
  if (/(?:^|[;,\s])id(?:$|[;,\s])/i.test(request.headers.all('Privacy').join(';'))) return undefined
  for (const value of asserted) {
    const address = parseNameAddr(value)
    if (address.ok && address.value.uri.scheme === 'sip' && isAsserted(address.value.uri.host)) return address.value
  }
  return undefined
}

/** Older than this, a Date is worth showing. @see mapping C.3 */
const OLD_MS = 60_000

/** The content of a MESSAGE: body type, encoding, language, then the headers that have a place. @see RFC 3261 §8.2.3, RFC 7572 §5 */
export function textOfMessage(
  request: SipRequest,
  from: Jid,
  hashes: Hashes,
  nowMs: number,
): Result<SipTextVerdict, SipFailure> {
  if (encodingOf(request.headers.get('Content-Encoding')) !== undefined) return fail(unsupportedEncoding)
  const contentType = request.headers.get('Content-Type')
  if (contentType === undefined && request.body.length > 0) return fail(badRequest('Missing Content-Type'))
  const media = parseMediaType(contentType ?? 'text/plain')
  if (!media.ok) return fail(badRequest('Malformed Content-Type'))
  let words: SipWords | undefined
  let plain: string
  if (media.value.type === 'text/plain') {
    const text = decodeWords(request.body, media.value)
    if (!text.ok) return text
    plain = text.value
  } else {
    const content = readContent(request.body, media.value, from)
    if (!content.ok) return content
    if (content.value.kind !== 'words') return ok(content.value)
    words = content.value
    plain = words.text
  }

  const dateMs = words?.sentAtMs ?? parseHttpDate(request.headers.get('Date'))
  const expiresS = parseDeltaSeconds(request.headers.get('Expires') ?? '')
  // @see RFC 3428 §7
  if (expiresS !== undefined && dateMs !== undefined && dateMs + expiresS * 1000 < nowMs)
    return ok({ kind: 'absorb', reason: 'expired' })

  // An illegal character would end the stream for every user on it. @see mapping C.12
  const text = sanitizeText(plain)
  // One-space messages wake up clients elsewhere; nobody wants to read them.
  if (text.trim() === '') return ok({ kind: 'absorb', reason: 'no-content' })

  const { callId, cseq } = request.core
  const subject = request.headers.get('Subject') ?? words?.subject
  return ok({
    kind: 'text',
    content: {
      text,
      id: hashes.sha256Hex(`${callId}\n${request.core.from.params.get('tag') ?? ''}\n${cseq.number}`).slice(0, 32),
      thread: sanitizeText(callId),
      inReplyTo: request.headers.get('In-Reply-To')?.split(',')[0]?.trim(),
      subject: subject === undefined || subject.trim() === '' ? undefined : sanitizeText(subject),
      lang: words?.lang ?? languageIn(request.headers.get('Content-Language')),
      others: words?.others,
      sentAtMs: dateMs !== undefined && nowMs - dateMs > OLD_MS ? dateMs : undefined,
      html: words?.html,
      asks: words?.asks,
      cpim: words?.cpim === true,
      alternatives: words?.alternatives === true,
    },
  })
}

const DATE = /^(?:[A-Z][a-z]{2}), \d{2} (?:[A-Z][a-z]{2}) \d{4} \d{2}:\d{2}:\d{2} GMT$/
function parseHttpDate(value: string | undefined): number | undefined {
  if (value === undefined || !DATE.test(value.trim())) return undefined
  const ms = Date.parse(value.trim())
  return Number.isNaN(ms) ? undefined : ms
}

const NOTHING_MORE: readonly XmlElement[] = []

/** What stands beside the body: looks, the wish for a report, a state of the chat. Plain text has none of it. */
export function extensionsFor(
  content: SipText,
  may: { readonly state: boolean; readonly reports: boolean },
): readonly XmlElement[] {
  const asks = may.reports ? content.asks : undefined
  if (content.html === undefined && asks === undefined && !may.state) return NOTHING_MORE
  return [
    ...(content.html === undefined ? [] : [content.html]),
    ...(asks?.delivered === true ? [receiptRequestElement()] : []),
    ...(asks?.displayed === true ? [markableElement()] : []),
    ...(may.state ? [chatStateElement('active')] : []),
  ]
}

/** `normal` unless the contact writes `chat` himself. @see RFC 7572 §5, RFC 6121 §5.2.2 */
export function messageToXmpp(
  parties: SipParties,
  content: SipText,
  type: 'normal' | 'chat',
  gateway: Jid,
  more: readonly XmlElement[] = NOTHING_MORE,
): MessageStanza {
  const extra =
    content.sentAtMs === undefined ? more : [...more, delayElement({ from: gateway, stampMs: content.sentAtMs })]
  const words: LangText = { lang: undefined, text: content.text }
  return newMessage({
    from: parties.from,
    to: parties.to,
    id: content.id,
    type,
    lang: content.lang,
    bodies: content.others === undefined ? [words] : [words, ...content.others],
    subject: content.subject,
    thread: content.thread,
    extra,
  })
}
