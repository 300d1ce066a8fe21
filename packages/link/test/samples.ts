import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { DEFAULT_SETTINGS, localDomainSchema, xmppPartnerSchema } from '@stox/federation'
import type { Failure, Outcome } from '@stox/kernel'
import {
  EdgeBatchSchema,
  EdgeSession,
  GatewayBatchSchema,
  GatewaySession,
  type EdgeBatch,
  type EdgeEvent,
  type GatewayBatch,
  type GatewayEvent,
  type InboundEnvelope,
  type OutboundEnvelope,
  type Replica,
  type SessionLimits,
  type StreamNotice,
} from '@stox/link'

export const partner = (domain: string, description = '') => xmppPartnerSchema.parse({ domain, description })

export const replicaOf = (revision: number, ...domains: string[]): Replica => ({
  model: {
    partners: domains.map((domain) => partner(domain)),
    settings: { ...DEFAULT_SETTINGS, federation: true },
    localDomains: [localDomainSchema.parse({ domain: 'sip.example', route: 'sip:127.0.0.1:5060;transport=udp' })],
    revision,
  },
  dialbackSecret: 'a secret of some length',
})

export const inbound = (n: number): InboundEnvelope => ({
  correlationId: `in-${n}`,
  edge: 'edge-1',
  streamId: 'stream-1',
  localDomain: 'sip.example',
  remoteDomain: 'xmpp.example',
  provenBy: 'dialback-over-tls',
  from: 'juliet@xmpp.example',
  to: 'romeo@sip.example',
  stanzaXml: `<message xmlns='jabber:server' id='m${n}'><body>Ä${n}</body></message>`,
  receivedAtMs: 1_700_000_000_000 + n,
})

export const outbound = (n: number, expiresInMs = 30_000): OutboundEnvelope => ({
  correlationId: `out-${n}`,
  localDomain: 'sip.example',
  remoteDomain: 'xmpp.example',
  from: 'romeo@sip.example',
  to: 'juliet@xmpp.example',
  stanzaXml: `<message xmlns='jabber:server' id='o${n}'/>`,
  expiresInMs,
})

export const delivered: Outcome = { kind: 'delivered', status: 200 }
export const wholeFailure: Failure = {
  fault: 'recipient',
  retry: 'later',
  condition: 'gone',
  errorType: 'cancel',
  status: 410,
  text: 'moved away',
  alternate: 'xmpp:romeo@elsewhere.example',
  retryAfterS: 30,
  detail: 'only for the log',
}

export const LIMITS: SessionLimits = { window: { stanzas: 4, bytes: 4096 }, heartbeatMs: 1500, deadAfterMs: 5000 }

export interface PairOptions {
  readonly limits?: Partial<SessionLimits>
  readonly gatewayVersions?: readonly number[]
  readonly edgeVersions?: readonly number[]
  readonly streams?: readonly StreamNotice[]
  readonly replica?: Replica
}

/** An edge and a gateway session that talk over real encoded batches, under a time that the test moves. */
export class Pair {
  nowMs = 1000
  readonly edge: EdgeSession<string>
  readonly gateway: GatewaySession<string>
  readonly atEdge: EdgeEvent<string>[] = []
  readonly atGateway: GatewayEvent<string>[] = []
  batches = 0

  constructor(options: PairOptions = {}) {
    const limits = { ...LIMITS, ...options.limits }
    this.edge = new EdgeSession(
      {
        node: 'edge-1',
        limits,
        streams: () => options.streams ?? [],
        ...(options.edgeVersions === undefined ? {} : { versions: options.edgeVersions }),
      },
      this.nowMs,
    )
    this.gateway = new GatewaySession(
      {
        node: 'gateway-1',
        limits,
        replica: options.replica ?? replicaOf(1, 'xmpp.example'),
        ...(options.gatewayVersions === undefined ? {} : { versions: options.gatewayVersions }),
      },
      this.nowMs,
    )
  }

  toEdge(batch: GatewayBatch): void {
    const bytes = toBinary(GatewayBatchSchema, batch)
    this.atEdge.push(...this.edge.receive(fromBinary(GatewayBatchSchema, bytes), this.nowMs))
  }

  toGateway(batch: EdgeBatch): void {
    const bytes = toBinary(EdgeBatchSchema, batch)
    this.atGateway.push(...this.gateway.receive(fromBinary(EdgeBatchSchema, bytes), this.nowMs))
  }

  /** Lets both talk until neither has anything to say. */
  run(): this {
    for (;;) {
      const fromGateway = this.gateway.takeBatch(this.nowMs)
      if (fromGateway !== undefined) this.toEdge(fromGateway)
      const fromEdge = this.edge.takeBatch(this.nowMs)
      if (fromEdge !== undefined) this.toGateway(fromEdge)
      if (fromGateway === undefined && fromEdge === undefined) return this
      this.batches += 1
    }
  }

  /** What has happened since the last call. */
  news(): { readonly edge: readonly EdgeEvent<string>[]; readonly gateway: readonly GatewayEvent<string>[] } {
    return { edge: this.atEdge.splice(0), gateway: this.atGateway.splice(0) }
  }
}

export const edgeBatch = (init: Parameters<typeof create<typeof EdgeBatchSchema>>[1]): EdgeBatch =>
  create(EdgeBatchSchema, init)
export const gatewayBatch = (init: Parameters<typeof create<typeof GatewayBatchSchema>>[1]): GatewayBatch =>
  create(GatewayBatchSchema, init)
