import type { Clock, Log } from '@stox/kernel'
import type { FederationModel } from '@stox/federation'
import type { Store } from '@stox/store'

export const SESSION_STATES = ['negotiating', 'established', 'failed'] as const

/** What one side of a stream has shown in its TLS handshake. */
export interface SessionCertificate {
  readonly names: readonly string[]
  readonly issuer: string
  readonly notAfterMs: number
  readonly sha256: string
}

/** Why streams fail, in more words than the one sentence. */
export interface SessionFailure {
  readonly stage: string
  readonly cause: string
  readonly advice: string
  readonly detail: string
  readonly times: number
  readonly firstAtMs: number
}

/** One stream, live or failed, as an edge tells it. */
export interface SessionRow {
  readonly id: string
  readonly edge: string
  readonly direction: 'inbound' | 'outbound'
  readonly localDomain: string
  readonly remoteDomain: string
  readonly state: (typeof SESSION_STATES)[number]
  readonly method: string | null
  readonly tls: string | null
  readonly cipher: string | null
  readonly streamManagement: boolean
  readonly bidirectional: boolean
  readonly matrixRow: number | null
  readonly certificateProblem: string | null
  readonly partner: string | null
  readonly remoteAddress: string | null
  readonly remotePort: number | null
  readonly sinceMs: number
  readonly stanzasIn: number
  readonly stanzasOut: number
  readonly waitingStanzas: number
  readonly waitingBytes: number
  readonly quietMs: number
  /** Why it failed: one sentence. */
  readonly reason: string | null
  readonly failure: SessionFailure | null
  readonly ownCertificate: SessionCertificate | null
  readonly peerCertificate: SessionCertificate | null
}

export const PUBLICATION_STATES = ['idle', 'published', 'withheld', 'held', 'leaving'] as const

/** What is published of an XMPP user at a SIP server that answers for him itself. */
export interface PublicationRow {
  readonly id: string
  readonly user: string
  readonly route: string
  readonly state: (typeof PUBLICATION_STATES)[number]
  /** Whom the server would show him although he has not approved. */
  readonly withheldFrom: string | null
  readonly expiresAtMs: number | null
  readonly watchers: readonly { readonly uri: string; readonly status: string }[]
}

export const SIP_SESSION_STATES = ['opening', 'open'] as const

/** A session of a SIP user and an XMPP user. */
export interface SipSessionRow {
  readonly id: string
  readonly domain: string
  readonly sipUser: string
  readonly xmppUser: string
  readonly direction: 'sip-to-xmpp' | 'xmpp-to-sip'
  readonly state: (typeof SIP_SESSION_STATES)[number]
  readonly callId: string
  readonly sinceMs: number
  readonly usedMs: number
  readonly fromSip: number
  readonly fromXmpp: number
}

export type ReadyReport = Readonly<Record<string, { readonly ok: boolean; readonly detail: string }>>

/** What the API needs of whoever runs it; small, so that a test needs no gateway. */
export interface AdminPorts {
  sessions(): Promise<readonly SessionRow[]>
  /** False: there is no such session. */
  closeSession(id: string): Promise<boolean>
  /** False: there is no such subscription. */
  refreshSubscription(id: string): Promise<boolean>
  deleteSubscription(id: string): Promise<boolean>
  publications(): Iterable<PublicationRow>
  sipSessions(): Iterable<SipSessionRow>
  /** After a change was stored: put it into force and publish it. The writer's answer waits for what is returned. */
  onModelChanged(model: FederationModel): void | Promise<void>
  ready(): ReadyReport | Promise<ReadyReport>
  readonly metrics: { text(): Promise<string>; readonly contentType: string }
}

export interface AdminDeps {
  readonly store: Store
  readonly ports: AdminPorts
  readonly clock: Clock
  readonly log: Log
}
