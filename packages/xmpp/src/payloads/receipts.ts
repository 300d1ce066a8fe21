import { attrOf, childOf, el } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_RECEIPTS } from '../namespaces.ts'

/** @see XEP-0184 */
export const receiptRequestElement = (): XmlElement => el('request', { xmlns: NS_RECEIPTS })
export const receiptReceivedElement = (id: string): XmlElement => el('received', { xmlns: NS_RECEIPTS, id })

export const asksForReceipt = (stanza: XmlElement): boolean => childOf(stanza, 'request', NS_RECEIPTS) !== undefined

/** The id of the message that was received; undefined when there is no receipt, or one for nothing. */
export function parseReceipt(stanza: XmlElement): string | undefined {
  const received = childOf(stanza, 'received', NS_RECEIPTS)
  return received === undefined ? undefined : attrOf(received, 'id') || undefined
}
