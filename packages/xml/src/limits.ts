/** Bounds on what a peer may make us hold. A first-level element is measured in bytes as they came off the wire. */
export interface XmlLimits {
  /** The XML declaration and the root's start tag together. */
  readonly maxHeaderBytes: number
  /** One first-level element. Lower it before authentication, raise it after (`setLimits`). */
  readonly maxStanzaBytes: number
  /** Open elements, the root not counted. */
  readonly maxDepth: number
  /** Attributes of one element, namespace declarations among them. */
  readonly maxAttributes: number
  /** Characters of one element or attribute name. */
  readonly maxNameLength: number
  /** Elements in one first-level element. */
  readonly maxElements: number
}

export const DEFAULT_XML_LIMITS: XmlLimits = {
  maxHeaderBytes: 16_384,
  maxStanzaBytes: 262_144,
  maxDepth: 64,
  maxAttributes: 64,
  maxNameLength: 256,
  maxElements: 25_000,
}
