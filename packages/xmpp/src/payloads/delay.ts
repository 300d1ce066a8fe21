import { attrOf, childOf, el, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { formatJid } from '../jid.ts'
import type { Jid } from '../jid.ts'
import { NS_DELAY } from '../namespaces.ts'

/** @see XEP-0082 §3.2 */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** In milliseconds; undefined for what is none. @see XEP-0082 §3.2 */
export function parseDateTime(text: string | undefined): number | undefined {
  if (text === undefined || !DATE_TIME.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

/** @see XEP-0203 */
export interface Delay {
  readonly from: string | undefined
  readonly stampMs: number
  readonly reason: string | undefined
}

export function delayElement(delay: {
  readonly from?: Jid | undefined
  readonly stampMs: number
  readonly reason?: string | undefined
}): XmlElement {
  const from = delay.from === undefined ? undefined : formatJid(delay.from)
  const stamp = new Date(delay.stampMs).toISOString()
  return el('delay', { xmlns: NS_DELAY, from, stamp }, ...(delay.reason === undefined ? [] : [delay.reason]))
}

/** Of a stanza's `<delay/>` child; undefined when there is none that can be read. */
export function parseDelay(stanza: XmlElement): Delay | undefined {
  const delay = childOf(stanza, 'delay', NS_DELAY)
  const stampMs = delay === undefined ? undefined : parseDateTime(attrOf(delay, 'stamp'))
  if (delay === undefined || stampMs === undefined) return undefined
  return { from: attrOf(delay, 'from'), stampMs, reason: textOf(delay).trim() || undefined }
}
