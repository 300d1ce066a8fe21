import type { StanzaCondition, StanzaErrorType } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { Jid } from './jid.ts'

export interface StanzaErrorInfo {
  readonly type: StanzaErrorType
  readonly condition: StanzaCondition
  readonly text: string | undefined
  /** The URI in `gone` or `redirect`. */
  readonly alternate: string | undefined
}

/** Text in a language; `lang` is the nearest `xml:lang`, undefined where none is in force. */
export interface LangText {
  readonly lang: string | undefined
  readonly text: string
}

interface StanzaBase {
  readonly id: string | undefined
  readonly from: Jid
  readonly to: Jid
  readonly lang: string | undefined
  /** The whole stanza; extensions are read from it. Its `from` and `to` are not to be trusted over the fields. */
  readonly element: XmlElement
  /** Of stanzas of type `error`. */
  readonly error?: StanzaErrorInfo
}

export type MessageType = 'normal' | 'chat' | 'groupchat' | 'headline' | 'error'
export type PresenceType =
  'available' | 'unavailable' | 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed' | 'probe' | 'error'
export type IqType = 'get' | 'set' | 'result' | 'error'
export type Show = 'away' | 'chat' | 'dnd' | 'xa'

export interface MessageStanza extends StanzaBase {
  readonly kind: 'message'
  readonly type: MessageType
  readonly bodies: readonly LangText[]
  readonly subject: string | undefined
  readonly thread: string | undefined
}

export interface PresenceStanza extends StanzaBase {
  readonly kind: 'presence'
  readonly type: PresenceType
  readonly show: Show | undefined
  readonly statuses: readonly LangText[]
  readonly priority: number
}

export interface IqStanza extends StanzaBase {
  readonly kind: 'iq'
  readonly type: IqType
  readonly id: string
  readonly payload: XmlElement | undefined
}

export type Stanza = MessageStanza | PresenceStanza | IqStanza

/** What is needed of a stanza to answer it, or to tell how it ended. */
export type StanzaHead = Pick<Stanza, 'kind' | 'type' | 'id' | 'from' | 'to'>
