import { attrOf, childOf, el } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_IDLE } from '../namespaces.ts'
import { parseDateTime } from './delay.ts'

/** Since when a user has not touched his client. @see XEP-0319 §3 */
export const idleElement = (sinceMs: number): XmlElement =>
  el('idle', { xmlns: NS_IDLE, since: new Date(sinceMs).toISOString() })

/** Undefined when a presence does not say, or not so that it can be read. */
export const parseIdle = (presence: XmlElement): number | undefined =>
  parseDateTime(attrOf(childOf(presence, 'idle', NS_IDLE) ?? presence, 'since'))
