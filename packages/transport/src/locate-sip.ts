import type { Failure, Ids, Result } from '@stox/kernel'
import type { SipUri } from '@stox/sip'
import type { DnsResolver } from './dns-resolver.ts'
import type { SipTarget, SipTransport } from './sip-endpoint-types.ts'

export interface LocateOptions {
  /** What we speak, best first. Left out: UDP, then TCP. */
  readonly transports?: readonly SipTransport[]
  /** For the weights of SRV records. */
  readonly ids?: Pick<Ids, 'fraction'>
}

/** The servers to try for a URI or a route, in order. NAPTR and TLS are a later issue. @see RFC 3263 §4 */
export declare function locateSip(
  uri: SipUri | string,
  resolver: DnsResolver,
  options?: LocateOptions,
): Promise<Result<readonly SipTarget[], Failure>>
