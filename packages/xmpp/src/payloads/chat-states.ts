import type { XmlElement } from '@stox/xml'

/** @see XEP-0085 */
export type ChatState = 'active' | 'composing' | 'gone' | 'inactive' | 'paused'
export declare function chatStateElement(state: ChatState): XmlElement
export declare function parseChatState(stanza: XmlElement): ChatState | undefined
