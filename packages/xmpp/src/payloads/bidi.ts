import type { XmlElement } from '@stox/xml'
import { isElement } from '@stox/xml'
import { NS_BIDI } from '../namespaces.ts'

/** The wish that the receiving server sends its stanzas on the same stream; it is not answered. @see XEP-0288 §3 */
export const BIDI = `<bidi xmlns='${NS_BIDI}'/>`

export const isBidi = (element: XmlElement): boolean => isElement(element, 'bidi', NS_BIDI)
