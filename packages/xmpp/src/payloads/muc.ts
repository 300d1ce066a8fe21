import { attrOf, childOf, textOf } from '@stox/xml'
import { parseJid } from '../jid.ts'
import type { Jid } from '../jid.ts'
import { NS_CONFERENCE, NS_MUC, NS_MUC_USER } from '../namespaces.ts'
import type { MessageStanza, PresenceStanza } from '../stanza.ts'

/** It is said to a room by who would come in. @see XEP-0045 §7.2 */
export const asksToEnterRoom = ({ type, element }: PresenceStanza): boolean =>
  type === 'available' && childOf(element, 'x', NS_MUC) !== undefined

export interface Invitation {
  readonly by: Jid
  readonly room: Jid
  readonly reason: string | undefined
}

/**
 * To a room: by a person, who names it, or by the room, which names the person; undefined when it is none, or names
 * nobody. @see XEP-0249 §2, XEP-0045 §7.8.2
 */
export function parseInvitation({ from, element }: MessageStanza): Invitation | undefined {
  const mediated = childOf(element, 'x', NS_MUC_USER)
  const invite = mediated && childOf(mediated, 'invite', NS_MUC_USER)
  if (invite !== undefined) {
    const by = jidIn(attrOf(invite, 'from'))
    const reason = childOf(invite, 'reason', NS_MUC_USER)
    return by && { by, room: from, reason: reason && (textOf(reason) || undefined) }
  }
  const direct = childOf(element, 'x', NS_CONFERENCE)
  const room = direct && jidIn(attrOf(direct, 'jid'))
  return direct && room && { by: from, room, reason: attrOf(direct, 'reason') || undefined }
}

function jidIn(text: string | undefined): Jid | undefined {
  const jid = text === undefined ? undefined : parseJid(text)
  return jid?.ok === true && jid.value.local !== undefined ? jid.value : undefined
}
