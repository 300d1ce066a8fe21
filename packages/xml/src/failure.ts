/** What is wrong with the bytes, in the words of stream errors. @see RFC 6120 §4.9.3 */
export type XmlCondition =
  | 'not-well-formed'
  | 'restricted-xml'
  | 'unsupported-encoding'
  | 'bad-namespace-prefix'
  | 'policy-violation'
  | 'invalid-xml'

export interface XmlFailure {
  readonly condition: XmlCondition
  /** For the log; holds no text of the peer beyond a name. */
  readonly detail: string
}
