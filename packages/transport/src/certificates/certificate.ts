import { X509Certificate, hash } from 'node:crypto'
import type { Result } from '@stox/kernel'
import { fail, latin1Text, ok } from '@stox/kernel'
import type { AlternativeNames, NameConstraints } from './certificate-names.ts'
import { readAlternativeNames, readNameConstraints } from './certificate-names.ts'
import type { DerValue } from './der.ts'
import {
  DER,
  contextTag,
  derBits,
  derBoolean,
  derCount,
  derSequence,
  derTimeMs,
  derValues,
  oidOf,
  onlyDer,
} from './der.ts'

/** What a certificate says, read from its own bytes: Node tells only part of it, and the names as one string. */
export interface Certificate {
  readonly der: Uint8Array
  /** The same certificate as OpenSSL reads it: for signatures. */
  readonly x509: X509Certificate
  /** Distinguished names, encoded, one character an octet: to be compared, not shown. */
  readonly subject: string
  readonly issuer: string
  /** As encoded, one character an octet. */
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly key: PublicKey
  /** The SubjectPublicKeyInfo as it stands in the certificate. */
  readonly keyInfo: Uint8Array
  /** Such as `RSA with SHA-256`; an unknown one by its OID. */
  readonly signature: string
  readonly names: AlternativeNames
  readonly basicConstraints: { readonly isAuthority: boolean; readonly pathLength: number | undefined } | undefined
  /** Undefined: for anything. */
  readonly keyUsage: { readonly keyCertSign: boolean; readonly crlSign: boolean; readonly tls: boolean } | undefined
  /** OIDs. Undefined: for anything. */
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly nameConstraints: NameConstraints | undefined
  /** OIDs of the critical extensions that are not understood here. */
  readonly unknownCritical: readonly string[]
}

export interface PublicKey {
  /** `RSA`, a curve, or the OID of something else. */
  readonly algorithm: string
  /** Of RSA only. */
  readonly bits?: number
}

export interface MalformedCertificate {
  readonly kind: 'malformed'
  readonly detail: string
}

/** As a partner record names a key. @see RFC 7469 §2.4 */
export const pinOf = ({ keyInfo }: Pick<Certificate, 'keyInfo'>): string => hash('sha256', keyInfo, 'base64')

/** A certificate has a few kilobytes, and some tens of them when its owner hosts many domains. */
const MAX_CERTIFICATE_BYTES = 65_536

const HASHES: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
}
const RSA_PSS = '1.2.840.113549.1.1.10'
const SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'RSA with MD5',
  '1.2.840.113549.1.1.5': 'RSA with SHA-1',
  '1.2.840.113549.1.1.11': 'RSA with SHA-256',
  '1.2.840.113549.1.1.12': 'RSA with SHA-384',
  '1.2.840.113549.1.1.13': 'RSA with SHA-512',
  '1.2.840.10045.4.1': 'ECDSA with SHA-1',
  '1.2.840.10045.4.3.2': 'ECDSA with SHA-256',
  '1.2.840.10045.4.3.3': 'ECDSA with SHA-384',
  '1.2.840.10045.4.3.4': 'ECDSA with SHA-512',
  '1.3.101.112': 'Ed25519',
  '1.3.101.113': 'Ed448',
}
const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
const RSA_KEYS: readonly (string | undefined)[] = ['1.2.840.113549.1.1.1', RSA_PSS]
const KEYS: Readonly<Record<string, string>> = {
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
  '1.3.101.112': 'Ed25519',
  '1.3.101.113': 'Ed448',
}

const EXTENSION = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
} as const
/** Policies bind nobody who asks for none, unless policyConstraints says so, which is not understood and critical. */
const UNDERSTOOD = new Set<string>(Object.values(EXTENSION))

/** The tags of issuerUniqueID, subjectUniqueID and extensions. */
const OPTIONAL_FIELDS: readonly number[] = [0x81, 0x82, 0xa3]
const NO_NAMES: AlternativeNames = { presented: [], sipDomains: [], forms: new Set() }

/** Never throws, whatever the bytes. @see RFC 5280 §4.1 */
export function readCertificate(der: Uint8Array): Result<Certificate, MalformedCertificate> {
  if (der.length > MAX_CERTIFICATE_BYTES) return malformed(`${der.length} bytes`)
  const read = readFields(der)
  if (!read.ok) return read
  const x509 = asOpenSslReadsIt(der)
  return x509 === undefined ? malformed('OpenSSL cannot read it') : ok({ der, x509, ...read.value })
}

const malformed = (detail: string): Result<never, MalformedCertificate> => fail({ kind: 'malformed', detail })

/**
 * `X509Certificate` looks for a PEM block in the bytes before it reads them as DER: a block inside a certificate would
 * make it another one than we have read.
 */
function asOpenSslReadsIt(der: Uint8Array): X509Certificate | undefined {
  try {
    const x509 = new X509Certificate(der)
    return x509.raw.equals(der) ? x509 : undefined
  } catch {
    return undefined
  }
}

type Fields = Omit<Certificate, 'der' | 'x509'>

function readFields(der: Uint8Array): Result<Fields, MalformedCertificate> {
  const [tbs, algorithm, bits, ...more] = derSequence(der) ?? []
  if (tbs === undefined || algorithm === undefined || bits?.tag !== DER.bitString || more.length > 0)
    return malformed('not a certificate')
  if (bits.content[0] !== 0) return malformed('a signature that does not end with an octet')

  const fields = tbs.tag === DER.sequence ? [...(derValues(tbs.content) ?? [])] : []
  const version = fields[0]?.tag === contextTag(0, 'constructed') ? versionOf(fields.shift()!) : 1
  const [serial, inner, issuer, validity, subject, keyInfo, ...optional] = fields
  if (version === undefined) return malformed('an unknown version')
  if (serial?.tag !== DER.integer || !isSequence(issuer) || !isSequence(subject)) return malformed('bad fields')
  // What is signed says how it is signed: the name outside is not protected.
  if (!isSequence(inner) || !sameBytes(inner.whole, algorithm.whole)) return malformed('two signature algorithms')
  const signature = signatureOf(inner)
  if (signature === undefined) return malformed('a bad signature algorithm')
  const [notBeforeMs, notAfterMs] = validityOf(validity)
  if (notBeforeMs === undefined || notAfterMs === undefined) return malformed('bad dates')
  const key = isSequence(keyInfo) ? keyOf(keyInfo) : undefined
  if (key === undefined) return malformed('a bad public key')
  const extensions = extensionsOf(optional, version)
  if (extensions === undefined) return malformed('bad extensions')
  return ok({
    subject: latin1Text(subject.content),
    issuer: latin1Text(issuer.content),
    serial: latin1Text(serial.content),
    notBeforeMs,
    notAfterMs,
    key,
    keyInfo: keyInfo!.whole,
    signature,
    ...extensions,
  })
}

const isSequence = (value: DerValue | undefined): value is DerValue => value?.tag === DER.sequence
const sameBytes = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

function versionOf(explicit: DerValue): 2 | 3 | undefined {
  const value = onlyDer(explicit.content, DER.integer)
  const version = value && derCount(value)
  return version === 1 ? 2 : version === 2 ? 3 : undefined
}

function validityOf(value: DerValue | undefined): readonly (number | undefined)[] {
  const times = isSequence(value) ? derValues(value.content, 2) : undefined
  return times?.length === 2 ? times.map(derTimeMs) : []
}

export function signatureOf(algorithm: DerValue): string | undefined {
  const [type, parameters] = derValues(algorithm.content, 2) ?? []
  const oid = oidOf(type)
  if (oid !== RSA_PSS) return oid && (SIGNATURES[oid] ?? oid)
  // The hash, when it is not named, is SHA-1. @see RFC 4055 §3.1
  const first = isSequence(parameters) ? derValues(parameters.content)?.[0] : undefined
  const named = first?.tag === contextTag(0, 'constructed') ? derSequence(first.content)?.[0] : undefined
  const digest = oidOf(named)
  return `RSA-PSS with ${digest === undefined ? 'SHA-1' : (HASHES[digest] ?? digest)}`
}

/** @see RFC 5280 §4.1.2.7 and RFC 5480 §2.1.1 */
function keyOf(keyInfo: DerValue): PublicKey | undefined {
  const [algorithm, bitString, ...more] = derValues(keyInfo.content) ?? []
  const bits = bitString && derBits(bitString)
  if (!isSequence(algorithm) || bits === undefined || more.length > 0) return undefined
  const [type, parameters] = derValues(algorithm.content, 2) ?? []
  const oid = oidOf(type)
  if (oid === undefined) return undefined
  if (!RSA_KEYS.includes(oid)) {
    const curve = oid === EC_PUBLIC_KEY ? oidOf(parameters) : oid
    return { algorithm: curve === undefined ? oid : (KEYS[curve] ?? curve) }
  }
  const [modulus, exponent] = derSequence(bits) ?? []
  const e = exponent && derCount(exponent)
  if (modulus?.tag !== DER.integer || e === undefined || e < 3 || e % 2 === 0) return undefined
  const from = modulus.content.findIndex((octet) => octet !== 0)
  if (from === -1) return undefined
  return { algorithm: 'RSA', bits: (modulus.content.length - from) * 8 - (Math.clz32(modulus.content[from]!) - 24) }
}

type Extensions = Pick<
  Fields,
  'names' | 'basicConstraints' | 'keyUsage' | 'extendedKeyUsage' | 'nameConstraints' | 'unknownCritical'
>

/** @see RFC 5280 §4.1.2.9 and §4.2 */
function extensionsOf(optional: readonly DerValue[], version: number): Extensions | undefined {
  const last = optional.at(-1)
  const explicit = last?.tag === contextTag(3, 'constructed') ? last : undefined
  const inOrder = optional.every(({ tag }, at) => OPTIONAL_FIELDS.includes(tag) && tag > (optional[at - 1]?.tag ?? 0))
  if (!inOrder || (explicit !== undefined && version !== 3)) return undefined
  const list = explicit === undefined ? [] : derSequence(explicit.content)
  if (list === undefined) return undefined

  const values = new Map<string, Uint8Array>()
  const unknownCritical: string[] = []
  for (const extension of list) {
    const parts = isSequence(extension) ? derValues(extension.content, 3) : undefined
    const oid = oidOf(parts?.[0])
    const isCritical = parts?.length === 3 ? derBoolean(parts[1]!) : false
    const value = parts?.at(-1)
    if (oid === undefined || isCritical === undefined || value?.tag !== DER.octetString) return undefined
    if (values.has(oid)) return undefined
    values.set(oid, value.content)
    if (isCritical && !UNDERSTOOD.has(oid)) unknownCritical.push(oid)
  }

  let isBad = false
  const read = <T>(oid: string, reader: (extension: Uint8Array) => T | undefined): T | undefined => {
    const value = values.get(oid)
    const result = value && reader(value)
    if (value !== undefined && result === undefined) isBad = true
    return result
  }
  const extensions: Extensions = {
    names: read(EXTENSION.subjectAltName, readAlternativeNames) ?? NO_NAMES,
    basicConstraints: read(EXTENSION.basicConstraints, readBasicConstraints),
    keyUsage: read(EXTENSION.keyUsage, readKeyUsage),
    extendedKeyUsage: read(EXTENSION.extendedKeyUsage, readExtendedKeyUsage),
    nameConstraints: read(EXTENSION.nameConstraints, readNameConstraints),
    unknownCritical,
  }
  return isBad ? undefined : extensions
}

function readBasicConstraints(extension: Uint8Array): Certificate['basicConstraints'] {
  const parts = [...(derSequence(extension) ?? [undefined])]
  const isAuthority = parts[0]?.tag === DER.boolean ? derBoolean(parts.shift()!) : false
  const [length, ...more] = parts
  const pathLength = length && derCount(length)
  if (isAuthority === undefined || more.length > 0 || (parts.length > 0 && pathLength === undefined)) return undefined
  return { isAuthority, pathLength }
}

function readKeyUsage(extension: Uint8Array): Certificate['keyUsage'] {
  const value = onlyDer(extension, DER.bitString)
  const first = value && derBits(value)?.[0]
  if (first === undefined) return undefined
  // Bits 0, 2 and 4 (digitalSignature, keyEncipherment, keyAgreement) are those of TLS; 5 is keyCertSign, 6 cRLSign.
  return { tls: (first & 0b1010_1000) !== 0, keyCertSign: (first & 0b0100) !== 0, crlSign: (first & 0b0010) !== 0 }
}

function readExtendedKeyUsage(extension: Uint8Array): readonly string[] | undefined {
  const oids = derSequence(extension)?.map(oidOf)
  return oids === undefined || oids.length === 0 || oids.includes(undefined) ? undefined : (oids as readonly string[])
}
