import { fail, ok } from '@stox/kernel'
import type { Result, StanzaCondition } from '@stox/kernel'
import { childrenOf, isElement, localNameOf, namespaceOf, parseXmlDocument, textOf } from '@stox/xml'
import type { XmlElement, XmlLimits } from '@stox/xml'
import { parseDomain } from './domain.ts'
import { parseJid } from './jid.ts'
import type { Jid } from './jid.ts'
import { NS_SERVER } from './namespaces.ts'
import { errorReply, parseStanzaError } from './stanza-error.ts'
import type { IqType, LangText, MessageStanza, MessageType, PresenceType, Show, Stanza } from './stanza.ts'

export interface StanzaFailure {
  /**
   * `improper-addressing`, `invalid-namespace`, `unsupported-stanza-type`, `invalid-xml`: a stream error.
   * Else a stanza error can be given.
   */
  readonly condition:
    StanzaCondition | 'improper-addressing' | 'invalid-namespace' | 'unsupported-stanza-type' | 'invalid-xml'
  readonly detail: string
  /** The error stanza to send back, where one can be given. */
  readonly reply: Stanza | undefined
}

const MESSAGE_TYPES: ReadonlySet<unknown> = new Set(['normal', 'chat', 'groupchat', 'headline', 'error'])
const PRESENCE_TYPES: ReadonlySet<unknown> = new Set([
  ...['unavailable', 'subscribe', 'subscribed', 'unsubscribe', 'unsubscribed', 'probe', 'error'],
])
const IQ_TYPES: ReadonlySet<unknown> = new Set(['get', 'set', 'result', 'error'])
const SHOWS: ReadonlySet<unknown> = new Set(['away', 'chat', 'dnd', 'xa'])

type Addressed = Pick<Stanza, 'from' | 'to' | 'lang' | 'element'> & { readonly id: string | undefined }

/**
 * A first-level element of a server-to-server stream as a stanza. `streamLang` is the language of the stream's header,
 * in force where the stanza names none. @see RFC 6120 §8, §4.7.4
 */
export function parseStanza(element: XmlElement, streamLang?: string): Result<Stanza, StanzaFailure> {
  const kind = localNameOf(element)
  if (namespaceOf(element) !== NS_SERVER) return refused('invalid-namespace', 'not of jabber:server')
  if (kind !== 'message' && kind !== 'presence' && kind !== 'iq') {
    return refused('unsupported-stanza-type', 'neither message nor presence nor iq')
  }
  // Both are a must between servers. @see RFC 6120 §8.1.1.2, §8.1.2.2
  const {
    from: fromText,
    to: toText,
    id,
    'xml:lang': lang = streamLang,
  } = element.attrs as Record<string, string | undefined>
  if (fromText === undefined || toText === undefined) return refused('improper-addressing', 'no from or no to')
  const from = parseJid(fromText)
  if (!from.ok) return refused('improper-addressing', `from: ${from.failure.detail}`)
  const to = parseJid(toText)
  if (!to.ok) return refuseAddress(element, kind, from.value, toText)

  const base: Addressed = { id, from: from.value, to: to.value, lang, element }
  if (kind === 'message') return ok(messageOf(base))
  return kind === 'presence' ? presenceOf(base) : iqOf(base)
}

/** For who gets a stanza as text, over the link. */
export function parseStanzaText(xml: string, limits?: Partial<XmlLimits>): Result<Stanza, StanzaFailure> {
  const document = parseXmlDocument(xml, limits)
  return document.ok ? parseStanza(document.value) : refused('invalid-xml', document.failure.detail)
}

const refused = (
  condition: StanzaFailure['condition'],
  detail: string,
  reply?: Stanza,
): { readonly ok: false; readonly failure: StanzaFailure } => fail({ condition, detail, reply })

/** An unknown type is to be taken as `normal`. @see RFC 6121 §5.2.2 */
function messageOf(base: Addressed): Stanza {
  const { id, from, to, lang, element } = base
  const type = MESSAGE_TYPES.has(element.attrs.type) ? (element.attrs.type as MessageType) : 'normal'
  const bodies: LangText[] = []
  let subject: string | undefined
  let thread: string | undefined
  for (const child of element.children) {
    if (typeof child === 'string') continue
    if (isElement(child, 'body', NS_SERVER)) bodies.push(langText(child, base.lang))
    else if (subject === undefined && isElement(child, 'subject', NS_SERVER)) subject = textOf(child)
    else if (thread === undefined && isElement(child, 'thread', NS_SERVER)) thread = textOf(child)
  }
  // Field by field: a spread is most of the price of reading a message.
  const message: MessageStanza = { kind: 'message', id, from, to, lang, element, type, bodies, subject, thread }
  return type === 'error' ? { ...message, ...errorOf(element, type) } : message
}

/** @see RFC 6121 §4.7 */
function presenceOf(base: Addressed): Result<Stanza, StanzaFailure> {
  const { element } = base
  const given = element.attrs.type as string | undefined
  const isKnown = given === undefined || PRESENCE_TYPES.has(given)
  const type = given !== undefined && isKnown ? (given as PresenceType) : 'available'
  const statuses: LangText[] = []
  let show: Show | undefined
  let priority = 0
  for (const child of element.children) {
    if (typeof child === 'string') continue
    if (isElement(child, 'status', NS_SERVER)) statuses.push(langText(child, base.lang))
    else if (isElement(child, 'show', NS_SERVER)) show ??= showOf(textOf(child).trim())
    else if (isElement(child, 'priority', NS_SERVER)) priority = priorityOf(textOf(child).trim())
  }
  const stanza: Stanza = { kind: 'presence', ...base, type, show, statuses, priority, ...errorOf(element, type) }
  return isKnown ? ok(stanza) : refusedAs(stanza, 'bad-request', 'an unknown type of presence')
}

/** @see RFC 6120 §8.2.3 */
function iqOf(base: Addressed): Result<Stanza, StanzaFailure> {
  const { element } = base
  const isKnown = IQ_TYPES.has(element.attrs.type)
  const type = isKnown ? (element.attrs.type as IqType) : 'get'
  const children = childrenOf(element)
  const payload = children.find((child) => type !== 'error' || !isElement(child, 'error', NS_SERVER))
  const stanza: Stanza = { kind: 'iq', ...base, id: base.id ?? '', type, payload, ...errorOf(element, type) }
  if (!isKnown) return refusedAs(stanza, 'bad-request', 'an iq without a type, or of an unknown one')
  if (base.id === undefined) return refusedAs(stanza, 'bad-request', 'an iq without an id')
  if ((type === 'get' || type === 'set') && children.length !== 1) {
    return refusedAs(stanza, 'bad-request', 'a request without exactly one payload')
  }
  if (type === 'result' && children.length > 1) return refusedAs(stanza, 'bad-request', 'a result with two payloads')
  return ok(stanza)
}

const refusedAs = (stanza: Stanza, condition: StanzaCondition, detail: string): Result<Stanza, StanzaFailure> =>
  refused(condition, detail, errorReply(stanza, { condition }))

/** The reply comes from the domain meant, since the address itself cannot be written. */
function refuseAddress(
  element: XmlElement,
  kind: Stanza['kind'],
  from: Jid,
  toText: string,
): Result<Stanza, StanzaFailure> {
  const domain = parseDomain(toText.split('/')[0]!.split('@').at(-1)!)
  if (!domain.ok) return refused('improper-addressing', `to: ${domain.failure.detail}`)
  const to: Jid = { local: undefined, domain: domain.value, resource: undefined }
  const id = element.attrs.id as string | undefined
  const base: Addressed = { id, from, to, lang: undefined, element }
  const stanza = kind === 'message' ? ok(messageOf(base)) : kind === 'presence' ? presenceOf(base) : iqOf(base)
  if (!stanza.ok) return stanza
  return refused('jid-malformed', 'to is no address', errorReply(stanza.value, { condition: 'jid-malformed' }))
}

const langText = (element: XmlElement, inherited: string | undefined): LangText => ({
  lang: (element.attrs['xml:lang'] as string | undefined) ?? inherited,
  text: textOf(element),
})

const showOf = (text: string): Show | undefined => (SHOWS.has(text) ? (text as Show) : undefined)

/** -128 to 127; what is no such number is 0. @see RFC 6121 §4.7.2.3 */
function priorityOf(text: string): number {
  const priority = /^[+-]?\d{1,3}$/.test(text) ? Number(text) : 0
  return priority >= -128 && priority <= 127 ? priority : 0
}

function errorOf(element: XmlElement, type: string): Pick<Stanza, 'error'> {
  const error = type === 'error' ? parseStanzaError(element) : undefined
  return error === undefined ? {} : { error }
}
