import { attrOf, childOf, el } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_REPLY } from '../namespaces.ts'
import { formatJid } from '../jid.ts'
import type { Jid } from '../jid.ts'

/** To the message of `to` with this id. @see XEP-0461 §3.1 */
export const replyElement = (to: Jid, id: string): XmlElement => el('reply', { xmlns: NS_REPLY, to: formatJid(to), id })

/** The id of the message that is replied to; undefined when it is no reply. */
export function parseReply(stanza: XmlElement): string | undefined {
  const reply = childOf(stanza, 'reply', NS_REPLY)
  return reply === undefined ? undefined : attrOf(reply, 'id') || undefined
}
