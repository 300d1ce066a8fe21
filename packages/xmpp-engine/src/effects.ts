import type { XmlEvent } from '@stox/xml'
import type { AdvertisedLimits, DialbackVerdict, DomainName, Stanza, StreamErrorInfo } from '@stox/xmpp'
import type { Proof, ProvenPeer } from './proven-peer.ts'
import type { RefusalKind } from './refusal.ts'
import type { StreamFailure } from './stream-failure.ts'

/**
 * `establishment`: from the connection to the first authenticated pair. `idle`: no stanza for too long. `keep-alive`: no
 * byte for a while, from whose turn it is to send. `close`: the peer's closing tag does not come.
 */
export type TimerName = 'establishment' | 'idle' | 'keep-alive' | 'close'

export type StreamInput =
  | { readonly kind: 'xml'; readonly event: XmlEvent }
  /** `serverName`: the peer has asked for it in a handshake that came before any header. */
  | { readonly kind: 'tls-done'; readonly serverName?: string }
  /** `quietMs`: how long nothing has happened that the timer watches; so no timer is armed anew for each stanza. */
  | { readonly kind: 'timer'; readonly timer: TimerName; readonly quietMs: number }
  /** What the authoritative server says, or why it could not be asked; `encrypted`: whether we asked it over TLS. */
  | {
      readonly kind: 'dialback-verdict'
      readonly local: DomainName
      readonly remote: DomainName
      readonly verdict: DialbackVerdict
      readonly encrypted: boolean
    }
  | { readonly kind: 'policy-changed' }
  /** The peer waits for our count, and it has grown. @see XEP-0198 §4 */
  | { readonly kind: 'acknowledge' }
  /** No more stanzas are taken; those that were are finished before `close`. */
  | { readonly kind: 'drain' }
  /** We want the stream to end: politely, or with an error, and with the failure that it comes from. */
  | {
      readonly kind: 'close'
      readonly error?: StreamErrorInfo
      readonly refusal?: RefusalKind
      readonly because?: StreamFailure
    }
  /** Text came behind `<starttls/>` or `<proceed/>`, or behind an `<auth/>` or `<success/>` that starts the stream anew. */
  | { readonly kind: 'injected' }
  /** The connection broke or could not be had. */
  | { readonly kind: 'gone'; readonly failure: StreamFailure }

export type StreamEffect =
  | { readonly kind: 'write'; readonly text: string }
  /** Inbound: what the header says, proven or not. */
  | { readonly kind: 'addressed'; readonly local: DomainName | undefined; readonly remote: DomainName | undefined }
  /** After the writes before it. A new reader starts with the encrypted bytes; what the old one holds is an injection. */
  | {
      readonly kind: 'start-tls'
      readonly role: 'server' | 'client'
      /** Undefined: TLS comes before any header. @see XEP-0368 */
      readonly local: DomainName | undefined
      readonly remote: DomainName | undefined
    }
  /** After SASL the stream starts anew: a new reader for what comes next. @see RFC 6120 §6.4.6 */
  | { readonly kind: 'restart' }
  | { readonly kind: 'stanza'; readonly stanza: Stanza; readonly peer: ProvenPeer; readonly bytes: number }
  /** A stanza that goes no further than here, and still was one. @see XEP-0198 §4 */
  | { readonly kind: 'handled' }
  /** Stream management: what comes behind this is counted. */
  | { readonly kind: 'managed'; readonly theirs: boolean; readonly ours: boolean }
  /** The peer will not do it after all: nothing of ours is acknowledged. */
  | { readonly kind: 'unmanaged' }
  /** The peer has asked for our count, and was told. */
  | { readonly kind: 'asked' }
  /** The peer has told its count: so many more of ours are its own to care for. */
  | { readonly kind: 'acknowledged'; readonly count: number }
  /** An error stanza for a stanza that cannot be passed on: to be sent on a stream of ours. */
  | { readonly kind: 'answer'; readonly stanza: Stanza }
  /** Ask the authoritative server of `remote`, on another connection. */
  | {
      readonly kind: 'verify'
      readonly local: DomainName
      readonly remote: DomainName
      readonly streamId: string
      readonly key: string
    }
  /** Inbound: the peer has asked about a key of ours, and it was right. */
  | { readonly kind: 'vouched' }
  /** Inbound: this pair may send stanzas from now on; `isBidi`: and so may we, the other way round, within its `limits`. */
  | {
      readonly kind: 'proven'
      readonly local: DomainName
      readonly peer: ProvenPeer
      readonly isBidi: boolean
      readonly limits: AdvertisedLimits | undefined
    }
  /** Outbound: stanzas may be written from now on. */
  | {
      readonly kind: 'ready'
      readonly provenBy: Proof
      readonly limits: AdvertisedLimits | undefined
      /** The peer may send stanzas too. */
      readonly isBidi: boolean
    }
  /** Inbound, both ways: we have closed our side, and no stanza of ours can follow. */
  | { readonly kind: 'shut' }
  /** Outbound: ask the peer whether it is there; who does not hear an answer closes the stream. @see XEP-0199 */
  | { readonly kind: 'ping' }
  /** Outbound, verify-only: what the authoritative server said. */
  | { readonly kind: 'verdict'; readonly verdict: DialbackVerdict; readonly encrypted: boolean }
  | { readonly kind: 'set-max-stanza'; readonly bytes: number }
  | { readonly kind: 'arm-timer'; readonly timer: TimerName; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: TimerName }
  /** `isLast`: the stream ends of it, and `ended` tells it too. */
  | { readonly kind: 'refused'; readonly refusal: RefusalKind; readonly detail: string; readonly isLast?: true }
  /** Encrypted, and its certificate does not prove who the peer is, though the rules would take it as proof. */
  | { readonly kind: 'unproven-by-certificate'; readonly remote: DomainName; readonly reason: string }
  /** Once: the stream is of no more use. Undefined: it ended as it should. */
  | { readonly kind: 'ended'; readonly failure: StreamFailure | undefined }
  /** Close the connection after the writes before it, and read what still comes to the floor. */
  | { readonly kind: 'hang-up' }

export interface Step<State> {
  readonly state: State
  readonly effects: readonly StreamEffect[]
}

export interface StreamTimes {
  readonly establishmentMs: number
  readonly idleMs: number
  readonly keepAliveMs: number
  readonly closeMs: number
}

export const stay = <State>(state: State): Step<State> => ({ state, effects: [] })
export const to = <State>(state: State, ...effects: readonly StreamEffect[]): Step<State> => ({ state, effects })
