import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import {
  CPIM_HEADERS,
  CPIM_TYPE,
  IMDN_HEADERS,
  IMDN_TYPE,
  IS_COMPOSING_TYPE,
  cpimHeader,
  decodeText,
  isMultipart,
  isOptionalPart,
  mediaTypeOf,
  mimeHeader,
  parseCpim,
  parseCpimAddress,
  parseDispositionNotification,
  parseImdn,
  parseIsComposing,
  parseMultipart,
  parseSipUri,
  rootPartOf,
  transferDecoded,
  unquote,
} from '@stox/sip'
import type { CpimMessage, Imdn, IsComposing, MediaType, MimePart, Multipart, ParsedCpim } from '@stox/sip'
import { sameBareJid } from '@stox/xmpp'
import type { Jid, LangText } from '@stox/xmpp'
import { htmlToXhtmlIm } from '@stox/xmpp/xhtml-im'
import type { XmlElement } from '@stox/xml'
import { sanitizeText } from '@stox/xml'
import { sipUriToJid } from './address.ts'
import { isLanguageTag } from './message-to-sip.ts'
import { badRequest, unsupported } from './sip-failure.ts'
import type { SipFailure } from './sip-failure.ts'

/** The content types a MESSAGE may have. @see mapping C.5 */
export const ACCEPTED_TYPES = `text/plain, text/html, ${CPIM_TYPE}, ${IS_COMPOSING_TYPE}, multipart/alternative, multipart/mixed, multipart/related`

/** What a SIP user wants to hear of his message. @see RFC 5438 §6 */
export interface ReportsAsked {
  readonly messageId: string
  /** As written. */
  readonly dateTime: string
  readonly delivered: boolean
  readonly failed: boolean
  readonly displayed: boolean
  /** Where a report goes, and who it is about: CPIM's From and To, as URIs. */
  readonly from: string
  readonly to: string
  /** `IMDN-Record-Route`, in order; a report carries them as its `IMDN-Route`. */
  readonly route: readonly string[]
}

/** Words with what surrounds them. */
export interface SipWords {
  readonly kind: 'words'
  readonly text: string
  readonly html: XmlElement | undefined
  /** What the part says; what the request says counts where it says nothing. @see RFC 3282 §2 */
  readonly lang?: string | undefined
  /** The same in other languages, each with its own. */
  readonly others?: readonly LangText[] | undefined
  /** They came as an alternative of several. */
  readonly alternatives?: boolean
  readonly subject?: string | undefined
  readonly sentAtMs?: number | undefined
  readonly asks?: ReportsAsked | undefined
  /** They came in CPIM. */
  readonly cpim?: boolean
}

/** A body as far as it has a meaning in XMPP. */
export type SipContent =
  | SipWords
  | { readonly kind: 'composing'; readonly composing: IsComposing }
  | { readonly kind: 'report'; readonly report: Imdn }

const acceptHeader = [['Accept', ACCEPTED_TYPES]] as const
const notTaken = (text: string): Result<never, SipFailure> => fail(unsupported(text, acceptHeader))

/** What may still be unwrapped: a CPIM message in a CPIM message is nobody's message. */
interface Wrapping {
  readonly cpim: boolean
}

/** A body by its type; `from` is who the request says has sent it. @see mapping C.5 */
export function readContent(
  body: Uint8Array,
  media: MediaType,
  from: Jid,
  wrapping: Wrapping = { cpim: true },
): Result<SipContent, SipFailure> {
  if (isMultipart(media)) {
    const parts = parseMultipart(body, media)
    return parts.ok
      ? readParts(parts.value, from, wrapping)
      : fail(badRequest(`Malformed multipart: ${parts.failure.detail}`))
  }
  switch (media.type) {
    case 'text/plain': {
      const text = decodeWords(body, media)
      return text.ok ? ok(wordsOf(text.value)) : text
    }
    case 'text/html':
      return readHtml(body, media)
    case IS_COMPOSING_TYPE: {
      const composing = parseIsComposing(body)
      return composing.ok
        ? ok({ kind: 'composing', composing: composing.value })
        : fail(badRequest('Malformed isComposing'))
    }
    case CPIM_TYPE:
      return wrapping.cpim ? readCpim(body, from) : notTaken('CPIM within CPIM')
    default:
      return notTaken('Unsupported content type')
  }
}

const wordsOf = (text: string, html?: XmlElement): SipWords => ({ kind: 'words', text, html })

/** The text of a part; without a charset it is UTF-8. @see RFC 3261 §7.4.1 */
export function decodeWords(body: Uint8Array, media: MediaType): Result<string, SipFailure> {
  const charset = media.params.get('charset')
  const text = decodeText(body, charset === undefined ? undefined : unquote(charset))
  if (text.ok) return text
  return text.failure.kind === 'unknown-charset'
    ? fail(unsupported('Unsupported charset', [['Accept', 'text/plain;charset=UTF-8']]))
    : fail(badRequest('The body is not in its charset'))
}

/** @see RFC 7572 §7: processed, it must become XHTML-IM; the body says the same in plain words. */
function readHtml(body: Uint8Array, media: MediaType): Result<SipContent, SipFailure> {
  const html = decodeWords(body, media)
  if (!html.ok) return html
  const formatted = htmlToXhtmlIm(html.value)
  return formatted.ok ? ok(wordsOf(formatted.value.text, formatted.value.xhtml)) : notTaken(formatted.failure.detail)
}

function readPart(part: MimePart | Multipart, from: Jid, wrapping: Wrapping): Result<SipContent, SipFailure> {
  if (part.kind === 'multipart') return readParts(part, from, wrapping)
  const media = mediaTypeOf(part)
  const body = transferDecoded(part)
  if (!media.ok) return fail(badRequest(media.failure.detail))
  if (!body.ok) return notTaken(body.failure.detail)
  const encoding = encodingOf(mimeHeader(part, 'Content-Encoding'))
  if (encoding !== undefined) return fail(unsupportedEncoding)
  const content = readContent(body.value, media.value, from, wrapping)
  const lang = languageIn(mimeHeader(part, 'Content-Language'))
  return lang === undefined || !content.ok || content.value.kind !== 'words'
    ? content
    : ok({ ...content.value, lang: content.value.lang ?? lang })
}

/** Undefined for what is as it is. @see RFC 3261 §20.12 */
export function encodingOf(header: string | undefined): string | undefined {
  const encoding = header?.trim().toLowerCase()
  return encoding === 'identity' ? undefined : encoding
}

/** @see RFC 3261 §21.4.13 */
export const unsupportedEncoding = unsupported('Unsupported content encoding', [['Accept-Encoding', 'identity']])

/** The first of a list, where it may stand in a stanza. @see mapping C.3 */
export function languageIn(header: string | undefined): string | undefined {
  const lang = header?.split(',')[0]?.trim()
  return lang !== undefined && isLanguageTag(lang) ? lang : undefined
}

function readParts(multipart: Multipart, from: Jid, wrapping: Wrapping): Result<SipContent, SipFailure> {
  const read = (part: MimePart | Multipart): Result<SipContent, SipFailure> => readPart(part, from, wrapping)
  switch (multipart.type.type) {
    case 'multipart/alternative':
      return readAlternatives(multipart.parts.map(read))
    case 'multipart/related':
      return read(rootPartOf(multipart))
    // The clear part; that the signature is lost is in the nature of a gateway. @see RFC 1847 §2.1
    case 'multipart/signed':
      return read(multipart.parts[0]!)
    case 'multipart/encrypted':
      return notTaken('Encrypted messages cannot be passed on')
    default:
      return readMixed(multipart.parts, read)
  }
}

/** The same in several forms: plain words for the body, HTML beside them. @see RFC 2046 §5.1.4 */
function readAlternatives(all: readonly Result<SipContent, SipFailure>[]): Result<SipContent, SipFailure> {
  const usable = all.flatMap((one) => (one.ok ? [one.value] : []))
  const words = usable.filter((one) => one.kind === 'words')
  const html = words.findLast((one) => one.html !== undefined)
  const plain = words.findLast((one) => one.html === undefined)
  const best = plain ?? html
  if (best !== undefined)
    return ok({ ...best, html: html?.html, others: inOtherLanguages(best, words), alternatives: true })
  const other = usable.at(-1)
  return other === undefined ? (all.at(-1) ?? notTaken('No part that can be used')) : ok(other)
}

/** A stanza has one body for each language. @see RFC 6121 §5.2.3 */
function inOtherLanguages(best: SipWords, words: readonly SipWords[]): readonly LangText[] | undefined {
  if (best.lang === undefined || words.length < 2) return undefined
  const others = new Map<string, LangText>()
  for (const { lang, text, html } of words)
    if (lang !== undefined && html === undefined) others.set(lang.toLowerCase(), { lang, text: sanitizeText(text) })
  others.delete(best.lang.toLowerCase())
  return others.size === 0 ? undefined : [...others.values()].filter(({ text }) => text.trim() !== '')
}

/** The first part that can be used; the others must be such that one may pass over them. @see RFC 3261 §20.11 */
function readMixed(
  parts: readonly (MimePart | Multipart)[],
  read: (part: MimePart | Multipart) => Result<SipContent, SipFailure>,
): Result<SipContent, SipFailure> {
  let found: SipContent | undefined
  for (const part of parts) {
    const content = found === undefined ? read(part) : undefined
    if (content?.ok === true) found = content.value
    else if (!isOptionalPart(part)) return notTaken('A part that cannot be passed on')
  }
  return found === undefined ? notTaken('No part that can be used') : ok(found)
}

const KNOWN_IN_CPIM: ReadonlySet<string> = new Set(['From', 'To', 'cc', 'DateTime', 'Subject'])
const KNOWN_IN_IMDN: ReadonlySet<string> = new Set(['Message-ID', 'Disposition-Notification', 'IMDN-Record-Route'])
const isKnown = ({ namespace, name }: ParsedCpim['required'][number]): boolean =>
  (namespace === IMDN_HEADERS && KNOWN_IN_IMDN.has(name)) || (namespace === CPIM_HEADERS && KNOWN_IN_CPIM.has(name))

/** @see RFC 3862, RFC 5438 §8 */
function readCpim(body: Uint8Array, from: Jid): Result<SipContent, SipFailure> {
  const parsed = parseCpim(body)
  if (!parsed.ok) return fail(badRequest(`Malformed CPIM: ${parsed.failure.detail}`))
  const message = parsed.value
  // What the sender wants understood and is not must not be passed on as if it were. @see RFC 3862 §4.7
  if (!message.required.every(isKnown)) return notTaken('A CPIM header is required that is not known here')
  const media = mediaTypeOf(message.content)
  if (!media.ok) return fail(badRequest(media.failure.detail))
  if (media.value.type === IMDN_TYPE) {
    const inner = transferDecoded(message.content)
    if (!inner.ok) return notTaken(inner.failure.detail)
    const report = parseImdn(inner.value)
    return report.ok
      ? ok({ kind: 'report', report: report.value })
      : fail(badRequest(`Malformed IMDN: ${report.failure.detail}`))
  }
  const content = readPart(message.content, from, { cpim: false })
  if (!content.ok || content.value.kind !== 'words') return content
  const dateTime = cpimHeader(message, 'DateTime')
  const sentAtMs = dateTime === undefined ? Number.NaN : Date.parse(dateTime)
  const subject = cpimHeader(message, 'Subject')
  return ok({
    ...content.value,
    subject: subject === undefined ? undefined : sanitizeText(subject),
    sentAtMs: Number.isNaN(sentAtMs) ? undefined : sentAtMs,
    asks: reportsAsked(message, dateTime, from),
    cpim: true,
  })
}

const LONGEST_MESSAGE_ID = 256
const MOST_ROUTES = 8

/** Undefined when nothing is asked for, or not as it must be, or in another's name. @see RFC 5438 §7.1.1 */
function reportsAsked(message: CpimMessage, dateTime: string | undefined, from: Jid): ReportsAsked | undefined {
  const wanted = cpimHeader(message, 'Disposition-Notification', IMDN_HEADERS)
  const messageId = cpimHeader(message, 'Message-ID', IMDN_HEADERS)
  if (wanted === undefined || messageId === undefined || dateTime === undefined) return undefined
  if (messageId === '' || messageId.length > LONGEST_MESSAGE_ID || sanitizeText(messageId) !== messageId)
    return undefined
  const sender = parseCpimAddress(rawHeader(message, 'From') ?? '')
  const recipient = parseCpimAddress(rawHeader(message, 'To') ?? '')
  if (sender === undefined || recipient === undefined || !isAddressOf(sender.uri, from)) return undefined
  const asked = parseDispositionNotification(wanted)
  const route = message.headers
    .filter(({ namespace, name }) => namespace === IMDN_HEADERS && name === 'IMDN-Record-Route')
    .map(({ value }) => value)
  if (asked.length === 0 || route.length > MOST_ROUTES) return undefined
  return {
    messageId,
    dateTime,
    delivered: asked.includes('positive-delivery'),
    failed: asked.includes('negative-delivery'),
    displayed: asked.includes('display'),
    from: sender.uri,
    to: recipient.uri,
    route,
  }
}

const rawHeader = (message: CpimMessage, name: string): string | undefined =>
  message.headers.find((one) => one.name === name && one.namespace === CPIM_HEADERS)?.value

/** Whether the name within is that on the envelope; what is not is not believed. @see mapping C.5 */
function isAddressOf(uri: string, from: Jid): boolean {
  const parsed = parseSipUri(uri)
  const jid = parsed.ok ? sipUriToJid(parsed.value) : undefined
  return jid?.ok === true && sameBareJid(jid.value, from)
}
