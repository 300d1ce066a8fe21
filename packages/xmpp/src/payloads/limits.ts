import type { XmlElement } from '@stox/xml'
import { childOf, el, textOf } from '@stox/xml'
import { NS_STREAM_LIMITS } from '../namespaces.ts'

/** What a server takes; undefined: it does not say. @see XEP-0478 §3 */
export interface AdvertisedLimits {
  /** Of one stanza. */
  readonly maxBytes: number | undefined
  /** Silence after which it closes the stream. */
  readonly idleSeconds: number | undefined
}

/** Those that stand in the features of a stream, or in the wish for both directions. @see XEP-0478 §3.1, §3.2 */
export function limitsIn(parent: XmlElement): AdvertisedLimits | undefined {
  const limits = childOf(parent, 'limits', NS_STREAM_LIMITS)
  return limits && { maxBytes: countIn(limits, 'max-bytes'), idleSeconds: countIn(limits, 'idle-seconds') }
}

/** A limit of nothing would be no stream; what is no number says nothing. */
function countIn(limits: XmlElement, name: string): number | undefined {
  const child = childOf(limits, name, NS_STREAM_LIMITS)
  const text = child === undefined ? '' : textOf(child).trim()
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined
}

export function limitsElement({ maxBytes, idleSeconds }: AdvertisedLimits): XmlElement {
  const counts: XmlElement[] = []
  if (maxBytes !== undefined) counts.push(el('max-bytes', {}, String(maxBytes)))
  if (idleSeconds !== undefined) counts.push(el('idle-seconds', {}, String(idleSeconds)))
  return el('limits', { xmlns: NS_STREAM_LIMITS }, ...counts)
}
