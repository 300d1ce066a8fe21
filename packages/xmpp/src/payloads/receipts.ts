import type { XmlElement } from '@stox/xml'

/** @see XEP-0184 */
export declare function receiptRequestElement(): XmlElement
export declare function receiptReceivedElement(id: string): XmlElement
export declare function asksForReceipt(stanza: XmlElement): boolean
/** The id of the message that was received. */
export declare function parseReceipt(stanza: XmlElement): string | undefined
