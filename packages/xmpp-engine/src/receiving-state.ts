import type { Hashes, Ids } from '@stox/kernel'
import type { AdvertisedLimits, DomainName, StreamErrorInfo, StreamFeatures } from '@stox/xmpp'
import type { Step, StreamEffect, StreamTimes } from './effects.ts'
import { featuresFor } from './feature-order.ts'
import type { ProvenPeer } from './proven-peer.ts'
import type { RefusalKind } from './refusal.ts'
import type { CertificateVerdict, Judgement, StreamRules } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'
import type { StanzaCounts } from './stream-management.ts'

/** What a receiving stream asks of the rest of the house. Live: answers may change while the stream stands. */
export interface ReceivingWorld {
  readonly ids: Ids
  readonly hashes: Hashes
  readonly times: StreamTimes
  readonly counts: StanzaCounts
  dialbackSecret(): string
  isServed(domain: DomainName): boolean
  judge(local: DomainName, remote: DomainName): Judgement
  /** Is there room for one more connection of this partner? */
  hasRoom(local: DomainName, remote: DomainName): boolean
  /** Why who comes has to wait before he may try again, for what he has done before; undefined: he need not. */
  penaltyOf(local: DomainName, remote: DomainName | undefined): string | undefined
  /** Do we hold a certificate for this domain of ours? */
  canEncrypt(local: DomainName): boolean
  /** Of what the peer has shown in its TLS handshake. */
  judgeCertificate(remote: DomainName): CertificateVerdict
}

/** Authorization is for a pair of domains, not for a stream. @see XEP-0220 §2.6 */
export type Pair =
  | { readonly name: 'verifying'; readonly local: DomainName; readonly remote: DomainName }
  | { readonly name: 'proven'; readonly local: DomainName; readonly peer: ProvenPeer; readonly rules: StreamRules }

export interface OpenStream {
  readonly encrypted: boolean
  readonly streamId: string
  /** The `to` of the header. */
  readonly local: DomainName
  /** The `from` of the header, which old servers leave out. */
  readonly remote: DomainName | undefined
  readonly rules: StreamRules | undefined
  /** The peer's certificate names `remote` and leads to an authority that we trust. */
  readonly isCertified: boolean
  readonly sasl: {
    readonly failures: number
    /** `<auth/>` came without its initial response, and we have asked for it. */
    readonly isAwaitingResponse: boolean
  }
  readonly pairs: ReadonlyMap<string, Pair>
  /** Somebody had a key verified here: such a connection need not authenticate. @see XEP-0220 §2.4 */
  readonly hasAnswered: boolean
  /** Dialback elements that came before any pair was proven. */
  readonly questions: number
  /** Stanzas are acknowledged. @see XEP-0198 */
  readonly isManaged: boolean
  /** Our own stanzas for a pair that has proven itself may use it too. @see XEP-0288 */
  readonly isBidi: boolean
  /** What it takes of ours then. @see XEP-0478 §3.2 */
  readonly limits: AdvertisedLimits | undefined
  /** What comes now is left to the peer, which will not find it acknowledged. */
  readonly isDraining: boolean
  /** Why dialback was refused the last time. */
  readonly denied: StreamFailure | undefined
}

export interface Before {
  readonly local: DomainName
  readonly remote: DomainName | undefined
}

export type ReceivingState =
  | {
      readonly name: 'awaiting-header'
      readonly encrypted: boolean
      /** SASL has succeeded and the stream starts anew. */
      readonly proven: ProvenPeer | undefined
      /** What the header before this one said, or the handshake of direct TLS. */
      readonly before: Before | undefined
      readonly isBidi: boolean
      readonly limits: AdvertisedLimits | undefined
    }
  | ({ readonly name: 'open' } & OpenStream)
  /** Without `local`: before any header. @see XEP-0368 */
  | { readonly name: 'starting-tls'; readonly local: DomainName | undefined; readonly remote: DomainName | undefined }
  /** We have closed our side and still take what the peer has under way. @see RFC 6120 §4.4 */
  | ({ readonly name: 'closing' } & OpenStream)
  | { readonly name: 'closed' }

/** The state of that name. */
export type In<Name extends ReceivingState['name']> = Extract<ReceivingState, { name: Name }>

export type Open = In<'open' | 'closing'>

export type Stepped = Step<ReceivingState>

export const CLOSED: ReceivingState = { name: 'closed' }

export const keyOf = (local: DomainName, remote: DomainName): string => `${local} ${remote}`

export const hasProven = (state: Open): boolean => [...state.pairs.values()].some((pair) => pair.name === 'proven')

export const featuresOf = (state: OpenStream, world: ReceivingWorld): StreamFeatures =>
  featuresFor(state.rules, state.encrypted, world.canEncrypt(state.local), state.isCertified)

export const errorOf = (condition: StreamErrorInfo['condition']): StreamErrorInfo => ({ condition, text: undefined })

export const refused = (refusal: RefusalKind, detail: string): StreamEffect => ({ kind: 'refused', refusal, detail })
