import { el } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import type { Jid } from './jid.ts'
import { NS_SERVER } from './namespaces.ts'
import type { IqStanza, LangText, MessageStanza, MessageType, PresenceStanza, PresenceType, Show } from './stanza.ts'

export interface NewMessage {
  readonly from: Jid
  readonly to: Jid
  readonly id?: string | undefined
  readonly type?: Exclude<MessageType, 'error'> | undefined
  readonly lang?: string | undefined
  readonly bodies?: readonly LangText[]
  readonly subject?: string | undefined
  readonly thread?: string | undefined
  /** Children in namespaces of their own. */
  readonly extra?: readonly XmlElement[]
}

export interface NewPresence {
  readonly from: Jid
  readonly to: Jid
  readonly id?: string | undefined
  readonly type?: Exclude<PresenceType, 'error'> | undefined
  readonly lang?: string | undefined
  readonly show?: Show | undefined
  readonly statuses?: readonly LangText[]
  readonly priority?: number | undefined
  readonly extra?: readonly XmlElement[]
}

export interface NewIq {
  readonly from: Jid
  readonly to: Jid
  readonly id: string
  readonly type: 'get' | 'set'
  readonly payload: XmlElement
  readonly lang?: string | undefined
}

/** Children of the stanza itself are in `jabber:server` by inheritance; those in `extra` need an `xmlns`. */
const textElement = (name: string, { lang, text }: LangText, inherited: string | undefined): XmlElement =>
  el(name, { 'xml:lang': lang === inherited ? undefined : lang }, text)

export function newMessage(input: NewMessage): MessageStanza {
  const { from, to, id, type = 'normal', lang, bodies = [], subject, thread, extra = [] } = input
  const children: XmlElement[] = []
  if (subject !== undefined) children.push(el('subject', {}, subject))
  for (const body of bodies) children.push(textElement('body', body, lang))
  if (thread !== undefined) children.push(el('thread', {}, thread))
  const element = el('message', { xmlns: NS_SERVER }, ...children, ...extra)
  const inForce = bodies.map((body) => ({ lang: body.lang ?? lang, text: body.text }))
  return { kind: 'message', id, from, to, lang, element, type, bodies: inForce, subject, thread }
}

export function newPresence(input: NewPresence): PresenceStanza {
  const { from, to, id, type = 'available', lang, show, statuses = [], priority = 0, extra = [] } = input
  if (!Number.isInteger(priority) || priority < -128 || priority > 127) throw new RangeError(`no priority: ${priority}`)
  const children: XmlElement[] = []
  if (show !== undefined) children.push(el('show', {}, show))
  for (const status of statuses) children.push(textElement('status', status, lang))
  if (priority !== 0) children.push(el('priority', {}, String(priority)))
  const element = el('presence', { xmlns: NS_SERVER }, ...children, ...extra)
  const inForce = statuses.map((status) => ({ lang: status.lang ?? lang, text: status.text }))
  return { kind: 'presence', id, from, to, lang, element, type, show, statuses: inForce, priority }
}

/** A request. */
export function newIq(input: NewIq): IqStanza {
  const { from, to, id, type, payload, lang } = input
  return { kind: 'iq', id, from, to, lang, element: el('iq', { xmlns: NS_SERVER }, payload), type, payload }
}

/** The answer to a request, with its id. @see RFC 6120 §8.2.3 */
export function iqResult(request: IqStanza, payload?: XmlElement): IqStanza {
  const element = el('iq', { xmlns: NS_SERVER }, ...(payload === undefined ? [] : [payload]))
  return {
    kind: 'iq',
    id: request.id,
    from: request.to,
    to: request.from,
    lang: undefined,
    element,
    type: 'result',
    payload,
  }
}
