import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { CertificateFailure, CertificateFailureKind } from './certificate-failure.ts'
import { shown, timeText } from './certificate-failure.ts'
import { breachOf } from './certificate-names.ts'
import type { Certificate } from './certificate.ts'
import { pinOf, readCertificate } from './certificate.ts'
import type { RevocationLists } from './revocation-list.ts'
import { NO_LISTS, revokedOn } from './revocation-list.ts'
import type { TrustAnchors } from './trust-store.ts'

/** What was proved, from the peer's certificate up to an anchor of ours. */
export interface CertificatePath {
  readonly certificates: readonly [Certificate, ...Certificate[]]
  /** When the first of them expires: what the path proved ends then. @see RFC 6120 §13.7.2.3 */
  readonly untilMs: number
}

type Path = CertificatePath['certificates']

/** What a stranger may make us do. */
const MAX_PRESENTED = 10
const MAX_PRESENTED_BYTES = 131_072
const MAX_PATH = 8
const MAX_SIGNATURES = 16
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192

const STRONG_KEYS = new Set(['P-256', 'P-384', 'P-521', 'Ed25519', 'Ed448'])
const STRONG_SIGNATURES = new Set([
  ...['RSA', 'RSA-PSS', 'ECDSA'].flatMap((kind) => ['256', '384', '512'].map((bits) => `${kind} with SHA-${bits}`)),
  'Ed25519',
  'Ed448',
])
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const SIP_DOMAIN = '1.3.6.1.5.5.7.3.20'
const ANY_PURPOSE = '2.5.29.37.0'

export type CertificateUse = 'xmpp' | 'sip'
/** COMPAT: what SIP servers really have is made for web servers. @see RFC 5924 §4, mapping G.9 */
const PURPOSES = {
  xmpp: [SERVER_AUTH, ANY_PURPOSE],
  sip: [SIP_DOMAIN, SERVER_AUTH, ANY_PURPOSE],
} as const satisfies Record<CertificateUse, readonly string[]>

/**
 * Whether the certificates that a peer presented, its own first, lead to an anchor of ours: as a server's, whichever
 * side opened the connection. OpenSSL's own verdict is of no use for a peer that connects to us: it asks for a
 * client's purpose, which authorities no longer give, and that error hides all others. What an issuer has revoked is
 * known from the lists that we hold, and not asked for. @see RFC 5280 §6.1
 */
export function checkPath(
  presented: readonly Uint8Array[],
  anchors: TrustAnchors,
  nowMs: number,
  use: CertificateUse = 'xmpp',
  revocations: RevocationLists = NO_LISTS,
): Result<CertificatePath, CertificateFailure> {
  const certificates = readPresented(presented)
  if (!certificates.ok) return certificates
  const rules = { nowMs, purposes: PURPOSES[use], revocations }
  return new PathSearch(certificates.value, anchors, rules).from(certificates.value[0])
}

/** What can be read, and has keys that may be worked with; the peer's own first. */
export function readPresented(presented: readonly Uint8Array[]): Result<Path, CertificateFailure> {
  const bytes = presented.reduce((sum, { length }) => sum + length, 0)
  if (presented.length > MAX_PRESENTED || bytes > MAX_PRESENTED_BYTES)
    return tooLong(`${presented.length} certificates, ${bytes} bytes`)
  const certificates: Certificate[] = []
  for (const [index, der] of presented.entries()) {
    const certificate = readCertificate(der)
    if (!certificate.ok) {
      const text = 'The peer presented a certificate that cannot be read; it must be replaced.'
      return failed('malformed', text, `certificate ${index + 1}: ${certificate.failure.detail}`)
    }
    const badKey = judgeKey(certificate.value) // before anything is verified with it
    if (badKey !== undefined) return fail(badKey)
    certificates.push(certificate.value)
  }
  const [leaf, ...others] = certificates
  if (leaf !== undefined) return ok([leaf, ...others])
  const text = 'The peer presented no certificate; it must be set up with one to be authenticated by it.'
  return failed('none-presented', text, 'none')
}

interface Rules {
  readonly nowMs: number
  readonly purposes: readonly string[]
  readonly revocations: RevocationLists
}

/**
 * Up from the peer's certificate, with every issuer that there could be: an authority may have one certificate that
 * has expired and another that has not. What is told when none will do is what came closest.
 */
class PathSearch {
  readonly #presented: readonly Certificate[]
  readonly #anchors: TrustAnchors
  readonly #rules: Rules
  #signatures = 0
  #failure: { readonly rank: number; readonly failure: CertificateFailure } | undefined

  constructor(presented: readonly Certificate[], anchors: TrustAnchors, rules: Rules) {
    this.#presented = presented
    this.#anchors = anchors
    this.#rules = rules
  }

  from(leaf: Certificate): Result<CertificatePath, CertificateFailure> {
    const path = this.#extend([leaf])
    if (path === undefined) return fail(this.#failure?.failure ?? unknownIssuer([leaf]))
    return ok({ certificates: path, untilMs: Math.min(...path.map(({ notAfterMs }) => notAfterMs)) })
  }

  #extend(path: Path): Path | undefined {
    const last = path.at(-1)!
    if (this.#anchors.has(last)) {
      const failure = judge(path, this.#rules)
      if (failure !== undefined) this.#note(3, failure)
      return failure === undefined ? path : undefined
    }
    if (path.length === MAX_PATH) {
      this.#note(2, tooLong(`a path of more than ${MAX_PATH} certificates`).failure)
      return undefined
    }
    let [named, signed] = [0, 0]
    for (const issuer of this.#issuersOf(last, path)) {
      named += 1
      const isSigned = this.#isSigned(last, issuer)
      if (isSigned === undefined) return undefined
      if (!isSigned) continue
      signed += 1
      const found = this.#extend([...path, issuer])
      if (found !== undefined) return found
    }
    if (signed === 0) this.#noteDeadEnd(path, last, named > 0)
    return undefined
  }

  #issuersOf(certificate: Certificate, path: Path): readonly Certificate[] {
    const { issuer } = certificate
    const sent = this.#presented.filter(({ subject, der }) => {
      return subject === issuer && !path.some((used) => Buffer.compare(used.der, der) === 0)
    })
    return [...this.#anchors.named(issuer), ...sent]
  }

  /** Undefined: no more are made. */
  #isSigned(certificate: Certificate, issuer: Certificate): boolean | undefined {
    this.#signatures += 1
    if (this.#signatures > MAX_SIGNATURES) {
      this.#note(2, tooLong(`more than ${MAX_SIGNATURES} signatures to verify`).failure)
      return undefined
    }
    try {
      return certificate.x509.verify(issuer.x509.publicKey)
    } catch {
      return false // a key of a kind that OpenSSL does not know
    }
  }

  #noteDeadEnd(path: Path, last: Certificate, hadNamesakes: boolean): void {
    const isSelfSigned = last.subject === last.issuer && this.#isSigned(last, last) === true
    if (isSelfSigned && path.length === 1) this.#note(1, selfSigned(last))
    else if (hadNamesakes && !isSelfSigned) this.#note(1, badSignature(last))
    else this.#note(1, unknownIssuer(path))
  }

  #note(rank: number, failure: CertificateFailure): void {
    if (this.#failure === undefined || rank > this.#failure.rank) this.#failure = { rank, failure }
  }
}

/** The rules for a path whose signatures are right. */
function judge(path: Path, { nowMs, purposes, revocations }: Rules): CertificateFailure | undefined {
  for (const [index, certificate] of path.entries()) {
    const failure =
      judgeOne(certificate, index === path.length - 1, nowMs, purposes) ??
      (index === 0 ? judgeLeaf(certificate) : judgeAuthority(certificate, path.slice(0, index)))
    if (failure !== undefined) return failure
  }
  for (const [index, issuer] of path.slice(1).entries()) {
    const failure = revokedOn(revocations, path[index]!, issuer)
    if (failure !== undefined) return failure
  }
  return undefined
}

/** The rules for one that needs no path. */
export const judgeAlone = (leaf: Certificate, nowMs: number): CertificateFailure | undefined =>
  judgeOne(leaf, true, nowMs, PURPOSES.xmpp) ?? judgeLeaf(leaf)

function judgeOne(
  certificate: Certificate,
  isAnchor: boolean,
  nowMs: number,
  purposes: readonly string[],
): CertificateFailure | undefined {
  const { signature, notBeforeMs, notAfterMs, unknownCritical, extendedKeyUsage } = certificate
  if (nowMs > notAfterMs) {
    const text = `The certificate of ${nameOf(certificate)} expired on ${timeText(notAfterMs)}; it must be renewed.`
    return { kind: 'expired', text, detail: `notAfter ${timeText(notAfterMs)}` }
  }
  if (nowMs < notBeforeMs) {
    const text = `The certificate of ${nameOf(certificate)} is not valid before ${timeText(notBeforeMs)}; look at the clocks of both sides.`
    return { kind: 'not-yet-valid', text, detail: `notBefore ${timeText(notBeforeMs)}` }
  }
  const badKey = judgeKey(certificate)
  if (badKey !== undefined) return badKey
  // Nobody relies on the signature of an anchor.
  if (!isAnchor && !STRONG_SIGNATURES.has(signature)) {
    const text = `The certificate of ${nameOf(certificate)} is signed by a method too weak or unknown; it must be issued anew, with SHA-256.`
    return { kind: 'weak', text, detail: `signature ${signature}` }
  }
  if (unknownCritical.length > 0) {
    const text = `The certificate of ${nameOf(certificate)} has a condition that is not understood here; it must be issued without.`
    return { kind: 'unsupported', text, detail: `critical extensions ${unknownCritical.join(', ')}` }
  }
  if (extendedKeyUsage !== undefined && !purposes.some((oid) => extendedKeyUsage.includes(oid))) {
    const text = `The certificate of ${nameOf(certificate)} is not for servers; it must be issued with the purpose serverAuth.`
    return { kind: 'wrong-purpose', text, detail: `purposes ${extendedKeyUsage.join(', ')}` }
  }
  return undefined
}

function judgeKey(certificate: Certificate): CertificateFailure | undefined {
  const { algorithm, bits } = certificate.key
  if (bits !== undefined && bits > MAX_RSA_BITS) return tooLong(`an RSA key of ${bits} bits`).failure
  if (bits === undefined ? STRONG_KEYS.has(algorithm) : bits >= MIN_RSA_BITS) return undefined
  const text = `The key of ${nameOf(certificate)} is too weak or of an unknown kind; it needs RSA with ${MIN_RSA_BITS} bits or more, or P-256.`
  return { kind: 'weak', text, detail: `key ${algorithm}${bits === undefined ? '' : ` of ${bits} bits`}` }
}

function judgeLeaf(certificate: Certificate): CertificateFailure | undefined {
  if (certificate.keyUsage?.tls !== false) return undefined
  const text = `The certificate of ${nameOf(certificate)} is not for TLS; it must be issued with the key usage digitalSignature.`
  return { kind: 'wrong-purpose', text, detail: 'keyUsage has no bit of TLS' }
}

/** @see RFC 5280 §6.1.4 */
function judgeAuthority(authority: Certificate, below: readonly Certificate[]): CertificateFailure | undefined {
  const { basicConstraints, keyUsage, nameConstraints } = authority
  const issued = below.at(-1)!
  const bad = (detail: string): CertificateFailure => {
    const text = `${nameOf(authority)} may not issue the certificate of ${nameOf(issued)}; it must come from a proper authority.`
    return { kind: 'bad-ca', text, detail }
  }
  if (basicConstraints?.isAuthority !== true) return bad('not a CA')
  if (keyUsage?.keyCertSign === false) return bad('keyUsage without keyCertSign')
  const authoritiesBelow = below.slice(1).filter(({ subject, issuer }) => subject !== issuer).length
  if (authoritiesBelow > (basicConstraints.pathLength ?? MAX_PATH))
    return bad(`path length ${basicConstraints.pathLength}, and ${authoritiesBelow} authorities below`)
  for (const certificate of nameConstraints === undefined ? [] : below) {
    const breach = breachOf(nameConstraints!, certificate)
    if (breach !== undefined) return bad(`name constraints broken by ${shown(breach)}`)
  }
  // OpenSSL looks at key identifiers too.
  return issued.x509.checkIssued(authority.x509) ? undefined : bad('OpenSSL does not see it as the issuer')
}

/** The subject as OpenSSL writes it. */
export const nameOf = ({ x509 }: Certificate): string => `“${shown(x509.subject)}”`

const selfSigned = (certificate: Certificate): CertificateFailure => ({
  kind: 'self-signed',
  text: `The certificate of ${nameOf(certificate)} is signed by itself alone; the peer needs one of an authority that is trusted here, or this one must be pinned in the partner record.`,
  detail: `self-signed, not an anchor; its pin is ${pinOf(certificate)}`,
})

const badSignature = (certificate: Certificate): CertificateFailure => ({
  kind: 'bad-signature',
  text: `The certificate of ${nameOf(certificate)} is not signed by the authority that it names; the peer must present the chain that belongs to its certificate.`,
  detail: `no key of ${shown(certificate.x509.issuer)} verifies it`,
})

const unknownIssuer = (path: Path): CertificateFailure => {
  const last = path.at(-1)!
  const issuer = `“${shown(last.x509.issuer)}”`
  const isRoot = last.subject === last.issuer
  return {
    kind: 'unknown-issuer',
    text: isRoot
      ? `The authority ${issuer} is not trusted here; if it should be, it must be added to the trusted ones.`
      : `The issuer ${issuer} is not known here; the peer must send the certificates between its own and a trusted authority.`,
    detail: `a path of ${path.length}, no anchor above ${shown(last.x509.subject)}`,
  }
}

const failed = (
  kind: CertificateFailureKind,
  text: string,
  detail: string,
): { readonly ok: false; readonly failure: CertificateFailure } => fail({ kind, text, detail })

const tooLong = (detail: string): { readonly ok: false; readonly failure: CertificateFailure } =>
  failed(
    'too-long',
    'The peer presented more certificates, or larger ones, than are looked at; its chain must be made shorter.',
    detail,
  )
