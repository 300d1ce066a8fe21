import type { XmlElement } from '@stox/xml'
import { el, isElement, serializeXml } from '@stox/xml'
import { NS_BIDI } from '../namespaces.ts'
import type { AdvertisedLimits } from './limits.ts'
import { limitsElement } from './limits.ts'

/**
 * The wish that the receiving server sends its stanzas on the same stream, and what we take there; it is not answered.
 * @see XEP-0288 §3, XEP-0478 §3.2
 */
export const formatBidi = (limits: AdvertisedLimits): string =>
  serializeXml(el('bidi', { xmlns: NS_BIDI }, limitsElement(limits)))

export const isBidi = (element: XmlElement): boolean => isElement(element, 'bidi', NS_BIDI)
