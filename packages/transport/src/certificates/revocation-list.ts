import { constants, verify } from 'node:crypto'
import type { Result } from '@stox/kernel'
import { RecentMap, fail, latin1Text, ok } from '@stox/kernel'
import type { CertificateFailure } from './certificate-failure.ts'
import { shown, timeText } from './certificate-failure.ts'
import type { Certificate } from './certificate.ts'
import { signatureOf } from './certificate.ts'
import type { DerValue } from './der.ts'
import { DER, contextTag, derAt, derBoolean, derSequence, derTimeMs, derValues, oidOf } from './der.ts'

/** What an authority has taken back, as it says itself. @see RFC 5280 §5 */
export interface RevocationList {
  /** Distinguished name, encoded, one character an octet. */
  readonly issuer: string
  readonly thisUpdateMs: number
  /** Undefined: it does not say when the next is due. */
  readonly nextUpdateMs: number | undefined
  /** Encoded, one character an octet. */
  readonly serials: ReadonlySet<string>
  /** Whether it was this authority that signed it. */
  isSignedBy(issuer: Certificate): boolean
}

/** Some hundred thousand certificates: beyond it reading would hold up everything else. */
export const MAX_LIST_BYTES = 4_194_304

/** Signed by keys of one name: an authority that has changed its own. */
const MOST_ISSUERS = 16

/** By the name in `signatureOf`; null: the key says it. */
const HASHES: Readonly<Record<string, string | null>> = {
  'RSA with SHA-256': 'sha256',
  'RSA with SHA-384': 'sha384',
  'RSA with SHA-512': 'sha512',
  'RSA-PSS with SHA-256': 'sha256',
  'RSA-PSS with SHA-384': 'sha384',
  'RSA-PSS with SHA-512': 'sha512',
  'ECDSA with SHA-256': 'sha256',
  'ECDSA with SHA-384': 'sha384',
  'ECDSA with SHA-512': 'sha512',
  Ed25519: null,
  Ed448: null,
}

const ISSUING_DISTRIBUTION_POINT = '2.5.29.28'
const INDIRECT = contextTag(4, 'primitive')

const unusable = (problem: string): Result<never, string> => fail(problem)

/** From DER; in words why it cannot be used. Never throws, whatever the bytes. @see RFC 5280 §5.1 */
export function readRevocationList(der: Uint8Array): Result<RevocationList, string> {
  if (der.length > MAX_LIST_BYTES) return unusable(`${der.length} bytes, more than the ${MAX_LIST_BYTES} that are read`)
  const [tbs, algorithm, bits, ...more] = derSequence(der) ?? []
  const isList = tbs?.tag === DER.sequence && algorithm?.tag === DER.sequence && bits?.tag === DER.bitString
  if (!isList || bits.content[0] !== 0 || more.length > 0) return unusable('not a revocation list')

  const fields = [...(derValues(tbs.content, 7) ?? [])]
  if (fields[0]?.tag === DER.integer) fields.shift() // of a version that says nothing: extensions are there or not
  const [inner, issuer, thisUpdate, ...optional] = fields
  const thisUpdateMs = thisUpdate && derTimeMs(thisUpdate)
  if (inner === undefined || issuer?.tag !== DER.sequence || thisUpdateMs === undefined)
    return unusable('not a revocation list')
  if (Buffer.compare(inner.whole, algorithm.whole) !== 0) return unusable('two signature algorithms')
  const signature = signatureOf(inner) ?? 'unknown'
  const hash = HASHES[signature]
  if (hash === undefined) return unusable(`signed by a method too weak or unknown (${signature})`)

  const nextUpdateMs = optional[0] && derTimeMs(optional[0])
  if (nextUpdateMs !== undefined) optional.shift()
  const entries = optional[0]?.tag === DER.sequence ? optional.shift() : undefined
  const extensions = optional[0]?.tag === contextTag(0, 'constructed') ? optional.shift() : undefined
  if (optional.length > 0) return unusable('fields out of order')
  const serials = entries === undefined ? new Set<string>() : serialsIn(entries.content)
  if (serials === undefined)
    return unusable('an entry that cannot be read, or makes a condition that is not understood')
  const unknown = extensions === undefined ? undefined : unknownIn(derSequence(extensions.content))
  if (unknown !== undefined) return unusable(`a condition that is not understood here (${unknown})`)

  const padding = signature.startsWith('RSA-PSS') ? constants.RSA_PKCS1_PSS_PADDING : undefined
  const judged = new RecentMap<string, boolean>(MOST_ISSUERS)
  return ok({
    issuer: latin1Text(issuer.content),
    thisUpdateMs,
    nextUpdateMs,
    serials,
    isSignedBy({ keyInfo, x509 }) {
      const id = latin1Text(keyInfo)
      const known = judged.get(id)
      if (known !== undefined) return known
      let isRight = false
      try {
        const key = padding === undefined ? x509.publicKey : { key: x509.publicKey, padding }
        isRight = verify(hash, tbs.whole, key, bits.content.subarray(1))
      } catch {
        // a key of another kind
      }
      judged.set(id, isRight)
      return isRight
    },
  })
}

/** Undefined where one has a condition: an entry that is another issuer's would be taken for this one's. */
function serialsIn(entries: Uint8Array): Set<string> | undefined {
  const serials = new Set<string>()
  for (let at = 0; at < entries.length;) {
    const entry = derAt(entries, at)
    const [serial, date, extensions, ...more] = entry?.tag === DER.sequence ? (derValues(entry.content, 3) ?? []) : []
    if (entry === undefined || serial?.tag !== DER.integer || date === undefined || more.length > 0) return undefined
    if (extensions !== undefined && unknownIn(derValues(extensions.content)) !== undefined) return undefined
    serials.add(latin1Text(serial.content))
    at += entry.whole.length
  }
  return serials
}

/**
 * The first critical extension that is not understood. A list for a part of what was issued is as good as a whole one
 * to whoever never takes a certificate for good because it is not on it; one that speaks for other issuers is not.
 * @see RFC 5280 §5.2, §5.2.5, §5.3
 */
function unknownIn(extensions: readonly DerValue[] | undefined): string | undefined {
  if (extensions === undefined) return 'unreadable'
  for (const extension of extensions) {
    const parts = derValues(extension.content, 3) ?? []
    const oid = oidOf(parts[0])
    if (oid === undefined) return 'unreadable'
    const isCritical = parts.length === 3 && derBoolean(parts[1]!) !== false
    if (isCritical && (oid !== ISSUING_DISTRIBUTION_POINT || isIndirect(parts[2]!))) return oid
  }
  return undefined
}

const isIndirect = (value: DerValue): boolean => derSequence(value.content)?.some(({ tag }) => tag === INDIRECT) ?? true

/** Found by who issued them. */
export class RevocationLists {
  readonly #byIssuer = new Map<string, RevocationList[]>()

  constructor(lists: readonly RevocationList[]) {
    for (const list of lists) {
      const others = this.#byIssuer.get(list.issuer)
      if (others === undefined) this.#byIssuer.set(list.issuer, [list])
      else others.push(list)
    }
  }

  /** The list of this very issuer that has it. One that is overdue counts too: what was revoked stays revoked. */
  listWith({ serial }: Certificate, issuer: Certificate): RevocationList | undefined {
    const lists = this.#byIssuer.get(issuer.subject)
    if (lists === undefined || issuer.keyUsage?.crlSign === false) return undefined
    return lists.find((list) => list.serials.has(serial) && list.isSignedBy(issuer))
  }
}

export const NO_LISTS = new RevocationLists([])

/** @see RFC 5280 §6.3.3 */
export function revokedOn(
  lists: RevocationLists,
  certificate: Certificate,
  issuer: Certificate,
): CertificateFailure | undefined {
  const list = lists.listWith(certificate, issuer)
  if (list === undefined) return undefined
  const [whose, by] = [certificate, issuer].map(({ x509 }) => `“${shown(x509.subject)}”`)
  return {
    kind: 'revoked',
    text: `The certificate of ${whose} has been revoked by ${by}; it must be replaced, and its key with it.`,
    detail: `serial ${certificate.x509.serialNumber} on the list of ${timeText(list.thisUpdateMs)}`,
  }
}
