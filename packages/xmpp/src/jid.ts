import type { Result } from '@stox/kernel'
import type { DomainName, JidFailure } from './domain.ts'

/** An address in normal form: compare parts with `===`. @see RFC 7622 §3 */
export interface Jid {
  readonly local: string | undefined
  readonly domain: DomainName
  readonly resource: string | undefined
}

export declare function parseJid(text: string): Result<Jid, JidFailure>
export declare function formatJid(jid: Jid): string
export declare function bareJid(jid: Jid): Jid
export declare function formatBareJid(jid: Jid): string
export declare function sameBareJid(a: Jid, b: Jid): boolean
export declare function prepLocal(text: string): Result<string, JidFailure>
export declare function prepResource(text: string): Result<string, JidFailure>
