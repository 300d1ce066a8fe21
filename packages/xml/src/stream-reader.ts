import type { Element } from 'ltx'
import type { XmlFailure } from './failure.ts'
import type { XmlLimits } from './limits.ts'

export type XmlEvent =
  /** The root's start tag: name and attributes (with `xmlns`), no children. */
  | { readonly kind: 'stream-start'; readonly element: Element }
  /** A complete first-level child, self-contained: every prefix it uses, and its default namespace, is declared on it. */
  | { readonly kind: 'element'; readonly element: Element; readonly bytes: number }
  | { readonly kind: 'stream-end' }
  /** The last event ever. */
  | { readonly kind: 'failure'; readonly failure: XmlFailure }

export declare class XmlStreamReader {
  constructor(limits: XmlLimits)
  /** Events in order, whatever the chunks. After a failure or the stream's end nothing more comes. */
  push(bytes: Uint8Array): readonly XmlEvent[]
  setLimits(limits: XmlLimits): void
  /** Bytes of an unfinished element or token. Not zero behind `<proceed/>` means injected plain text. */
  get pendingBytes(): number
}
