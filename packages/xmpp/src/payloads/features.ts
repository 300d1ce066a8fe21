import type { XmlElement } from '@stox/xml'

/** What a receiving server offers. @see RFC 6120 §4.3.2 */
export interface StreamFeatures {
  readonly startTls: 'required' | 'optional' | undefined
  readonly mechanisms: readonly string[]
  /** @see XEP-0220 §2.4.1 */
  readonly dialback: { readonly errors: boolean } | undefined
}
export declare function isFeatures(element: XmlElement): boolean
export declare function parseFeatures(element: XmlElement): StreamFeatures
export declare function formatFeatures(features: StreamFeatures): string
