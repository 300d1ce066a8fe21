import type { XmlFailure } from '@stox/xml'
import type { StreamCondition } from '@stox/xmpp'

/** Stable names for what is refused: labels in the metrics. */
export type RefusalKind =
  | 'malformed-xml'
  | 'restricted-xml'
  | 'stanza-too-big'
  | 'invalid-xml'
  | 'invalid-namespace'
  | 'unsupported-version'
  | 'unsupported-stanza-type'
  | 'improper-addressing'
  | 'malformed-stanza'
  | 'host-unknown'
  | 'invalid-from'
  | 'own-domain'
  | 'not-authorized'
  | 'wrong-direction'
  | 'unknown-partner'
  | 'no-method'
  | 'certificate'
  | 'sasl-refused'
  | 'tls-required'
  | 'tls-failed'
  | 'plaintext-injection'
  | 'dialback-invalid'
  | 'dialback-unsolicited'
  | 'dialback-refused'
  | 'establishment-timeout'
  | 'connection-limit'
  | 'penalty'
  | 'stream-management'
  | 'too-much-unproven'

/** What the reader could not take. */
export function refusalOfXml(failure: XmlFailure): RefusalKind {
  switch (failure.condition) {
    case 'restricted-xml':
      return 'restricted-xml'
    case 'policy-violation':
      return 'stanza-too-big'
    default:
      return 'malformed-xml'
  }
}

/** What is wrong with a header or an address. */
export function refusalOfCondition(condition: StreamCondition): RefusalKind {
  switch (condition) {
    case 'improper-addressing':
    case 'invalid-namespace':
    case 'unsupported-stanza-type':
    case 'unsupported-version':
    case 'host-unknown':
    case 'invalid-from':
      return condition
    case 'not-well-formed':
    case 'bad-namespace-prefix':
    case 'unsupported-encoding':
      return 'malformed-xml'
    default:
      return 'invalid-xml'
  }
}
