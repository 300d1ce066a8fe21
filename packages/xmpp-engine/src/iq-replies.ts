import type { IqStanza, Stanza } from '@stox/xmpp'
import {
  discoInfoElement,
  discoItemsElement,
  errorReply,
  iqResult,
  isPing,
  ns,
  parseDiscoInfo,
  parseDiscoItems,
} from '@stox/xmpp'

/** What a query to one of our domains may find. @see XEP-0030 §3, mapping C.14 */
const GATEWAY_INFO = {
  identities: [
    { category: 'server', type: 'im', name: 'stox' },
    { category: 'gateway', type: 'simple', name: 'stox' },
  ],
  features: [ns.NS_DISCO_INFO, ns.NS_DISCO_ITEMS, ns.NS_PING, 'jid\\20escaping'],
}

/**
 * The answer on behalf of a served domain and its users; every `get` and `set` has one. Undefined: this iq is an answer itself.
 * A user, whether there is one or not, says no more than that there is no such service. @see RFC 6120 §8.2.3, §8.4
 */
export function replyToIq(iq: IqStanza): Stanza | undefined {
  if (iq.type === 'result' || iq.type === 'error') return undefined
  if (iq.type === 'get' && iq.payload !== undefined && iq.to.local === undefined) {
    if (isPing(iq.payload)) return iqResult(iq)
    const info = parseDiscoInfo(iq.payload)
    if (info !== undefined && info.node === undefined) return iqResult(iq, discoInfoElement(GATEWAY_INFO))
    const items = parseDiscoItems(iq.payload)
    if (items !== undefined && items.node === undefined) return iqResult(iq, discoItemsElement({ items: [] }))
  }
  return errorReply(iq, { condition: 'service-unavailable' })
}
