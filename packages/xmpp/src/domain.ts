import type { Brand, Result } from '@stox/kernel'

/** A domain in normal form: U-labels, lower case, no trailing dot. */
export type DomainName = Brand<string, 'DomainName'>

export interface JidFailure {
  readonly kind: 'jid-malformed'
  readonly detail: string
}

export declare function parseDomain(text: string): Result<DomainName, JidFailure>
export declare function domainToAscii(domain: DomainName): string
