import type { Result } from '@stox/kernel'
import type { SecureContext } from 'node:tls'

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

/** Our own certificates, one secure context for each served domain. */
export declare class TlsIdentity {
  private constructor()
  static of(entries: readonly CertificateEntry[]): Result<TlsIdentity, readonly CertificateProblem[]>
  contextFor(domain: string): SecureContext | undefined
}
