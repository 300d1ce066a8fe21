import type { Method } from '@stox/federation'
import type { AdvertisedLimits, StreamFeatures } from '@stox/xmpp'
import type { Proof } from './proven-peer.ts'
import type { FailureReason } from './failure-reasons.ts'
import type { CertificateVerdict, StreamRules } from './rules.ts'
import { certificateFailure } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'

/** The only mechanism between servers. @see RFC 6120 §13.8.4, XEP-0178 §3 */
export const EXTERNAL = 'EXTERNAL'

/** Why there is nothing to try under these rules; undefined: there is something. */
export const whyNoMethod = (rules: StreamRules): string | undefined =>
  rules.methods.length > 0 ? undefined : 'the partner record allows no method'

export const allowsExternal = (rules: StreamRules): boolean => rules.methods.includes('sasl-external-over-tls')

/** May a peer use dialback on a stream like this one? What proves itself in the clear may do so encrypted too. */
export const allowsDialback = (rules: StreamRules, encrypted: boolean): boolean =>
  (encrypted && rules.methods.includes('dialback-over-tls')) || rules.methods.includes('dialback-over-tcp')

const METHOD_OF: Readonly<Record<Proof, Method>> = {
  'sasl-external': 'sasl-external-over-tls',
  'dialback-over-tls': 'dialback-over-tls',
  'dialback-over-tcp': 'dialback-over-tcp',
}

/** Do these rules still take what was proven before they were made? */
export const allowsProof = (rules: StreamRules, proof: Proof): boolean =>
  rules.methods.includes(METHOD_OF[proof]) || (proof === 'dialback-over-tls' && allowsDialback(rules, true))

/** What we offer on an inbound stream. `rules` are undefined when its header did not say who comes. @see mapping F.3 */
export function featuresFor(
  rules: StreamRules | undefined,
  encrypted: boolean,
  canEncrypt: boolean,
  isCertified: boolean,
): StreamFeatures {
  const tls = rules?.tls ?? 'optional'
  const dialback = rules === undefined || allowsDialback(rules, encrypted) ? { errors: true } : undefined
  return {
    startTls: encrypted || !canEncrypt || tls === 'notSupported' ? undefined : tls,
    // Never in the clear, and only to whom it will prove. @see XEP-0178 §3
    mechanisms: encrypted && isCertified && rules !== undefined && allowsExternal(rules) ? [EXTERNAL] : [],
    dialback,
    limits: undefined,
    // For after dialback, which has no features of its own. @see XEP-0198 §2
    streamManagement: dialback !== undefined,
    // What we would say to the peer is not for others to read. @see XEP-0288 §3
    bidi: encrypted,
  }
}

/** What we take of a peer that has proven itself, wherever it sends to us. @see XEP-0478 §3 */
export const limitsOf = ({ maxStanzaBytes }: StreamRules, idleMs: number): AdvertisedLimits => ({
  maxBytes: maxStanzaBytes,
  idleSeconds: Math.max(1, Math.floor(idleMs / 1000)),
})

/** What speaks for SASL EXTERNAL on an outbound stream, and what against it. */
export interface ExternalChance {
  /** Of the peer's certificate, for the domain that we wanted. */
  readonly certificate: CertificateVerdict
  /** Do we hold a certificate for our domain? */
  readonly holdsCertificate: boolean
  /** The peer has refused it on this stream, and is not asked twice. @see mapping F.2 */
  readonly isRefused: boolean
}

export type NextStep =
  | { readonly kind: 'starttls' }
  | { readonly kind: 'external' }
  | { readonly kind: 'dialback' }
  | { readonly kind: 'nothing'; readonly failure: StreamFailure }

const nothing = (detail: string, reason?: FailureReason): NextStep => ({
  kind: 'nothing',
  failure: { kind: 'no-method', ...(reason === undefined ? {} : { reason }), detail },
})

/** What we do next on an outbound stream. `features` are undefined on a stream from before 1.0. @see mapping F.2 */
export function chooseNext(
  rules: StreamRules,
  features: StreamFeatures | undefined,
  encrypted: boolean,
  external: ExternalChance,
): NextStep {
  const none = whyNoMethod(rules)
  if (none !== undefined) return nothing(none)
  return encrypted ? chooseEncrypted(rules, features, external) : choosePlain(rules, features)
}

function choosePlain(rules: StreamRules, features: StreamFeatures | undefined): NextStep {
  if (features !== undefined && rules.tls !== 'notSupported') {
    // Not offered is no reason not to try where we need it: the offer may have been stripped. @see RFC 7590 §3.1
    // DEVIATION: where TLS is optional and plain dialback allowed, a missing offer is taken as said.
    if (features.startTls !== undefined || rules.tls === 'required') return { kind: 'starttls' }
  }
  if (rules.tls === 'required') {
    return nothing('TLS is required and the peer speaks no XMPP 1.0', 'tls-required')
  }
  if (features?.startTls === 'required') {
    return nothing('the peer requires TLS and the partner record says it is not supported')
  }
  // The offer of dialback is advisory: old servers do it without saying so.
  if (allowsDialback(rules, false)) return { kind: 'dialback' }
  return nothing('the partner record allows no authentication without TLS, and the peer offers no TLS')
}

/** A certificate that proves nothing leaves dialback, and without dialback it ends the stream. @see mapping F.2, F.4 */
function chooseEncrypted(
  rules: StreamRules,
  features: StreamFeatures | undefined,
  { certificate, holdsCertificate, isRefused }: ExternalChance,
): NextStep {
  const hasDialback = allowsDialback(rules, true)
  if (!certificate.ok && !hasDialback) return { kind: 'nothing', failure: certificateFailure(certificate) }
  const isOffered = features?.mechanisms.includes(EXTERNAL) ?? false
  const canBeTried = allowsExternal(rules) && holdsCertificate && isOffered && !isRefused
  if (certificate.ok && canBeTried) return { kind: 'external' }
  if (hasDialback) return { kind: 'dialback' }
  if (!holdsCertificate)
    return nothing('SASL EXTERNAL is required, and we hold no certificate for our domain', 'no-own-certificate')
  return nothing('SASL EXTERNAL is required, and the peer does not offer it: it may not accept our certificate')
}
