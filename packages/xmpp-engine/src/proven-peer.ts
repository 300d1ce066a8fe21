import type { Brand } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'

/** How an identity was shown. Dialback counts as over TLS only when both the stream and the verifying one were encrypted. */
export type Proof = 'sasl-external' | 'dialback-over-tls' | 'dialback-over-tcp'

/** A domain that has proven itself on a stream. Built by `provePeer` only. */
export type ProvenPeer = Brand<{ readonly domain: DomainName; readonly provenBy: Proof }, 'ProvenPeer'>

export const provePeer = (domain: DomainName, provenBy: Proof): ProvenPeer => ({ domain, provenBy }) as ProvenPeer
