import { childrenOf, el, localNameOf, namespaceOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_CHAT_STATES } from '../namespaces.ts'

/** @see XEP-0085 */
export type ChatState = 'active' | 'composing' | 'gone' | 'inactive' | 'paused'

const STATES: ReadonlySet<string> = new Set<ChatState>(['active', 'composing', 'gone', 'inactive', 'paused'])

export const chatStateElement = (state: ChatState): XmlElement => el(state, { xmlns: NS_CHAT_STATES })

/** The first state in a message; undefined when it has none. */
export function parseChatState(stanza: XmlElement): ChatState | undefined {
  for (const child of childrenOf(stanza)) {
    const name = localNameOf(child)
    if (STATES.has(name) && namespaceOf(child) === NS_CHAT_STATES) return name as ChatState
  }
  return undefined
}
