import { attrOf, childrenOf, el, isElement } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_DATA_FORMS, NS_DISCO_INFO, NS_DISCO_ITEMS } from '../namespaces.ts'

/** @see XEP-0030 §3 */
export interface DiscoIdentity {
  readonly category: string
  readonly type: string
  readonly name?: string | undefined
  readonly lang?: string | undefined
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

export function discoInfoElement({ node, identities, features, forms = [] }: DiscoInfo): XmlElement {
  return el(
    'query',
    { xmlns: NS_DISCO_INFO, node },
    ...identities.map(({ category, type, name, lang }) => el('identity', { category, type, name, 'xml:lang': lang })),
    ...features.map((feature) => el('feature', { var: feature })),
    ...forms,
  )
}

export function parseDiscoInfo(query: XmlElement): DiscoInfo | undefined {
  if (!isElement(query, 'query', NS_DISCO_INFO)) return undefined
  const identities: DiscoIdentity[] = []
  const features: string[] = []
  const forms: XmlElement[] = []
  for (const child of childrenOf(query)) {
    const { category, type, name, var: feature } = child.attrs as Record<string, string | undefined>
    if (isElement(child, 'identity', NS_DISCO_INFO)) {
      if (category !== undefined && type !== undefined)
        identities.push({ category, type, name, lang: attrOf(child, 'xml:lang') })
    } else if (isElement(child, 'feature', NS_DISCO_INFO)) {
      if (feature !== undefined) features.push(feature)
    } else forms.push(child)
  }
  return { node: attrOf(query, 'node'), identities, features, forms }
}

/** Whom to write to about a server, by role; undefined when nobody is named. @see XEP-0157 §3, XEP-0128 */
export function serverInfoForm(contacts: Readonly<Record<string, readonly string[]>>): XmlElement | undefined {
  const fields = Object.entries(contacts)
    .filter(([, addresses]) => addresses.length > 0)
    .map(([role, addresses]) =>
      el('field', { var: `${role}-addresses`, type: 'list-multi' }, ...addresses.map((one) => el('value', {}, one))),
    )
  if (fields.length === 0) return undefined
  const type = el('field', { var: 'FORM_TYPE', type: 'hidden' }, el('value', {}, SERVER_INFO))
  return el('x', { xmlns: NS_DATA_FORMS, type: 'result' }, type, ...fields)
}
const SERVER_INFO = 'http://jabber.org/network/serverinfo'

export function discoItemsElement({ node, items }: DiscoItems): XmlElement {
  const children = items.map((item) => el('item', { jid: item.jid, node: item.node, name: item.name }))
  return el('query', { xmlns: NS_DISCO_ITEMS, node }, ...children)
}

export function parseDiscoItems(query: XmlElement): DiscoItems | undefined {
  if (!isElement(query, 'query', NS_DISCO_ITEMS)) return undefined
  const items: DiscoItem[] = []
  for (const child of childrenOf(query)) {
    const { jid, node, name } = child.attrs as Record<string, string | undefined>
    if (jid !== undefined && isElement(child, 'item', NS_DISCO_ITEMS)) items.push({ jid, node, name })
  }
  return { node: attrOf(query, 'node'), items }
}
