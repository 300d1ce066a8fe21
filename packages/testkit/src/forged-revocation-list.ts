import { sign } from 'node:crypto'
import type { ForgedCertificate, ForgedExtension } from './forged-certificate.ts'
import { algorithmOf, derOf, oidDer, pemOf, timeDer } from './forged-certificate.ts'

export interface ForgedListOrder {
  readonly issuer: Pick<ForgedCertificate, 'subject' | 'keys'>
  readonly revoked?: readonly Pick<ForgedCertificate, 'serial'>[]
  readonly thisUpdateMs?: number
  /** Null: it does not say. */
  readonly nextUpdateMs?: number | null
  /** The hash of the signature; `sha256` when left out. Not for Ed25519. */
  readonly hash?: 'sha1' | 'sha256' | 'sha384'
  /** Of the list, and of each of its entries. */
  readonly extensions?: readonly ForgedExtension[]
  readonly entryExtensions?: readonly ForgedExtension[]
}

/** A list of revoked certificates with whatever is wrong about it that a test asks for. @see RFC 5280 §5.1 */
export function forgeRevocationList(order: ForgedListOrder): { readonly der: Buffer; readonly pem: string } {
  const { issuer, revoked = [], thisUpdateMs = Date.now() - 60_000, nextUpdateMs = Date.now() + 86_400_000 } = order
  const { extensions = [], entryExtensions = [] } = order
  const { privateKey } = issuer.keys
  const hash = privateKey.asymmetricKeyType === 'ed25519' ? null : (order.hash ?? 'sha256')
  const algorithm = algorithmOf(privateKey, hash)
  const entries = revoked.map(({ serial }) =>
    derOf(
      0x30,
      derOf(0x02, serial),
      timeDer(thisUpdateMs),
      ...(entryExtensions.length === 0 ? [] : [extensionsDer(entryExtensions)]),
    ),
  )
  const body = derOf(
    0x30,
    derOf(0x02, Buffer.from([1])),
    algorithm,
    issuer.subject,
    timeDer(thisUpdateMs),
    ...(nextUpdateMs === null ? [] : [timeDer(nextUpdateMs)]),
    ...(entries.length === 0 ? [] : [derOf(0x30, ...entries)]),
    ...(extensions.length === 0 ? [] : [derOf(0xa0, extensionsDer(extensions))]),
  )
  const der = derOf(0x30, body, algorithm, derOf(0x03, Buffer.from([0]), sign(hash, body, privateKey)))
  return { der, pem: pemOf(der, 'X509 CRL') }
}

const extensionsDer = (extensions: readonly ForgedExtension[]): Buffer =>
  derOf(
    0x30,
    ...extensions.map(({ oid, isCritical = false, value }) =>
      derOf(0x30, oidDer(oid), ...(isCritical ? [derOf(0x01, Buffer.from([0xff]))] : []), derOf(0x04, value)),
    ),
  )
