import type { XmlElement } from '@stox/xml'

/** @see XEP-0030 §3 */
export interface DiscoIdentity {
  readonly category: string
  readonly type: string
  readonly name?: string | undefined
}
export interface DiscoInfo {
  readonly node?: string | undefined
  readonly identities: readonly DiscoIdentity[]
  readonly features: readonly string[]
  /** Data forms that say more (XEP-0128). */
  readonly forms?: readonly XmlElement[]
}
/** @see XEP-0030 §4 */
export interface DiscoItem {
  readonly jid: string
  readonly node?: string | undefined
  readonly name?: string | undefined
}
export interface DiscoItems {
  readonly node?: string | undefined
  readonly items: readonly DiscoItem[]
}
export declare function discoInfoElement(info: DiscoInfo): XmlElement
export declare function parseDiscoInfo(query: XmlElement): DiscoInfo | undefined
export declare function discoItemsElement(items: DiscoItems): XmlElement
export declare function parseDiscoItems(query: XmlElement): DiscoItems | undefined
