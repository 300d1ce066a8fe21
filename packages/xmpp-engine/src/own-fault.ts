import type { RefusalKind } from './refusal.ts'
import type { StreamFailure } from './stream-failure.ts'

/** Of what we refuse with the end of a stream: that which a server in order does not do, whatever our rules are. */
const IS_FAULT: Readonly<Record<RefusalKind, boolean>> = {
  'malformed-xml': true,
  'restricted-xml': true,
  'stanza-too-big': true,
  'invalid-xml': true,
  'invalid-namespace': true,
  'unsupported-version': true,
  'unsupported-stanza-type': true,
  'improper-addressing': true,
  'malformed-stanza': true,
  'invalid-from': true,
  'own-domain': true,
  'not-authorized': true,
  'wrong-direction': true,
  // Whom we do not know, or with whom we have agreed on nothing, has done nothing wrong; nor who asks for a domain that we
  // do not serve, for his users may write to any: said at the header, it costs nothing.
  'host-unknown': false,
  'unknown-partner': false,
  'no-method': false,
  certificate: true,
  'sasl-refused': true,
  'tls-required': false,
  'tls-failed': false,
  'plaintext-injection': true,
  'dialback-invalid': true,
  'dialback-unsolicited': true,
  'dialback-refused': true,
  // The network may be slow, and the house full.
  'establishment-timeout': false,
  'connection-limit': false,
  penalty: false,
  'stream-management': true,
  'too-much-unproven': true,
}

/** Did the stream end by what the peer did, and no trouble of the network's, of our rules or of our own? */
export function isOwnFault(failure: StreamFailure): boolean {
  switch (failure.kind) {
    case 'protocol':
      return failure.refusal !== undefined && IS_FAULT[failure.refusal]
    case 'certificate':
    case 'dialback-invalid':
      return true
    default:
      return false
  }
}
