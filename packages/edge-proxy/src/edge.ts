import type { Clock, Hashes, Ids, Log, Timers } from '@stox/kernel'
import { openRevocations, openTrust, ownExpiries, starting } from '@stox/service'
import {
  createLog,
  createMetrics,
  opsServer,
  sparingLog,
  type CertificateExpiry,
  type ReadyReport,
  type StreamLabels,
} from '@stox/telemetry'
import {
  CertificateFiles,
  LinkServer,
  NodeDnsResolver,
  XmppEndpoint,
  certificateJudge,
  cryptoIds,
  nodeHashes,
  systemClock,
  systemTimers,
  type DnsResolver,
  type StreamInfo,
  type StreamUp,
  type TlsIdentity,
} from '@stox/transport'
import { CertificateGaps } from './certificate-gaps.ts'
import type { EdgeConfig } from './config.ts'
import { giveOutbound } from './give-outbound.ts'
import { EdgePolicy } from './policy.ts'
import { ReplicaFile } from './replica-file.ts'
import { failedRowsOf, noticeOf, noticesOf, rowsOf } from './session-rows.ts'
import { takeInbound } from './take-inbound.ts'

/** What a test may bring along. */
export interface EdgeDeps {
  readonly log: Log
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly hashes: Hashes
  readonly resolver: DnsResolver
}

export interface ListenAddress {
  readonly address: string
  readonly port: number
}

export interface Edge {
  readonly addresses: {
    readonly xmpp: readonly ListenAddress[]
    readonly link: ListenAddress
    readonly ops: ListenAddress
  }
  /** Streams are closed politely, what is open has its outcome, the replica is on disk. */
  close(): Promise<void>
  /** Certificates and authorities, from their files. */
  reload(): Promise<void>
}

/** Wires the edge and opens its sockets. Rejects with a `StartFailure`, and with nothing left open. */
export async function startEdge(config: EdgeConfig, deps: Partial<EdgeDeps> = {}): Promise<Edge> {
  const { node } = config
  const { penalties } = config.xmpp
  const log = deps.log ?? createLog({ level: config.log.level, name: node })
  const clock = deps.clock ?? systemClock
  const timers = deps.timers ?? systemTimers
  const ids = deps.ids ?? cryptoIds
  const hashes = deps.hashes ?? nodeHashes
  const resolver = deps.resolver ?? new NodeDnsResolver({ servers: config.dns.servers })
  const metrics = createMetrics({ node })
  const policy = new EdgePolicy(ids.token())
  const replicaFile = new ReplicaFile(config.replica.file, log)
  const index = () => policy.index

  const remembered = await starting('replica.file', 'a file that this process may read and write', () =>
    replicaFile.load(),
  )
  if (remembered !== undefined) policy.replace(remembered)

  const trustHint = 'system, or a PEM file with the certificates of the CAs that partners use'
  const trust = await openTrust('xmpp.trustedCas', trustHint, config.xmpp.trust)
  log.info('authorities-trusted', { source: config.xmpp.trust.kind, count: trust.anchors.size })

  const revocations = await openRevocations('xmpp.revocations', config.xmpp.revocations)

  const strangers = sparingLog(log, clock)
  const refused = (kind: string, detail: string): void => {
    metrics.inputRefused(kind)
    strangers.warn('refused', { kind, detail })
  }

  const streamLabels = new Map<string, StreamLabels>()
  const labelsOf = ({ direction, remote, provenBy, tlsVersion }: StreamUp): StreamLabels => ({
    direction: direction === 'in' ? 'inbound' : 'outbound',
    partner: policy.partnerNameOf(remote),
    method: provenBy,
    tls: tlsVersion ?? 'none',
  })

  const endpoint: XmppEndpoint = new XmppEndpoint({
    listen: config.xmpp.listen,
    listenDirectTls: config.xmpp.listenDirectTls,
    tls: config.xmpp.tls,
    clock,
    timers,
    ids,
    hashes,
    log: strangers,
    resolver,
    policy,
    judgeCertificate: certificateJudge(trust, clock, { pinsOf: (domain) => policy.pinsOf(domain), revocations }),
    limits: { freeFaults: penalties.freeFaults, faultForgivenMs: 1000 * penalties.forgivenEveryS },
    on: {
      stanza: (stanza, context) => takeInbound(inbound, stanza, context),
      refused({ kind, detail, remoteAddress, isLast }) {
        metrics.inputRefused(kind)
        // What ends a stream is told once, as its failure.
        if (!isLast) strangers.warn('refused', { kind, detail, remoteAddress })
      },
      streamUp(stream) {
        const labels = labelsOf(stream)
        streamLabels.set(keyOf(stream), labels)
        metrics.streamOpened(labels)
        link.streamUp(noticeOf(stream))
        log.info('stream-up', { streamId: stream.streamId, local: stream.local, remote: stream.remote, ...labels })
      },
      streamDown(stream) {
        const labels = streamLabels.get(keyOf(stream))
        streamLabels.delete(keyOf(stream))
        if (labels !== undefined) metrics.streamClosed(labels)
        link.streamDown(noticeOf(stream))
        const { streamId, local, remote, reason, isFailure } = stream
        if (!isFailure) log.info('stream-down', { streamId, local, remote, ...labels, reason })
      },
      streamFailed: ({ direction, stage, reason }) =>
        metrics.streamFailed(direction === 'in' ? 'inbound' : 'outbound', stage, reason),
      unprovenByCertificate: ({ streamId, remote, reason }) =>
        strangers.warn('certificate-proves-nothing', { kind: remote, streamId, remote, reason }),
    },
  })

  const link = await starting(
    'link',
    'the certificate of this edge, its key and the inside CA',
    () =>
      new LinkServer({
        node,
        listen: config.link.listen,
        tls: config.link.tls,
        peers: config.link.peers,
        clock,
        timers,
        ids,
        log,
        ...(remembered === undefined ? {} : { replica: remembered }),
        on: {
          outbound: (envelope) => giveOutbound(outbound, envelope),
          replica(replica, gateway) {
            policy.replace(replica)
            endpoint.policyChanged()
            void endpoint.recheckCertificates((domain) => policy.hasOtherPins(domain))
            replicaFile.save(replica)
            gaps.warn()
            log.info('replica-taken', { gateway, revision: replica.model.revision })
          },
          attached(gateway) {
            metrics.watchLinkCredit('gateways', () => link.gauges().creditStanzas)
            log.info('gateway-attached', { gateway })
          },
          detached: (gateway, reason) => log.warn('gateway-detached', { gateway, reason }),
          refused,
          traffic(way, stanzas, outcomes) {
            if (stanzas > 0) metrics.linkFrames(way, 'stanza', stanzas)
            if (outcomes > 0) metrics.linkFrames(way, 'outcome', outcomes)
          },
          roundTrip: (ms) => metrics.linkRoundTrip(ms),
          sessions: () => [
            ...rowsOf(node, endpoint.streams(), (domain) => policy.partnerNameOf(domain)),
            ...failedRowsOf(node, endpoint.failures()),
          ],
          closeSession: (id) => id.startsWith(`${node}/`) && endpoint.closeStream(id.slice(node.length + 1)),
          streams: () => noticesOf(endpoint.streams()),
        },
      }),
  )

  const send = endpoint.send.bind(endpoint)
  const answer = endpoint.answer.bind(endpoint)
  const inbound = {
    node,
    ids,
    clock,
    log,
    sparing: strangers,
    metrics,
    index,
    send: answer,
    offer: link.offer.bind(link),
  }
  const outbound = { clock, log, metrics, index, send, refused }
  metrics.watchQueue('link-waiting', () => link.gauges().waiting)
  metrics.watchQueue('link-open-inbound', () => link.gauges().openSent)
  metrics.watchQueue('link-open-outbound', () => link.gauges().openTaken)

  metrics.watchCertificates(() => expiriesOf(config.xmpp.tls, endpoint.streams(), clock.wallMs()))

  metrics.watchRevocationLists(() => revocations.due(clock.wallMs()))

  const gaps = new CertificateGaps({ tls: config.xmpp.tls, clock, log, index })
  gaps.warn()

  const closers: (() => Promise<void>)[] = [async () => metrics.close(), () => replicaFile.close()]
  const closeAll = async (): Promise<void> => {
    for (const close of closers.toReversed()) await close()
  }
  const ready = (): ReadyReport => {
    const gateways = link.attachedGateways()
    return {
      link: { ok: gateways.length > 0, detail: gateways.length > 0 ? gateways.join(', ') : 'no gateway is attached' },
      replica: {
        ok: policy.isTold,
        detail: policy.isTold
          ? `revision ${policy.index.model.revision}`
          : 'no gateway has told us the federation model',
      },
      certificates: gaps.report(),
    }
  }
  try {
    const free = 'an address of this machine that is free, as host:port'
    const ops = await starting('ops.listen', free, () => opsServer({ listen: config.ops.listen, ready, metrics }))
    closers.push(() => ops.close())
    const linkAddress = await starting('link.listen', free, () => link.listen())
    closers.push(() => link.close())
    const xmpp = await starting('xmpp.listen', free, () => endpoint.listen())
    closers.push(() => endpoint.close())
    const { tls, certificates } = config.xmpp
    const authorities = { source: config.xmpp.trust, store: trust }
    const files = await CertificateFiles.watch({
      files: certificates,
      tls,
      trust: authorities,
      revocations,
      onTrust: () => endpoint.recheckCertificates(),
      timers,
      clock,
      log,
    })
    closers.push(async () => files.close())
    log.info('edge-started', { xmpp: config.xmpp.listen.join(', '), link: config.link.listen, ops: config.ops.listen })
    return {
      addresses: { xmpp, link: linkAddress, ops: { address: ops.address, port: ops.port } },
      close: closeAll,
      reload: () => files.reload(),
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Seconds left: of each served domain, and of each partner's domain that has a stream, the certificate that ends first. */
function expiriesOf(tls: TlsIdentity, streams: readonly StreamInfo[], nowMs: number): readonly CertificateExpiry[] {
  const partners = new Map<string, number>()
  for (const { pairs, certificates } of streams) {
    const untilMs = certificates.peer?.notAfterMs
    if (untilMs === undefined) continue
    for (const { remote } of pairs) partners.set(remote, Math.min(untilMs, partners.get(remote) ?? untilMs))
  }
  return [
    ...ownExpiries(tls, nowMs),
    ...[...partners].map(
      ([domain, untilMs]) => ({ side: 'partner', domain, seconds: (untilMs - nowMs) / 1000 }) as const,
    ),
  ]
}

const keyOf = ({ streamId, local, remote }: StreamUp): string => `${streamId}\n${local}\n${remote}`
