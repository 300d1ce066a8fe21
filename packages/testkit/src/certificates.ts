import 'reflect-metadata' // @peculiar/x509 asks for it before it loads
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM, PKCS #8. */
  readonly key: string
}

/** A certificate that may sign others; its key is kept by this object alone. */
export interface Authority extends Certificate {
  readonly issuer: { readonly certificate: x509.X509Certificate; readonly keys: webcrypto.CryptoKeyPair }
}

export interface CertificateOrder {
  /** DNS names, IP addresses, or URIs as `uri:sip:domain`; the first one is the subject too. */
  readonly names: readonly string[]
  /** Left out: self-signed. */
  readonly issuer?: Authority
  readonly validDays?: number
  /** Left out: server and client. */
  readonly purposes?: readonly ('serverAuth' | 'clientAuth')[]
}

const CURVE = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const PURPOSES = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const
const DAY_MS = 86_400_000

export async function makeAuthority(name: string): Promise<Authority> {
  const keys = await newKeys()
  const certificate = await sign(name, keys, undefined, 1, [
    new x509.BasicConstraintsExtension(true, 0, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  ])
  return { ...(await inPem(certificate, keys)), issuer: { certificate, keys } }
}

export async function makeCertificate(order: CertificateOrder): Promise<Certificate> {
  const { names, issuer, validDays = 1, purposes = ['serverAuth', 'clientAuth'] } = order
  const keys = await newKeys()
  const certificate = await sign(names[0] ?? 'nobody', keys, issuer, validDays, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(purposes.map((purpose) => PURPOSES[purpose])),
    new x509.SubjectAlternativeNameExtension(names.map(alternativeName)),
  ])
  return inPem(certificate, keys)
}

const alternativeName = (value: string): { readonly type: 'dns' | 'ip' | 'url'; readonly value: string } => {
  if (value.startsWith('uri:')) return { type: 'url', value: value.slice(4) }
  return { type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value }
}

const newKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])

function sign(
  name: string,
  keys: webcrypto.CryptoKeyPair,
  authority: Authority | undefined,
  validDays: number,
  extensions: x509.Extension[],
): Promise<x509.X509Certificate> {
  const notBefore = new Date(Date.now() - 60_000)
  return x509.X509CertificateGenerator.create({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex'),
    subject: `CN=${name}`,
    issuer: authority?.issuer.certificate.subject ?? `CN=${name}`,
    notBefore,
    notAfter: new Date(notBefore.getTime() + validDays * DAY_MS),
    signingAlgorithm: CURVE,
    publicKey: keys.publicKey,
    signingKey: authority?.issuer.keys.privateKey ?? keys.privateKey,
    extensions,
  })
}

async function inPem(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair): Promise<Certificate> {
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { cert: `${certificate.toString('pem')}\n`, key: `${key}\n` }
}
