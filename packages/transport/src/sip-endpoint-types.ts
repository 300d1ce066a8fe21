import type { Clock, Ids, Log, Timers } from '@stox/kernel'
import type { SipLimits, SipRequest, SipResponse } from '@stox/sip'
import type { SipTls } from './sip-tls.ts'

export type SipTransport = 'udp' | 'tcp' | 'tls'

/** Where to send: an address, not a name. IPv6 without brackets. */
export interface SipTarget {
  readonly transport: SipTransport
  readonly host: string
  readonly port: number
  /** With TLS: the server's certificate must be for one of these domains, as first asked for. @see RFC 5922 §7.2 */
  readonly names?: readonly string[]
}

export interface SipAddress {
  readonly host: string
  readonly port: number
}

/** The way a request came, and its answer goes. */
export interface SipFlow {
  readonly transport: SipTransport
  readonly local: SipAddress
  readonly remote: SipAddress
  /** Streams only. */
  readonly connectionId?: number
  /** TLS only: the SIP domains that the peer's certificate has proven. @see RFC 5922 §7.1 */
  readonly names?: readonly string[]
}

/** How a request of ours ended. */
export type SipReply =
  | { readonly kind: 'response'; readonly response: SipResponse }
  | {
      readonly kind: 'failed'
      /** `timeout`: no final response (Timer F); `transport`: nothing could be sent; `overload`: our own table is full. */
      readonly cause: 'timeout' | 'transport' | 'no-target' | 'overload'
      readonly detail: string
      /** A 100 came before the timeout: the server has the request, so it is not tried elsewhere. @see RFC 3263 §4.3 */
      readonly provisional?: boolean
    }

export interface SipRequestOptions {
  /**
   * The path to this target takes large datagrams. Otherwise a request over 1300 bytes goes by TCP even to a UDP target,
   * and by UDP only when no TCP connection can be had. @see RFC 3261 §18.1.1
   */
  readonly congestionSafe?: boolean
  /** INVITE only: how long its final response is waited for before it is cancelled. @see RFC 3261 §9.1 */
  readonly patienceMs?: number
  /** INVITE only: one more 2xx, to be acknowledged like the first. @see RFC 3261 §13.2.2.4 */
  readonly accepted?: (response: SipResponse) => void
}

export interface IncomingSipRequest {
  /** Its top Via carries `received` and `rport` already. */
  readonly request: SipRequest
  readonly flow: SipFlow
  /**
   * The final response, once; later calls do nothing. Due within 32 s of arrival: after that nobody waits for it, and the
   * transaction ends by itself (`sip-unanswered`). Retransmissions and the 100 are the endpoint's. @see RFC 4320 §4
   * A 2xx to INVITE is the exception: each later call sends it again, which is the caller's duty until the ACK comes.
   */
  readonly respond: (response: SipResponse) => void
  /** INVITE only: its sender wants it no more and was answered 487. @see RFC 3261 §9.2 */
  readonly isCancelled?: () => boolean
}

/** What was not taken, for the metric of that name. Each was answered where the protocol has an answer. */
export type SipRefusalKind =
  | 'sip-malformed' // no SIP message, or a broken one
  | 'sip-truncated' // shorter than its Content-Length
  | 'sip-too-long' // head, body or header count over the limit
  | 'sip-version'
  | 'sip-untrusted' // from an address nobody vouched for
  | 'sip-unauthenticated' // challenged, or not with the right password
  | 'sip-unknown-method'
  | 'sip-extension-required'
  | 'sip-scheme'
  | 'sip-looped' // Max-Forwards used up, or our own Via in it
  | 'sip-merged'
  | 'sip-response-stray' // no transaction of ours waits for it, or it is not for us
  | 'sip-overload'
  | 'sip-connection-limit'
  | 'sip-insecure' // TLS came to nothing, or the certificate proves nothing
  | 'sip-unanswered' // the application let a request die

export interface SipRefusal {
  readonly detail: string
  readonly transport: SipTransport
  readonly remote: SipAddress
  /** What we answered; undefined: nothing. */
  readonly status: number | undefined
}

/** Whether a request of somebody whom we do not trust is taken all the same. @see RFC 3261 §22 */
export type SipAuthentication =
  { readonly kind: 'accepted' } | { readonly kind: 'refused'; readonly detail: string; readonly response: SipResponse }

export interface SipEndpointEvents {
  /**
   * Only MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS and what `methods` and `sessions` add; each exactly once, retransmissions are
   * kept away.
   */
  request(incoming: IncomingSipRequest): void
  /** The ACK to a 2xx, or what looks like one: no transaction, and nothing answers it. @see RFC 3261 §13.3.1.4 */
  acknowledged?(ack: SipRequest): void
  refused(kind: SipRefusalKind, refusal: SipRefusal): void
}

export interface SipEndpointLimits {
  readonly message: SipLimits
  /** Requests we have taken and not forgotten (32 s on UDP): beyond it 503 with Retry-After. */
  readonly maxServerTransactions: number
  /** Of these, requests not answered yet. */
  readonly maxUnanswered: number
  /** INVITEs under way or answered lately, each way. */
  readonly maxInvites: number
  readonly maxClientTransactions: number
  readonly maxConnections: number
  /** From and to one address. */
  readonly maxConnectionsPerPeer: number
  /** Bytes waiting to be written on one connection; a peer that does not read loses it. */
  readonly maxUnsentBytes: number
  readonly connectMs: number
  readonly idleMs: number
  /** How often a connection that we dialled is pinged; 0: never. Without an answer it is closed. @see RFC 5626 §3.5.1 */
  readonly keepAliveMs: number
  /** Answers to strangers on UDP, per address and second. */
  readonly strangerAnswersPerS: number
  /** How late the process may run before new requests are answered 503. */
  readonly maxDelayMs: number
}

export interface SipEndpointOptions {
  /** `udp:127.0.0.1:5098`, `tcp:[::1]:5098`, `tls:0.0.0.0:5061`. Port 0 takes a free one; `tcp` with port 0 after `udp` on the same host tries the same port. */
  readonly listen: readonly string[]
  /** The host to write into Via when we listen on a wildcard address. */
  readonly advertisedHost?: string
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly log: Log
  /** Needed to listen on `tls:` and to dial by TLS. */
  readonly tls?: SipTls
  /** `names`: the SIP domains that the peer has proven by its certificate. */
  trusted(remoteHost: string, names: readonly string[]): boolean
  /** Asked for each new request of who is not trusted. Left out: they are all refused. */
  readonly authenticate?: (request: SipRequest) => SipAuthentication
  /** In how many seconds this request may come again, when there is no room for it now: it is answered 503, and not kept. */
  readonly busyForS?: (request: SipRequest) => number | undefined
  /** Methods handed to `request` besides the four; the rest is answered 405 or 501. */
  readonly methods?: readonly string[]
  /** Whether INVITE, BYE and INFO of this one are handed up, and not answered 405. */
  readonly sessions?: (request: SipRequest) => boolean
  readonly on: SipEndpointEvents
  readonly limits?: Partial<SipEndpointLimits>
}

export interface SipCounts {
  readonly serverTransactions: number
  readonly unanswered: number
  readonly clientTransactions: number
  readonly connections: number
  /** Since the start. */
  readonly received: number
  readonly sent: number
  readonly retransmitted: number
  readonly absorbed: number
}
