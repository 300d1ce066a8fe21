import type { XmlElement } from '@stox/xml'
import type { IqStanza, SoftwareVersion, Stanza } from '@stox/xmpp'
import {
  asksForVcard,
  asksForVersion,
  discoInfoElement,
  discoItemsElement,
  errorReply,
  iqResult,
  isPing,
  ns,
  parseDiscoInfo,
  parseDiscoItems,
  serverInfoForm,
  vcardElement,
  versionElement,
} from '@stox/xmpp'

/** What a query to one of our domains may find. @see XEP-0030 §3, mapping C.14 */
const GATEWAY_INFO = {
  identities: [
    { category: 'server', type: 'im', name: 'stox' },
    { category: 'gateway', type: 'simple', name: 'stox' },
  ],
  features: [ns.NS_DISCO_INFO, ns.NS_DISCO_ITEMS, ns.NS_PING, ns.NS_VCARD, 'jid\\20escaping'],
}

/** Whether the gateway is to be asked: it knows who may see its users, and what they take. @see mapping C.14 */
export const isForUser = ({ type, to, payload }: IqStanza): boolean =>
  type === 'get' &&
  to.local !== undefined &&
  payload !== undefined &&
  (isPing(payload) || asksForVcard(payload) || parseDiscoInfo(payload) !== undefined)

/** What is said of ourselves. */
export interface AboutUs {
  /** Whom to write to about our domains. @see XEP-0157 */
  readonly contacts?: Readonly<Record<string, readonly string[]>>
  /** Where everybody may know. @see XEP-0092 */
  readonly software?: SoftwareVersion | undefined
}

/**
 * The answer on behalf of a served domain and its users; every `get` and `set` has one. Undefined: this iq is an answer itself.
 * A user's is the same whether there is such a user or not. @see RFC 6120 §8.2.3, §8.4
 */
export function replyToIq(iq: IqStanza, us: AboutUs = {}): Stanza | undefined {
  if (iq.type === 'result' || iq.type === 'error') return undefined
  const { payload } = iq
  if (iq.type === 'get' && payload !== undefined) {
    const answer = iq.to.local === undefined ? ofDomain(iq, payload, us) : ofUser(iq, payload)
    if (answer !== undefined) return answer
  }
  return errorReply(iq, { condition: 'service-unavailable' })
}

function ofDomain(iq: IqStanza, payload: XmlElement, { contacts = {}, software }: AboutUs): Stanza | undefined {
  if (isPing(payload)) return iqResult(iq)
  if (asksForVcard(payload)) return iqResult(iq, vcardElement({ FN: iq.to.domain, DESC: 'A gateway to SIP' }))
  if (software !== undefined && asksForVersion(payload)) return iqResult(iq, versionElement(software))
  const info = parseDiscoInfo(payload)
  const items = parseDiscoItems(payload)
  // @see XEP-0030 §7
  if ((info ?? items)?.node !== undefined) return errorReply(iq, { condition: 'item-not-found' })
  const form = info === undefined ? undefined : serverInfoForm(contacts)
  const forms = form === undefined ? [] : [form]
  const features = software === undefined ? GATEWAY_INFO.features : [...GATEWAY_INFO.features, ns.NS_VERSION]
  if (info !== undefined) return iqResult(iq, discoInfoElement({ ...GATEWAY_INFO, features, forms }))
  return items && iqResult(iq, discoItemsElement({ items: [] }))
}

function ofUser(iq: IqStanza, payload: XmlElement): Stanza | undefined {
  const items = parseDiscoItems(payload)
  return items && items.node === undefined ? iqResult(iq, discoItemsElement({ items: [] })) : undefined
}
