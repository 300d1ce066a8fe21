import { el, isElement } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_VERSION } from '../namespaces.ts'

export interface SoftwareVersion {
  readonly name: string
  readonly version: string
}

export const asksForVersion = (payload: XmlElement): boolean => isElement(payload, 'query', NS_VERSION)

/** Nothing of the system that it runs on: that would help nobody but who looks for a way in. @see XEP-0092 §5 */
export const versionElement = ({ name, version }: SoftwareVersion): XmlElement =>
  el('query', { xmlns: NS_VERSION }, el('name', {}, name), el('version', {}, version))
