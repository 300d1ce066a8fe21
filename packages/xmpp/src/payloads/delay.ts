import type { XmlElement } from '@stox/xml'
import type { Jid } from '../jid.ts'

/** @see XEP-0203 */
export interface Delay {
  readonly from: string | undefined
  readonly stampMs: number
  readonly reason: string | undefined
}
export declare function delayElement(delay: {
  readonly from?: Jid | undefined
  readonly stampMs: number
  readonly reason?: string | undefined
}): XmlElement
/** Of a stanza's `<delay/>` child; undefined when there is none that can be read. */
export declare function parseDelay(stanza: XmlElement): Delay | undefined
