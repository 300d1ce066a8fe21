import { el, isElement } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_VCARD } from '../namespaces.ts'

export const asksForVcard = (payload: XmlElement): boolean => isElement(payload, 'vCard', NS_VCARD)

/** @see XEP-0054 §3 */
export const vcardElement = (fields: Readonly<Record<string, string>>): XmlElement =>
  el('vCard', { xmlns: NS_VCARD }, ...Object.entries(fields).map(([name, text]) => el(name, {}, text)))
