import { childOf } from '@stox/xml'
import type { PresenceStanza } from '../stanza.ts'
import { NS_MUC } from '../namespaces.ts'

/** It is said to a room by who would come in. @see XEP-0045 §7.2 */
export const asksToEnterRoom = ({ type, element }: PresenceStanza): boolean =>
  type === 'available' && childOf(element, 'x', NS_MUC) !== undefined
