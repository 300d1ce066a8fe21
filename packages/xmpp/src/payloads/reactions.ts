import { attrOf, childOf, childrenOf, isElement, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_REACTIONS } from '../namespaces.ts'

/** All that somebody has to say to a message; it takes the place of what he said before. @see XEP-0444 §4.1 */
export interface Reactions {
  /** Of the message. */
  readonly id: string
  /** Each once. */
  readonly emoji: readonly string[]
}

/** Undefined when there are none, or they are about nothing. */
export function parseReactions(stanza: XmlElement): Reactions | undefined {
  const reactions = childOf(stanza, 'reactions', NS_REACTIONS)
  const id = reactions && attrOf(reactions, 'id')
  if (reactions === undefined || !id) return undefined
  const emoji = childrenOf(reactions)
    .filter((child) => isElement(child, 'reaction', NS_REACTIONS))
    .map((child) => textOf(child).trim())
    .filter((one) => one !== '')
  return { id, emoji: [...new Set(emoji)] }
}
