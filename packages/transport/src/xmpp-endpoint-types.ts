import type { Clock, Failure, Hashes, Ids, Log, Timers } from '@stox/kernel'
import type { DomainName, Stanza, StreamCondition } from '@stox/xmpp'
import type {
  CertificateVerdict,
  FailureWords,
  Proof,
  ProvenPeer,
  RefusalKind,
  StreamFailure,
  StreamRules,
} from '@stox/xmpp-engine'
import type { CertificateDescription } from './certificates/describe-certificate.ts'
import type { DnsResolver } from './dns-resolver.ts'
import type { HandshakeLimits } from './handshake-gate.ts'
import type { PenaltyLimits } from './penalties.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** What the federation model says about one partner, as far as streams go. */
export interface PartnerRules extends StreamRules {
  /** The key of the partner's record; connections are counted by it. */
  readonly partner: string
  readonly connectionLimit: number
  /** Over all its streams; beyond it reading slows down; undefined: as fast as it goes. */
  readonly stanzasPerSecond: number | undefined
  readonly bytesPerSecond?: number | undefined
  /** In place of SRV. */
  readonly proxy: { readonly host: string; readonly port: number } | undefined
}

export type PartnerJudgement =
  | { readonly allowed: true; readonly rules: PartnerRules }
  /** The peer hears the condition alone (`policy-violation` when left out); senders inside hear the reason. */
  | { readonly allowed: false; readonly reason: string; readonly condition?: StreamCondition }

export interface StreamTimes {
  readonly establishmentTimeoutMs: number
  readonly inactivityTimeoutMs: number
  readonly keepAliveIntervalMs: number
}

/** Live: asked on every use, so that a new replica counts at once (and `policyChanged` ends what it no longer allows). */
export interface StreamPolicy {
  isServed(domain: DomainName): boolean
  judge(local: DomainName, remote: DomainName): PartnerJudgement
  dialbackSecret(): string
  times(): StreamTimes
  connectionLimit(): number
}

export interface StanzaContext {
  readonly streamId: string
  /** The served domain in the stanza's `to`. */
  readonly local: DomainName
  /** The domain in the stanza's `from`; it is what the peer has proven. */
  readonly peer: ProvenPeer
  readonly bytes: number
}

export interface StreamUp {
  readonly streamId: string
  readonly direction: 'in' | 'out'
  readonly local: DomainName
  readonly remote: DomainName
  readonly provenBy: Proof
  /** Undefined in the clear. */
  readonly tlsVersion: string | undefined
}

export interface StreamDown extends StreamUp {
  readonly reason: string
  /** It is told of as failed, too. */
  readonly isFailure: boolean
}

export interface Refused {
  readonly kind: RefusalKind
  readonly detail: string
  readonly remoteAddress: string
  /** The stream ends of it, and is told of as failed. */
  readonly isLast: boolean
}

export interface XmppEndpointEvents {
  /**
   * A stanza whose sender has proven its domain. What is returned settles when the stanza is dealt with; a partner
   * with more than `limits.stanzasInHand` or `limits.bytesInHand` unsettled is not read from. It must not throw or reject.
   */
  stanza(stanza: Stanza, context: StanzaContext): void | Promise<void>
  /** A hostile or broken input was refused; the kind is a stable name for the metrics. */
  refused(refused: Refused): void
  streamUp(stream: StreamUp): void
  streamDown(stream: StreamDown): void
  /** A stream could not be had, or ended badly: told to the log already, and not in storms. */
  streamFailed?(failure: StreamFailureInfo): void
  /** Dialback is all there is, since the certificate does not prove who the peer is: why. */
  unprovenByCertificate?(stream: { readonly streamId: string; readonly remote: DomainName; reason: string }): void
}

export interface XmppEndpointLimits extends PenaltyLimits, HandshakeLimits {
  /** Unsettled stanzas of one partner. */
  readonly stanzasInHand: number
  readonly bytesInHand: number
  /** The same at least while other partners have something to say too and we are busy; of bytes as large a part. */
  readonly stanzasInHandBeside: number
  /** Waiting for one outbound stream. */
  readonly queueEntries: number
  readonly queueBytes: number
  /** Sent on one stream with stream management, and not acknowledged. */
  readonly unacknowledgedEntries: number
  readonly unacknowledgedBytes: number
  /** Then a stanza counts as sent all the same. */
  readonly acknowledgeWithinMs: number
  /** Handed to one socket and not yet taken by it. */
  readonly writeBufferBytes: number
  readonly unauthenticated: number
  readonly unauthenticatedPerAddress: number
  /** Connections a second that come to nothing, after a burst; those that prove themselves do not count. */
  readonly fruitlessPerSecond: number
  readonly fruitlessPerSecondPerAddress: number
  /** Dialback keys of strangers that are being verified; those that are right do not count against the rates. */
  readonly verificationsAtOnce: number
  readonly verificationsPerSecond: number
  readonly verificationsPerSecondPerAddress: number
  /** Read on one connection before a domain has proven itself. */
  readonly bytesBeforeProof: number
  /** Attempts to connect under way; a partner has more than one only while others of it hang. */
  readonly dialsAtOnce: number
  readonly connectTimeoutMs: number
  /** A peer that takes nothing of what we write for so long is given up. */
  readonly stallTimeoutMs: number
  readonly closeTimeoutMs: number
  /** For what has been taken to have its end when we stop, before the streams are closed. */
  readonly drainTimeoutMs: number
  readonly backOffFirstMs: number
  readonly backOffCapMs: number
}

/** Whether the certificates that a peer presented, its own first, prove that it is this domain. */
export type JudgeCertificate = (presented: readonly Uint8Array[], domain: DomainName) => CertificateVerdict

export interface XmppEndpointOptions {
  /** `host:port`, `[::1]:5269`; port 0 takes a free one. */
  readonly listen: readonly string[]
  /** The same for connections that begin with TLS. @see XEP-0368 */
  readonly listenDirectTls?: readonly string[]
  readonly tls: TlsIdentity
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly hashes: Hashes
  readonly log: Log
  readonly resolver: DnsResolver
  readonly policy: StreamPolicy
  /** Left out: no certificate of a peer proves anything, so that dialback is all there is. */
  readonly judgeCertificate?: JudgeCertificate
  readonly limits?: Partial<XmppEndpointLimits>
  readonly on: XmppEndpointEvents
  /** May we connect there because DNS said so? Not asked for a partner's fixed proxy. @see mapping F.6 point 9 */
  readonly mayConnect?: (address: string, remote: DomainName) => boolean
}

export type SendOutcome =
  { readonly kind: 'sent'; readonly streamId: string } | { readonly kind: 'failed'; readonly failure: Failure }

/** What each side has shown in the handshake of a stream; undefined where it has shown nothing that can be read. */
export interface StreamCertificates {
  readonly own: CertificateDescription | undefined
  readonly peer: CertificateDescription | undefined
}

export interface StreamInfo {
  readonly id: string
  readonly direction: 'in' | 'out'
  /** `verify`: a connection that only asks whether a dialback key is right. */
  readonly purpose: 'stanzas' | 'verify'
  readonly state: string
  readonly local: string | undefined
  readonly remote: string | undefined
  /** Domain pairs that have proven themselves on this stream. */
  readonly pairs: readonly { readonly local: string; readonly remote: string; readonly provenBy: Proof }[]
  /** Stanzas are acknowledged. @see XEP-0198 */
  readonly streamManagement: boolean
  /** Stanzas go both ways. @see XEP-0288 */
  readonly bidirectional: boolean
  readonly encrypted: boolean
  readonly tlsVersion: string | undefined
  readonly cipher: string | undefined
  /** Of the negotiation matrix, as the partner's record had it when the stream was proven. */
  readonly matrixRow: number | undefined
  /** Why a certificate that might have proved the peer did not. */
  readonly unprovenBecause: string | undefined
  readonly certificates: StreamCertificates
  readonly remoteAddress: string
  readonly remotePort: number | undefined
  readonly openedAtMs: number
  readonly quietMs: number
  readonly stanzasIn: number
  readonly stanzasOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Written by us and not yet taken by the socket. */
  readonly waitingBytes: number
  /** Outbound: stanzas that wait for the stream. Inbound: those that have no outcome yet. */
  readonly waitingStanzas: number
}

/** What is known of a stream that failed. */
export interface FailedStream {
  readonly direction: 'in' | 'out'
  /** The key of the partner's record; undefined for strangers. */
  readonly partner: string | undefined
  readonly local: string | undefined
  readonly remote: string | undefined
  /** Undefined where no connection came to be. */
  readonly remoteAddress: string | undefined
  readonly remotePort: number | undefined
  /** It carried stanzas before. */
  readonly wasEstablished: boolean
}

/** Why streams of one partner and direction fail, or of strangers from one network. */
export interface StreamFailureInfo extends FailedStream, FailureWords {
  readonly id: string
  readonly kind: StreamFailure['kind']
  readonly firstAtMs: number
  readonly lastAtMs: number
  readonly times: number
}
