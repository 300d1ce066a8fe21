import { attrOf, childOf, childrenOf, el, localNameOf, namespaceOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_CHAT_MARKERS } from '../namespaces.ts'

/** Each says what the one before it says. `received` and `acknowledged` are of older versions. @see XEP-0333 */
export type ChatMarkerKind = 'received' | 'displayed' | 'acknowledged'

export interface ChatMarker {
  readonly kind: ChatMarkerKind
  /** Of the message that is marked, as are all before it. */
  readonly id: string
}

const KINDS: readonly string[] = ['received', 'displayed', 'acknowledged'] satisfies readonly ChatMarkerKind[]

export const markableElement = (): XmlElement => el('markable', { xmlns: NS_CHAT_MARKERS })
export const isMarkable = (stanza: XmlElement): boolean => childOf(stanza, 'markable', NS_CHAT_MARKERS) !== undefined

export const chatMarkerElement = ({ kind, id }: ChatMarker): XmlElement => el(kind, { xmlns: NS_CHAT_MARKERS, id })

/** The first marker in a message; undefined when there is none, or one for nothing. */
export function parseChatMarker(stanza: XmlElement): ChatMarker | undefined {
  const marker = childrenOf(stanza).find(
    (child) => KINDS.includes(localNameOf(child)) && namespaceOf(child) === NS_CHAT_MARKERS,
  )
  const id = marker === undefined ? undefined : attrOf(marker, 'id')
  return marker === undefined || !id ? undefined : { kind: localNameOf(marker) as ChatMarkerKind, id }
}
