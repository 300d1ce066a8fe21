import type { Result } from '@stox/kernel'

export interface SrvRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  /** '' when the record says `.`: the service is not offered. */
  readonly target: string
}

export interface DnsFailure {
  /** `none`: the name or the record does not exist. `trouble`: no answer, or an error; asking again may help. */
  readonly kind: 'none' | 'trouble'
  readonly detail: string
}

export interface DnsResolver {
  srv(name: string): Promise<Result<readonly SrvRecord[], DnsFailure>>
  /** IPv4 and IPv6 addresses as text; an address is its own answer. */
  addresses(host: string): Promise<Result<readonly string[], DnsFailure>>
}

export interface NodeDnsResolverOptions {
  /** `address` or `address:port`; empty: the system's, with its hosts file. */
  readonly servers?: readonly string[]
  readonly timeoutMs?: number
  readonly tries?: number
  readonly monotonicMs?: () => number
}

export declare class NodeDnsResolver implements DnsResolver {
  constructor(options?: NodeDnsResolverOptions)
  srv(name: string): Promise<Result<readonly SrvRecord[], DnsFailure>>
  addresses(host: string): Promise<Result<readonly string[], DnsFailure>>
}
