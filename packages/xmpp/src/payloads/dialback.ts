import type { Result, StanzaCondition } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { DomainName } from '../domain.ts'

/** Conditions of dialback errors: those of stanzas, and one of streams. @see XEP-0220 §2.5 */
export type DialbackCondition = StanzaCondition | 'remote-connection-failed'
export type DialbackVerdict =
  | { readonly type: 'valid' }
  | { readonly type: 'invalid' }
  | { readonly type: 'error'; readonly condition: DialbackCondition; readonly text: string | undefined }

interface DialbackBase {
  readonly from: DomainName
  readonly to: DomainName
}
/** @see XEP-0220 §2.1, §2.3 */
export type Dialback =
  | (DialbackBase & { readonly kind: 'result-request'; readonly key: string })
  | (DialbackBase & { readonly kind: 'result-answer'; readonly verdict: DialbackVerdict })
  | (DialbackBase & { readonly kind: 'verify-request'; readonly id: string; readonly key: string })
  | (DialbackBase & { readonly kind: 'verify-answer'; readonly id: string; readonly verdict: DialbackVerdict })

export interface DialbackFailure {
  readonly condition: 'improper-addressing' | 'invalid-xml'
  readonly detail: string
}

export declare function isDialback(element: XmlElement): boolean
export declare function parseDialback(element: XmlElement): Result<Dialback, DialbackFailure>
/** With the literal prefix `db`, which the stream header declares; the text declares it again and so stands alone too. */
export declare function formatDialback(dialback: Dialback): string
