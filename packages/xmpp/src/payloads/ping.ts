import type { XmlElement } from '@stox/xml'

/** @see XEP-0199 */
export declare function pingElement(): XmlElement
export declare function isPing(payload: XmlElement): boolean
