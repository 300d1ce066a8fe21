import { el, isElement } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_PING } from '../namespaces.ts'

/** @see XEP-0199 */
export const pingElement = (): XmlElement => el('ping', { xmlns: NS_PING })
export const isPing = (payload: XmlElement): boolean => isElement(payload, 'ping', NS_PING)
