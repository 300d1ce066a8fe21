import { childOf, childrenOf, el, isElement, serializeXml, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import {
  NS_BIDI_FEATURE,
  NS_DIALBACK_FEATURE,
  NS_SASL,
  NS_STREAMS,
  NS_STREAM_MANAGEMENT,
  NS_TLS,
} from '../namespaces.ts'
import type { AdvertisedLimits } from './limits.ts'
import { limitsElement, limitsIn } from './limits.ts'

/** What a receiving server offers. @see RFC 6120 §4.3.2 */
export interface StreamFeatures {
  readonly startTls: 'required' | 'optional' | undefined
  readonly mechanisms: readonly string[]
  /** @see XEP-0220 §2.4.1 */
  readonly dialback: { readonly errors: boolean } | undefined
  readonly limits: AdvertisedLimits | undefined
  /** @see XEP-0198 §2 */
  readonly streamManagement: boolean
  /** @see XEP-0288 §3 */
  readonly bidi: boolean
}

export const isFeatures = (element: XmlElement): boolean => isElement(element, 'features', NS_STREAMS)

export function parseFeatures(element: XmlElement): StreamFeatures {
  const startTls = childOf(element, 'starttls', NS_TLS)
  const mechanisms = childOf(element, 'mechanisms', NS_SASL)
  const dialback = childOf(element, 'dialback', NS_DIALBACK_FEATURE)
  const offered = mechanisms === undefined ? [] : childrenOf(mechanisms)
  const tlsWord =
    startTls !== undefined && childOf(startTls, 'required', NS_TLS) !== undefined ? 'required' : 'optional'
  return {
    startTls: startTls === undefined ? undefined : tlsWord,
    mechanisms: offered.filter((child) => isElement(child, 'mechanism', NS_SASL)).map((child) => textOf(child).trim()),
    dialback:
      dialback === undefined ? undefined : { errors: childOf(dialback, 'errors', NS_DIALBACK_FEATURE) !== undefined },
    limits: limitsIn(element),
    bidi: childOf(element, 'bidi', NS_BIDI_FEATURE) !== undefined,
    streamManagement: childOf(element, 'sm', NS_STREAM_MANAGEMENT) !== undefined,
  }
}

/** As it goes on the wire: `stream` is the prefix of the stream's own header. */
export function formatFeatures(features: StreamFeatures): string {
  const { startTls, mechanisms, dialback, limits, streamManagement, bidi } = features
  const children: XmlElement[] = []
  if (startTls !== undefined) {
    children.push(el('starttls', { xmlns: NS_TLS }, ...(startTls === 'required' ? [el('required')] : [])))
  }
  if (mechanisms.length > 0) {
    children.push(el('mechanisms', { xmlns: NS_SASL }, ...mechanisms.map((name) => el('mechanism', {}, name))))
  }
  if (dialback !== undefined) {
    children.push(el('dialback', { xmlns: NS_DIALBACK_FEATURE }, ...(dialback.errors ? [el('errors')] : [])))
  }
  if (bidi) children.push(el('bidi', { xmlns: NS_BIDI_FEATURE }))
  if (limits !== undefined) children.push(limitsElement(limits))
  if (streamManagement) children.push(el('sm', { xmlns: NS_STREAM_MANAGEMENT }))
  return serializeXml(el('stream:features', {}, ...children))
}
