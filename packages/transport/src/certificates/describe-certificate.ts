import { shown } from './certificate-failure.ts'
import type { Certificate } from './certificate.ts'
import { nameText } from './identity.ts'

/** A certificate for people: in a list of sessions, or of what expires. */
export interface CertificateDescription {
  /** A domain; `_xmpp-server.` before that of a SRVName, `xmpp:` before that of an id-on-xmppAddr. */
  readonly names: readonly string[]
  readonly subject: string
  readonly issuer: string
  /** Epoch. */
  readonly notBeforeMs: number
  /** Epoch. */
  readonly notAfterMs: number
  /** Hexadecimal, with colons. */
  readonly sha256: string
  /** Such as `RSA 2048` or `P-256`. */
  readonly key: string
  readonly signature: string
}

const MAX_NAMES = 100

export const describeCertificate = (certificate: Certificate): CertificateDescription => ({
  names: certificate.names.presented.slice(0, MAX_NAMES).map(nameText),
  subject: shown(certificate.x509.subject),
  issuer: shown(certificate.x509.issuer),
  notBeforeMs: certificate.notBeforeMs,
  notAfterMs: certificate.notAfterMs,
  sha256: certificate.x509.fingerprint256,
  key: [certificate.key.algorithm, certificate.key.bits].filter((part) => part !== undefined).join(' '),
  signature: certificate.signature,
})
