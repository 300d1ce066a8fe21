import { el, localNameOf, namespaceOf, serializeXml } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_TLS } from '../namespaces.ts'

/** @see RFC 6120 §5.4.2 */
export type StartTls = 'starttls' | 'proceed' | 'failure'

export function parseStartTls(element: XmlElement): StartTls | undefined {
  if (namespaceOf(element) !== NS_TLS) return undefined
  const name = localNameOf(element)
  return name === 'starttls' || name === 'proceed' || name === 'failure' ? name : undefined
}

export const formatStartTls = (step: StartTls): string => serializeXml(el(step, { xmlns: NS_TLS }))
