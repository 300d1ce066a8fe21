import { fail, ok, utf8Length } from '@stox/kernel'
import type { Failure, Hashes, Result } from '@stox/kernel'
import { formatSipUri, nameAddr, newSipRequest, sipMessageLength } from '@stox/sip'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import { bareJid, formatJid, ns, parseDelay, parseNick } from '@stox/xmpp'
import type { Jid, LangText, MessageStanza } from '@stox/xmpp'
import { xhtmlImToHtml } from '@stox/xmpp/xhtml-im'
import { childOf, sanitizeText } from '@stox/xml'
import { asLearned, jidToSipText, jidToSipUri } from './address.ts'
import type { GruuPolicy } from './address.ts'
import { subjectFor } from './choose-language.ts'
import { shortHeaderText } from './failure-to-sip.ts'
import { splitText } from './split-text.ts'

/** What the road to a SIP domain takes. */
export interface SipRouteRules {
  /** No hop on the road loses packets under load, so the 1300-byte rule may be lifted. @see RFC 3428 §8 */
  readonly congestionSafe: boolean
  /** The whole request, start line and headers included. Counts only above 1300, and only when `congestionSafe`. */
  readonly maxMessageBytes: number
  readonly gruu: GruuPolicy
  /** Whether P-Asserted-Identity is written: the server believes us. @see RFC 3325 §9.1 */
  readonly asserts?: boolean
  /** What is read there, the best first. */
  readonly languages?: readonly string[]
  /** Where a Contact leads, for servers that want one in a MESSAGE: `host:port;transport=tls`. */
  readonly contactAt?: string | undefined
}

/** The conversation a MESSAGE belongs to; the caller keeps one per thread. @see mapping C.2, Call-ID reuse */
export interface SipCall {
  readonly callId: string
  readonly fromTag: string
  readonly cseq: number
  /** The Call-ID of the MESSAGE that this one answers. @see RFC 3261 §20.21 */
  readonly inReplyTo?: string | undefined
}

/** `word ["@" word]`. @see RFC 3261 §25.1 */
const CALL_ID = /^[A-Za-z0-9\-.!%*_+`'~()<>:\\"/[\]?{}]+(?:@[A-Za-z0-9\-.!%*_+`'~()<>:\\"/[\]?{}]+)?$/
const LONGEST_CALL_ID = 128
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

function base32OfHex(hex: string, length: number): string {
  let bits = 0
  let held = 0
  let text = ''
  for (const digit of hex) {
    held = (held << 4) | Number.parseInt(digit, 16)
    bits += 4
    if (bits >= 5) {
      bits -= 5
      text += BASE32[(held >> bits) & 31]
      held &= (1 << bits) - 1
    }
    if (text.length === length) break
  }
  return text
}

/** Keeps the thread as the Call-ID, so replies find their conversation. @see RFC 7572 §4, table 1 */
export function callIdForThread(
  thread: string | undefined,
  from: Jid,
  to: Jid,
  hashes: Hashes,
  freshCallId: () => string,
): string {
  if (thread === undefined || thread === '') return freshCallId()
  if (thread.length <= LONGEST_CALL_ID && CALL_ID.test(thread)) return thread
  const hash = hashes.sha256Hex(`${thread}\n${formatJid(bareJid(from))}\n${formatJid(bareJid(to))}`)
  return `x2s-${base32OfHex(hash, 26)}`
}

/** MIME's line end is CRLF. @see RFC 2046 §4.1.1 */
const toCrlf = (text: string): string => (/[\r\n]/.test(text) ? text.replace(/\r\n|\r|\n/g, '\r\n') : text)

/** Cut so that the UTF-8 has at most `maxBytes`. */
function cutToBytes(text: string, maxBytes: number): string {
  if (utf8Length(text) <= maxBytes) return text
  let cut = ''
  let bytes = 0
  for (const character of text) {
    bytes += utf8Length(character)
    if (bytes > maxBytes) break
    cut += character
  }
  return cut.trimEnd()
}

const LONGEST_SUBJECT_BYTES = 256
/** The whole request must fit unless the road is congestion-safe. @see RFC 3428 §8, RFC 7572 §6 */
export const PAGER_LIMIT_BYTES = 1300
/** The Via that the transport puts on: protocol, host, port, branch, rport. */
const VIA_BYTES = 110

/** The whole request must fit in 1300 bytes. @see RFC 7572 §6 */
const tooLongForSip = (requestBytes: number, limit: number): Failure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: 'policy-violation',
  errorType: 'modify',
  status: 513,
  text: `The message is too long: ${requestBytes} bytes as a SIP request, at most ${limit} can be sent`,
  detail: `MESSAGE would be ${requestBytes} bytes, limit ${limit}`,
})

// Bidirectional controls can make a name read as another. @see mapping C.12
const withoutBidi = (text: string): string => text.replace(/[\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, '')

/** A name for people to read: one line, not too long, and not to be read as another. @see mapping C.12 */
export const displayText = (name: string): string => shortHeaderText(withoutBidi(sanitizeText(name)), 64)

const LANGUAGE_TAG = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/
const LONGEST_LANGUAGE_TAG = 35
export const isLanguageTag = (text: string): boolean => text.length <= LONGEST_LANGUAGE_TAG && LANGUAGE_TAG.test(text)

/** Who writes to whom in a request of ours. */
export interface PagerParties {
  readonly from: Jid
  readonly to: Jid
}

/** What a MESSAGE carries in place of the plain words. */
export interface SipBody {
  readonly contentType: string
  readonly body: string | Uint8Array
  /** Of several texts, the chosen one's first. */
  readonly languages?: readonly string[]
}

export const plainBody = (text: string): SipBody => ({ contentType: 'text/plain;charset=UTF-8', body: toCrlf(text) })

/** The looks of a message as a document of its own; undefined when it has none. @see mapping C.10 */
export function htmlBody(message: MessageStanza): SipBody | undefined {
  const html = xhtmlImToHtml(message.element)
  return html === undefined ? undefined : { contentType: 'text/html;charset=UTF-8', body: html }
}

/** One MESSAGE, or the reason why it is too long for its road. No Contact: it makes no dialog. @see RFC 3428 §4, §8 */
export function pagerMessage(
  parties: PagerParties,
  content: SipBody,
  call: SipCall,
  rules: SipRouteRules,
  headers: readonly SipHeaderEntry[] = [],
  displayName?: string,
): Result<SipRequest, Failure> {
  const to = nameAddr(jidToSipUri(parties.to, asLearned(rules.gruu)))
  const request = newSipRequest({
    method: 'MESSAGE',
    uri: formatSipUri(to.uri),
    from: nameAddr(jidToSipUri(parties.from, rules.gruu), displayName, call.fromTag),
    to,
    callId: call.callId,
    cseq: call.cseq,
    maxForwards: 70,
    headers: [...headers, ...serversOwn(parties.from, rules), ['User-Agent', 'stox']],
    contentType: content.contentType,
    body: content.body,
  })
  const limit = rules.congestionSafe ? Math.max(PAGER_LIMIT_BYTES, rules.maxMessageBytes) : PAGER_LIMIT_BYTES
  const bytes = bytesOf(request)
  return bytes > limit ? fail(tooLongForSip(bytes, limit)) : ok(request)
}

const NOTHING_MORE: readonly SipHeaderEntry[] = []

/** What only some servers ask for. DEVIATION: RFC 3428 §4 knows no Contact here. @see mapping J 26 */
function serversOwn(from: Jid, { asserts, contactAt }: SipRouteRules): readonly SipHeaderEntry[] {
  if (asserts !== true && contactAt === undefined) return NOTHING_MORE
  const { user } = jidToSipUri(from, 'off')
  return [
    ...(asserts === true ? [['P-Asserted-Identity', `<${jidToSipText(from, 'off')}>`] as const] : []),
    ...(contactAt === undefined
      ? []
      : [['Contact', `<sip:${user === undefined ? '' : `${user}@`}${contactAt}>`] as const]),
  ]
}

/** One stanza as one MESSAGE; `to` may carry a resource only when the SIP side taught us it. @see RFC 7572 §4 */
export function messageToSip(
  message: MessageStanza,
  body: LangText,
  call: SipCall,
  rules: SipRouteRules,
  content: SipBody = plainBody(body.text),
): Result<SipRequest, Failure> {
  const nick = childOf(message.element, 'nick', ns.NS_NICK) === undefined ? undefined : parseNick(message.element)
  const displayName = nick === undefined ? undefined : displayText(nick)

  const headers: SipHeaderEntry[] = []
  const topic = message.subject === undefined ? undefined : subjectFor(message, rules.languages ?? [])
  const subject = topic === undefined ? '' : cutToBytes(shortHeaderText(topic, 512), LONGEST_SUBJECT_BYTES)
  if (subject !== '') headers.push(['Subject', subject])
  if (call.inReplyTo !== undefined && CALL_ID.test(call.inReplyTo)) headers.push(['In-Reply-To', call.inReplyTo])
  const lang = body.lang ?? message.lang
  if (content.languages !== undefined) headers.push(['Content-Language', content.languages.join(', ')])
  else if (lang !== undefined && isLanguageTag(lang)) headers.push(['Content-Language', lang])
  const delay = childOf(message.element, 'delay', ns.NS_DELAY) === undefined ? undefined : parseDelay(message.element)
  if (delay !== undefined) headers.push(['Date', new Date(delay.stampMs).toUTCString()])
  return pagerMessage(message, content, call, rules, headers, displayName === '' ? undefined : displayName)
}

/** The same as several, numbered: their words together are the text. Undefined when that does not help. @see mapping C.6 */
export function messageToSipParts(
  message: MessageStanza,
  body: LangText,
  nextCall: () => SipCall,
  rules: SipRouteRules,
): readonly SipRequest[] | undefined {
  const first = nextCall()
  const empty = messageToSip(message, { ...body, text: '' }, first, { ...rules, congestionSafe: true })
  const limit = rules.congestionSafe ? Math.max(PAGER_LIMIT_BYTES, rules.maxMessageBytes) : PAGER_LIMIT_BYTES
  const room = empty.ok ? limit - bytesOf(empty.value) - LENGTH_DIGITS : 0
  const pieces = splitText(body.text.replace(/\r\n|\r|\n/g, '\r\n'), room)
  const requests: SipRequest[] = []
  for (const [index, text] of pieces?.entries() ?? []) {
    const one = messageToSip(message, { ...body, text }, index === 0 ? first : nextCall(), rules)
    if (!one.ok) return undefined
    requests.push(one.value)
  }
  return requests.length === 0 ? undefined : requests
}

/** Content-Length and CSeq grow with the text. */
const LENGTH_DIGITS = 16

/** As it will be on the wire. */
const bytesOf = (request: SipRequest): number => sipMessageLength(request) + VIA_BYTES
