import { childOf, el, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_NICK } from '../namespaces.ts'

/** @see XEP-0172 */
export const nickElement = (nick: string): XmlElement => el('nick', { xmlns: NS_NICK }, nick)

export function parseNick(stanza: XmlElement): string | undefined {
  const nick = childOf(stanza, 'nick', NS_NICK)
  return nick === undefined ? undefined : textOf(nick).trim() || undefined
}
