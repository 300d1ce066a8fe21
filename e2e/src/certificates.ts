import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  forgeRevocationList,
  makeAuthority,
  makeCertificate,
  type Authority,
  type Certificate,
  type CertificateOrder,
} from '@stox/testkit'

/** Two files. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** The fingerprint of what the file holds now, as the session list writes it. */
export const sha256Of = ({ cert }: KeyPair): string => new X509Certificate(readFileSync(cert)).fingerprint256

/** A certificate that only its own key vouches for, as a partner proven by dialback may have. */
export async function selfSigned(dir: string, name: string, hosts: readonly string[]): Promise<KeyPair> {
  return written(dir, name, await makeCertificate({ names: hosts }))
}

/** A throw-away CA and what it signs. */
export class TestCa {
  readonly cert: string
  readonly #dir: string
  readonly #authority: Authority

  private constructor(dir: string, name: string, authority: Authority) {
    this.#dir = dir
    this.#authority = authority
    this.cert = written(dir, name, authority).cert
  }

  static async create(dir: string, name: string): Promise<TestCa> {
    return new TestCa(dir, name, await makeAuthority(name))
  }

  async issue(
    name: string,
    hosts: readonly string[],
    more: Pick<CertificateOrder, 'purposes' | 'validDays'> = {},
  ): Promise<KeyPair> {
    return written(this.#dir, name, await makeCertificate({ names: hosts, issuer: this.#authority, ...more }))
  }

  /** Writes its list of what is revoked, which is these; the file's name. */
  revoke(pairs: readonly KeyPair[]): string {
    const { certificate } = this.#authority.issuer
    const keys = { privateKey: createPrivateKey(this.#authority.key), publicKey: createPublicKey(this.#authority.cert) }
    const revoked = pairs.map(({ cert }) => {
      const hex = new X509Certificate(readFileSync(cert)).serialNumber
      // A whole number that is not negative. @see X.690 §8.3
      return { serial: Buffer.from(/^[89A-F]/.test(hex) ? `00${hex}` : hex, 'hex') }
    })
    const subject = Buffer.from(certificate.subjectName.toArrayBuffer())
    const path = this.cert.replace(/\.crt$/, '.crl')
    writeFileSync(path, forgeRevocationList({ issuer: { subject, keys }, revoked }).pem)
    return path
  }
}

function written(dir: string, name: string, { cert, key }: Certificate): KeyPair {
  const pair = { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) }
  writeFileSync(pair.cert, cert)
  writeFileSync(pair.key, key, { mode: 0o600 })
  return pair
}
