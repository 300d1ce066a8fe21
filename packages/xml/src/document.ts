import type { Element } from 'ltx'
import type { Result } from '@stox/kernel'
import type { XmlFailure } from './failure.ts'
import type { XmlLimits } from './limits.ts'

export declare function parseXmlDocument(
  text: string | Uint8Array,
  limits?: Partial<XmlLimits>,
): Result<Element, XmlFailure>
