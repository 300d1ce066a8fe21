import { X509Certificate, constants, createPrivateKey } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { createSecureContext } from 'node:tls'
import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'

export interface CertificateEntry {
  /** The served domains this certificate is for. */
  readonly domains: readonly string[]
  /** PEM, the chain included. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

export interface CertificateProblem {
  /** Index into the entries. */
  readonly entry: number
  readonly field: 'domains' | 'cert' | 'key'
  readonly problem: string
}

/** No tickets: a resumed session would bring an old certificate that is not checked again. @see xmpp-stack §5 */
const COMMON = { minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET, sessionTimeout: 1 } as const

interface Own {
  readonly context: SecureContext
  readonly notAfterMs: number
}

/** Our own certificates: one secure context for each served domain. */
export class TlsIdentity {
  #own: ReadonlyMap<string, Own>
  readonly #anonymous = createSecureContext(COMMON)

  private constructor(own: ReadonlyMap<string, Own>) {
    this.#own = own
  }

  /** Every problem at once. */
  static of(entries: readonly CertificateEntry[]): Result<TlsIdentity, readonly CertificateProblem[]> {
    const contexts = new Map<string, Own>()
    const problems: CertificateProblem[] = []
    entries.forEach(({ domains, cert, key }, entry) => {
      const mine = problemsOf(cert, key)
      const context = mine.length === 0 ? ownOf(cert, key) : undefined
      for (const [field, problem] of mine) problems.push({ entry, field, problem })
      for (const domain of domains) {
        const name = domain.toLowerCase()
        if (contexts.has(name)) problems.push({ entry, field: 'domains', problem: `${name} has two certificates` })
        else if (context !== undefined) contexts.set(name, context)
      }
    })
    return problems.length === 0 ? ok(new TlsIdentity(contexts)) : fail(problems)
  }

  /** More than one name has a certificate. */
  get hasSeveral(): boolean {
    return this.#own.size > 1
  }

  contextFor(domain: string): SecureContext | undefined {
    return this.#own.get(domain.toLowerCase())?.context
  }

  /** From the next handshake on; a stream that stands keeps what it began with. */
  replaceBy(other: TlsIdentity): void {
    this.#own = other.#own
  }

  /** When the certificate of each domain expires. */
  expiries(): readonly { readonly domain: string; readonly notAfterMs: number }[] {
    return [...this.#own].map(([domain, { notAfterMs }]) => ({ domain, notAfterMs }))
  }

  /** To connect with: our certificate for the domain where there is one, else none. */
  clientContextFor(domain: string): SecureContext {
    return this.contextFor(domain) ?? this.#anonymous
  }
}

const ownOf = (cert: string, key: string): Own => ({
  context: createSecureContext({ ...COMMON, cert, key }),
  notAfterMs: Date.parse(new X509Certificate(cert).validTo),
})

function problemsOf(cert: string, key: string): readonly (readonly [CertificateProblem['field'], string])[] {
  const problems: [CertificateProblem['field'], string][] = []
  const certificate = read(() => new X509Certificate(cert))
  const privateKey = read(() => createPrivateKey(key))
  if (certificate === undefined) problems.push(['cert', 'not a certificate in PEM form'])
  if (privateKey === undefined) problems.push(['key', 'not an unencrypted private key in PEM form'])
  if (certificate !== undefined && privateKey !== undefined && !certificate.checkPrivateKey(privateKey)) {
    problems.push(['key', 'the key does not belong to the certificate'])
  }
  return problems
}

function read<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
