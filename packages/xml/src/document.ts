import type { Element } from 'ltx'
import { fail, isWellFormed, ok, utf8Bytes } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import type { XmlFailure } from './failure.ts'
import { DEFAULT_XML_LIMITS } from './limits.ts'
import type { XmlLimits } from './limits.ts'
import { XmlStreamReader } from './stream-reader.ts'

const refused = (detail: string): Result<Element, XmlFailure> => fail({ condition: 'not-well-formed', detail })

/**
 * One whole document (PIDF, imdn), as strict as a stream but for comments and instructions, which are passed over.
 * A DTD is refused. A BOM before it is allowed. Text must be UTF-8 where it declares an encoding.
 */
export function parseXmlDocument(text: string | Uint8Array, limits?: Partial<XmlLimits>): Result<Element, XmlFailure> {
  if (typeof text === 'string' && !isWellFormed(text)) return refused('a lone surrogate')
  const bytes = typeof text === 'string' ? utf8Bytes(text) : text
  const hasBom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  const reader = new XmlStreamReader({ ...DEFAULT_XML_LIMITS, ...limits }, 'document')
  let root: Element | undefined
  for (const event of reader.push(hasBom ? bytes.subarray(3) : bytes)) {
    if (event.kind === 'failure') return fail(event.failure)
    if (event.kind === 'element') root = event.element
  }
  if (root === undefined || reader.pendingBytes > 0) return refused('an unfinished document')
  return ok(root)
}
