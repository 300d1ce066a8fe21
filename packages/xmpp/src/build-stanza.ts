import type { XmlElement } from '@stox/xml'
import type { Jid } from './jid.ts'
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

export declare function newMessage(input: NewMessage): MessageStanza
export declare function newPresence(input: NewPresence): PresenceStanza
export declare function newIq(input: NewIq): IqStanza
export declare function iqResult(request: IqStanza, payload?: XmlElement): IqStanza
