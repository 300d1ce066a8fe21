import type { Clock, Ids, Log, Outcome, Timers } from '@stox/kernel'
import type { InboundEnvelope, OutboundEnvelope, Replica, SessionRow, StreamNotice } from '@stox/link'

/** PEM texts. Each side shows its own certificate and accepts only what `ca` has signed. */
export interface LinkTls {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

export interface LinkLimits {
  /** Stanzas in flight each way on one link, and their bytes: what this side lets the other send before an outcome. */
  readonly windowStanzas: number
  readonly windowBytes: number
  /** Stanzas that wait here for credit or for a link; one more is bounced with `resource-constraint`. */
  readonly waitingStanzas: number
  readonly waitingBytes: number
  /** An inbound stanza without an outcome for so long is bounced with `remote-server-timeout`. */
  readonly inboundHoldMs: number
  /** No link at all: what waits is bounced after so long. */
  readonly unattachedHoldMs: number
  readonly heartbeatMs: number
  /** Silence for so long means that the peer is dead. */
  readonly deadAfterMs: number
}

export const DEFAULT_LINK_LIMITS: LinkLimits = {
  windowStanzas: 4096,
  windowBytes: 16_777_216,
  waitingStanzas: 8192,
  waitingBytes: 33_554_432,
  inboundHoldMs: 40_000,
  unattachedHoldMs: 10_000,
  heartbeatMs: 1500,
  deadAfterMs: 5000,
}

/** What the gauges show of one side of all links. */
export interface LinkGauges {
  readonly attached: number
  readonly waiting: number
  /** Given to a peer, outcome not yet known. */
  readonly openSent: number
  /** Taken from a peer, outcome not yet given. */
  readonly openTaken: number
  readonly creditStanzas: number
  readonly roundTripMs: number | undefined
}

// ------------------------------------------------------------------ edge side

export interface LinkServerOptions {
  readonly node: string
  /** `host:port`, on the inside face. */
  readonly listen: string
  readonly tls: LinkTls
  /** Names (DNS or IP subject alternative names) of the certificates of gateways that may attach. */
  readonly peers: readonly string[]
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly log: Log
  /** What this edge remembers from before it was restarted: changes are measured against it. */
  readonly replica?: Replica
  readonly limits?: Partial<LinkLimits>
  readonly on: LinkServerEvents
}

export interface LinkServerEvents {
  /** A gateway wants this stanza sent. A rejection counts as `internal-server-error`. */
  outbound(envelope: OutboundEnvelope, gateway: string): Promise<Outcome>
  /** The replica that counts from now on. */
  replica(replica: Replica, gateway: string): void
  attached?(gateway: string): void
  detached?(gateway: string, reason: string): void
  /** Something a peer of the link did was refused; `kind` is a metric label. */
  refused?(kind: string, detail: string): void
  /** What one batch carried. */
  traffic?(way: 'sent' | 'received', stanzas: number, outcomes: number): void
  /** From a heartbeat to its echo. */
  roundTrip?(ms: number): void
  sessions(): readonly SessionRow[]
  closeSession(id: string): boolean
  /** Streams that are up now: told to a gateway when it attaches. */
  streams(): readonly StreamNotice[]
}

/** The edge's end: gateways attach to it. */
export interface LinkServerPort {
  /** Rejects with one clear sentence when the port is in use or the certificate is unusable. */
  listen(): Promise<{ readonly address: string; readonly port: number }>
  /** Resolves with the outcome: the gateway's, or a bounce when no gateway gave one in time. Never rejects. */
  offer(envelope: InboundEnvelope): Promise<Outcome>
  streamUp(notice: StreamNotice): void
  streamDown(notice: StreamNotice): void
  attachedGateways(): readonly string[]
  gauges(): LinkGauges
  /** Ends every link; what is still open is bounced. */
  close(): Promise<void>
}

// --------------------------------------------------------------- gateway side

export interface LinkClientOptions {
  readonly node: string
  /** `https://host:port` of every edge. */
  readonly edges: readonly string[]
  readonly tls: LinkTls
  /** What an edge gets with the hello; later ones by `publish`. */
  readonly replica: Replica
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly log: Log
  readonly limits?: Partial<LinkLimits>
  readonly on: LinkClientEvents
}

export interface LinkClientEvents {
  /** The edge holds the stanza until this resolves. A rejection counts as `internal-server-error`. */
  inbound(envelope: InboundEnvelope): Promise<Outcome>
  attached?(edge: string): void
  detached?(edge: string, reason: string): void
  /** What one batch carried. */
  traffic?(way: 'sent' | 'received', stanzas: number, outcomes: number): void
  /** From a heartbeat to its echo. */
  roundTrip?(ms: number): void
  /** What the edge holds now, and what it found wrong with what it was told. */
  replicaAcknowledged?(edge: string, revision: number, problem: string | undefined): void
  streamUp?(notice: StreamNotice, edge: string): void
  streamDown?(notice: StreamNotice, edge: string): void
}

export interface EdgeInfo {
  readonly url: string
  /** Undefined until its first hello. */
  readonly node: string | undefined
  readonly attached: boolean
  readonly replicaRevision: number | undefined
  readonly roundTripMs: number | undefined
  /** Why it is not attached. */
  readonly lastProblem: string | undefined
}

/** The gateway's end: dials every edge and stays attached. */
export interface LinkClientPort {
  start(): void
  /** Resolves with the outcome, at the latest when the envelope expires. Never rejects. */
  send(envelope: OutboundEnvelope): Promise<Outcome>
  publish(replica: Replica): void
  edges(): readonly EdgeInfo[]
  sessions(): Promise<readonly SessionRow[]>
  closeSession(id: string): Promise<boolean>
  gauges(): LinkGauges
  close(): Promise<void>
}
