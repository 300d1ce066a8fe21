import type { KeyObject } from 'node:crypto'
import { constants, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** A certificate with whatever is wrong about it that a test asks for, made octet by octet. */
export interface ForgedCertificate {
  readonly der: Buffer
  /** PEM. */
  readonly cert: string
  /** PEM, PKCS #8. */
  readonly key: string
  readonly subject: Buffer
  readonly keys: ForgedKeys
  readonly serial: Buffer
}

export interface ForgedKeys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export type ForgedKeyKind = 'P-256' | 'secp256k1' | 'Ed25519' | 'RSA 1024' | 'RSA 2048' | 'DSA'

export interface ForgedName {
  readonly kind: 'dns' | 'srv' | 'xmpp-addr' | 'ip'
  readonly text: string
}

export interface ForgedExtension {
  readonly oid: string
  readonly isCritical?: boolean
  readonly value: Buffer
}

export interface ForgedOrder {
  /** CN. Left out: the first name; with neither, a subject without anything in it. */
  readonly subject?: string
  readonly names?: readonly ForgedName[]
  /** Left out: self-signed. */
  readonly issuer?: Pick<ForgedCertificate, 'subject' | 'keys'>
  /** The octets of it. Left out: a new one. */
  readonly serial?: Buffer
  /** Left out: new ones. */
  readonly keys?: ForgedKeys
  /** The hash of the signature; `sha256` when left out. Not for Ed25519. */
  readonly hash?: 'md5' | 'sha1' | 'sha256' | 'sha384'
  /** RSA-PSS, with an RSA key, and one of the SHAs. */
  readonly isPss?: boolean
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** Left out: no basicConstraints. */
  readonly authority?: { readonly isAuthority: boolean; readonly pathLength?: number }
  /** The first octet of the bits: 0x80 digitalSignature … 0x04 keyCertSign. */
  readonly keyUsage?: number
  /** OIDs. */
  readonly purposes?: readonly string[]
  readonly nameConstraints?: { readonly permitted?: readonly Buffer[]; readonly excluded?: readonly Buffer[] }
  readonly more?: readonly ForgedExtension[]
  readonly version?: 1 | 3
  /** The algorithm named outside, when it is to be another than the one inside. */
  readonly outerAlgorithm?: Buffer
}

/** A value of DER. */
export function derOf(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const octets = [length >> 16, (length >> 8) & 0xff, length & 0xff]
  while (octets[0] === 0) octets.shift()
  const header = length < 0x80 ? [length] : [0x80 | octets.length, ...octets]
  return Buffer.concat([Buffer.from([tag, ...header]), content])
}

/** A GeneralName: in a subject alternative name, or as the base of a name constraint. */
export function generalNameOf({ kind, text }: ForgedName): Buffer {
  if (kind === 'dns') return derOf(0x82, Buffer.from(text, 'latin1'))
  if (kind === 'ip') return derOf(0x87, Buffer.from(text.split('.').map(Number)))
  const [oid, tag] = kind === 'srv' ? (['1.3.6.1.5.5.7.8.7', 0x16] as const) : (['1.3.6.1.5.5.7.8.5', 0x0c] as const)
  return derOf(0xa0, oidDer(oid), derOf(0xa0, derOf(tag, Buffer.from(text, 'utf8'))))
}

/** A distinguished name of one CN. */
export const distinguishedName = (commonName: string): Buffer =>
  derOf(0x30, derOf(0x31, derOf(0x30, oidDer('2.5.4.3'), derOf(0x0c, Buffer.from(commonName)))))

export function newForgedKeys(kind: ForgedKeyKind = 'P-256'): ForgedKeys {
  if (kind === 'RSA 1024' || kind === 'RSA 2048')
    return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(4)) })
  if (kind === 'DSA') return generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })
  return kind === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: kind })
}

export function forgeCertificate(order: ForgedOrder): ForgedCertificate {
  const { names = [], keys = newForgedKeys(), version = 3, serial = newSerial() } = order
  const commonName = order.subject ?? names[0]?.text
  const subject = commonName === undefined ? derOf(0x30) : distinguishedName(commonName)
  const issuer = order.issuer ?? { subject, keys }
  const hash = issuer.keys.privateKey.asymmetricKeyType === 'ed25519' ? null : (order.hash ?? 'sha256')
  const algorithm = order.isPss === true ? pssAlgorithm(hash) : algorithmOf(issuer.keys.privateKey, hash)
  const extensions = extensionsOf(order)
  const body = derOf(
    0x30,
    ...(version === 3 ? [derOf(0xa0, derOf(0x02, Buffer.from([2])))] : []),
    derOf(0x02, serial),
    algorithm,
    issuer.subject,
    derOf(
      0x30,
      timeDer(order.notBeforeMs ?? Date.now() - 60_000),
      timeDer(order.notAfterMs ?? Date.now() + 86_400_000),
    ),
    subject,
    keys.publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [derOf(0xa3, derOf(0x30, ...extensions))] : []),
  )
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  const signer = { key: issuer.keys.privateKey, ...(order.isPss === true ? pss : {}) }
  const signature = derOf(0x03, Buffer.from([0]), sign(hash, body, signer))
  const der = derOf(0x30, body, order.outerAlgorithm ?? algorithm, signature)
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { der, cert: pemOf(der, 'CERTIFICATE'), key, subject, keys, serial }
}

const newSerial = (): Buffer => Buffer.concat([Buffer.from([0x4f]), randomBytes(12)])

export const pemOf = (der: Buffer, kind: string): string =>
  `-----BEGIN ${kind}-----\n${der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')}-----END ${kind}-----\n`

function extensionsOf(order: ForgedOrder): readonly Buffer[] {
  const { names = [], authority, keyUsage, purposes, nameConstraints, more = [] } = order
  const extensions: ForgedExtension[] = []
  if (authority !== undefined) {
    const { isAuthority, pathLength } = authority
    const parts = [
      ...(isAuthority ? [derOf(0x01, Buffer.from([0xff]))] : []),
      ...(pathLength === undefined ? [] : [derOf(0x02, Buffer.from([pathLength]))]),
    ]
    extensions.push({ oid: '2.5.29.19', isCritical: true, value: derOf(0x30, ...parts) })
  }
  if (keyUsage !== undefined)
    extensions.push({ oid: '2.5.29.15', isCritical: true, value: derOf(0x03, Buffer.from([0, keyUsage])) })
  if (purposes !== undefined) extensions.push({ oid: '2.5.29.37', value: derOf(0x30, ...purposes.map(oidDer)) })
  if (names.length > 0) extensions.push({ oid: '2.5.29.17', value: derOf(0x30, ...names.map(generalNameOf)) })
  if (nameConstraints !== undefined) {
    const { permitted = [], excluded = [] } = nameConstraints
    const trees = (tag: number, bases: readonly Buffer[]) =>
      bases.length === 0 ? [] : [derOf(tag, ...bases.map((base) => derOf(0x30, base)))]
    const value = derOf(0x30, ...trees(0xa0, permitted), ...trees(0xa1, excluded))
    extensions.push({ oid: '2.5.29.30', isCritical: true, value })
  }
  return [...extensions, ...more].map(({ oid, isCritical = false, value }) =>
    derOf(0x30, oidDer(oid), ...(isCritical ? [derOf(0x01, Buffer.from([0xff]))] : []), derOf(0x04, value)),
  )
}

export function algorithmOf(key: KeyObject, hash: string | null): Buffer {
  if (hash === null) return derOf(0x30, oidDer('1.3.101.112'))
  if (key.asymmetricKeyType === 'dsa') return derOf(0x30, oidDer('2.16.840.1.101.3.4.3.2'))
  if (key.asymmetricKeyType === 'ec')
    return derOf(0x30, oidDer(hash === 'sha1' ? '1.2.840.10045.4.1' : `1.2.840.10045.4.3.${hash === 'sha256' ? 2 : 3}`))
  const last = { md5: 4, sha1: 5, sha256: 11, sha384: 12 }[hash]
  return derOf(0x30, oidDer(`1.2.840.113549.1.1.${last}`), derOf(0x05))
}

/** @see RFC 4055 §3.1: what is not said is SHA-1 */
function pssAlgorithm(hash: string | null): Buffer {
  const hashAlgorithm = derOf(0x30, oidDer('2.16.840.1.101.3.4.2.1'))
  const parameters = [
    derOf(0xa0, hashAlgorithm),
    derOf(0xa1, derOf(0x30, oidDer('1.2.840.113549.1.1.8'), hashAlgorithm)),
    derOf(0xa2, derOf(0x02, Buffer.from([32]))),
  ]
  return derOf(0x30, oidDer('1.2.840.113549.1.1.10'), derOf(0x30, ...(hash === 'sha256' ? parameters : [])))
}

export function oidDer(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const octets = [first * 40 + second, ...rest].flatMap((arc) => {
    const base128 = [arc & 0x7f]
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128))
      base128.unshift(0x80 | (high & 0x7f))
    return base128
  })
  return derOf(0x06, Buffer.from(octets))
}

export function timeDer(epochMs: number): Buffer {
  const text = new Date(epochMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  const isShort = text >= '1950' && text < '2050'
  return derOf(isShort ? 0x17 : 0x18, Buffer.from(isShort ? text.slice(2) : text))
}
