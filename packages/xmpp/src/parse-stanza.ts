import type { Result, StanzaCondition } from '@stox/kernel'
import type { XmlElement, XmlLimits } from '@stox/xml'
import type { Stanza } from './stanza.ts'

export interface StanzaFailure {
  /**
   * `improper-addressing`, `invalid-namespace`, `unsupported-stanza-type`, `invalid-xml`: a stream error.
   * Else a stanza error can be given (`refusalOf`).
   */
  readonly condition:
    StanzaCondition | 'improper-addressing' | 'invalid-namespace' | 'unsupported-stanza-type' | 'invalid-xml'
  readonly detail: string
  /** The error stanza to send back, where one can be given. */
  readonly reply: Stanza | undefined
}

export declare function parseStanza(element: XmlElement): Result<Stanza, StanzaFailure>
/** For who gets a stanza as text, over the link. */
export declare function parseStanzaText(xml: string, limits?: Partial<XmlLimits>): Result<Stanza, StanzaFailure>
