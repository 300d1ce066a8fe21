import type { Hashes } from '@stox/kernel'
import type { DomainName, StreamFeatures } from '@stox/xmpp'
import { formatStreamHeader } from '@stox/xmpp'
import type { Step, StreamTimes } from './effects.ts'
import type { Proof, ProvenPeer } from './proven-peer.ts'
import type { CertificateVerdict, Judgement } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'
import type { StanzaCounts } from './stream-management.ts'

/** What the stream is for: to carry our stanzas, or to have one dialback key verified. */
export type StreamPurpose =
  | { readonly kind: 'stanzas' }
  /** The id is the one we gave the stream on which the key came. */
  | { readonly kind: 'verify'; readonly streamId: string; readonly key: string }

export interface InitiatingWorld {
  readonly local: DomainName
  readonly remote: DomainName
  readonly purpose: StreamPurpose
  readonly hashes: Hashes
  readonly times: StreamTimes
  readonly counts: StanzaCounts
  dialbackSecret(): string
  judge(local: DomainName, remote: DomainName): Judgement
  /** Of what the peer has shown in its TLS handshake, for `remote`. */
  judgeCertificate(): CertificateVerdict
  /** Do we hold a certificate for `local`? */
  holdsCertificate(): boolean
}

/** What is known from the header on. */
interface Opening {
  readonly encrypted: boolean
  /** The stream starts anew, since the peer knows who we are. */
  readonly provenBy: Proof | undefined
  readonly isBidi: boolean
}

export type InitiatingState =
  | ({ readonly name: 'awaiting-header' } & Opening)
  | ({ readonly name: 'awaiting-features'; readonly streamId: string } & Opening)
  | { readonly name: 'awaiting-proceed' }
  | { readonly name: 'starting-tls' }
  /** `<auth/>` is sent. */
  | {
      readonly name: 'awaiting-success'
      readonly streamId: string
      readonly features: StreamFeatures | undefined
      readonly isBidi: boolean
    }
  /** `db:result` is sent; `refused`: after SASL EXTERNAL was not taken. */
  | {
      readonly name: 'authenticating'
      readonly encrypted: boolean
      readonly refused: StreamFailure | undefined
      readonly features: StreamFeatures | undefined
      readonly isBidi: boolean
    }
  /** `db:verify` is sent. */
  | { readonly name: 'verifying'; readonly encrypted: boolean }
  | {
      readonly name: 'established'
      readonly provenBy: Proof
      readonly idleMs: number
      /** `asked`: our `<enable/>` is on its way; what we send counts from there on. @see XEP-0198 §3 */
      readonly management: 'none' | 'asked' | 'on'
      /** The peer, and how it has proven itself, when it may send on this stream too. @see XEP-0288 */
      readonly bidi: ProvenPeer | undefined
      /** What comes now is left to the peer, which will not find it acknowledged. */
      readonly isDraining: boolean
    }
  /** We have closed our side and wait for the peer to close its own. @see RFC 6120 §4.4 */
  | { readonly name: 'closing'; readonly isManaged: boolean; readonly bidi: ProvenPeer | undefined }
  | { readonly name: 'closed' }

/** The state of that name. */
export type In<Name extends InitiatingState['name']> = Extract<InitiatingState, { name: Name }>

export type Stepped = Step<InitiatingState>

export const CLOSED: InitiatingState = { name: 'closed' }

export const headerOf = (world: InitiatingWorld): string =>
  formatStreamHeader({
    from: world.local,
    to: world.remote,
    id: undefined,
    version: { major: 1, minor: 0 },
    lang: 'en',
    declaresDialback: true,
  })
