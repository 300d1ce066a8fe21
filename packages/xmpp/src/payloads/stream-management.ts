import { el, localNameOf, namespaceOf, serializeXml } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_STANZA_ERRORS, NS_STREAM_MANAGEMENT } from '../namespaces.ts'

/** Counts on the wire begin at nothing again here. @see XEP-0198 §4 */
export const SM_MODULUS = 2 ** 32

export type StreamManagement =
  /** Whether the stream may be resumed is not read: it may not. */
  | { readonly kind: 'enable' }
  | { readonly kind: 'enabled' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'request' }
  /** `h` is undefined where it is no count. */
  | { readonly kind: 'answer'; readonly h: number | undefined }

export const isStreamManagement = (element: XmlElement): boolean => namespaceOf(element) === NS_STREAM_MANAGEMENT

/** @see XEP-0198 §3, §4, §5 */
export function parseStreamManagement(element: XmlElement): StreamManagement | undefined {
  if (!isStreamManagement(element)) return undefined
  const name = localNameOf(element)
  switch (name) {
    case 'r':
      return { kind: 'request' }
    case 'a':
      return { kind: 'answer', h: countOf(element.attrs['h']) }
    case 'enable':
    case 'enabled':
    case 'resume':
    case 'resumed':
    case 'failed':
      return { kind: name }
    default:
      return undefined
  }
}

function countOf(text: unknown): number | undefined {
  const count = typeof text === 'string' && /^\d{1,10}$/.test(text) ? Number(text) : SM_MODULUS
  return count < SM_MODULUS ? count : undefined
}

const XMLNS = `xmlns='${NS_STREAM_MANAGEMENT}'`

export const SM_ENABLE = `<enable ${XMLNS}/>`
export const SM_ENABLED = `<enabled ${XMLNS}/>`
export const SM_REQUEST = `<r ${XMLNS}/>`

/** `handled` counts from when it began; the wire sees it modulo 2^32. */
export const formatSmAnswer = (handled: number): string => `<a ${XMLNS} h='${handled % SM_MODULUS}'/>`

/** @see XEP-0198 §3, §5 */
export const formatSmFailed = (condition: 'unexpected-request' | 'feature-not-implemented'): string =>
  serializeXml(el('failed', { xmlns: NS_STREAM_MANAGEMENT }, el(condition, { xmlns: NS_STANZA_ERRORS })))

/** What a stream error says about it. @see XEP-0198 §6 */
export const handledTooHighElement = (h: number, sent: number): XmlElement =>
  el('handled-count-too-high', { xmlns: NS_STREAM_MANAGEMENT, h: String(h), 'send-count': String(sent % SM_MODULUS) })
