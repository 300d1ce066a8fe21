import type { XmlElement } from '@stox/xml'

/** @see XEP-0172 */
export declare function nickElement(nick: string): XmlElement
export declare function parseNick(stanza: XmlElement): string | undefined
