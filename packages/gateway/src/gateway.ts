import type { Clock, Hashes, Ids, Log, Outcome, Timers } from '@stox/kernel'
import { ensureFirstToken, startAdminApi } from '@stox/admin-api'
import type { SessionRow as ApiSessionRow } from '@stox/admin-api'
import { FederationIndex } from '@stox/federation'
import type { FederationModel } from '@stox/federation'
import type { InboundEnvelope, Replica, SessionRow } from '@stox/link'
import { StartFailure, starting } from '@stox/service'
import type { SipResponse } from '@stox/sip'
import { openStore } from '@stox/store'
import type { Store } from '@stox/store'
import { createMetrics, opsServer, sparingLog } from '@stox/telemetry'
import type { Metrics, ReadyReport } from '@stox/telemetry'
import {
  CertificateFiles,
  LinkClient,
  NodeDnsResolver,
  SipEndpoint,
  SipTls,
  RevocationStore,
  TrustStore,
  cryptoIds,
  nodeDigestHashes,
  nodeHashes,
  systemClock,
  systemTimers,
} from '@stox/transport'
import type {
  IncomingSipRequest,
  LinkClientOptions,
  LinkClientPort,
  SipEndpointOptions,
  SipTransport,
  TlsIdentity,
} from '@stox/transport'
import { answerIq } from './answer-iq.ts'
import type { AnswerIqDeps } from './answer-iq.ts'
import { bounced } from './bounce.ts'
import type { GatewayConfig } from './config.ts'
import type { OwnAddress } from './choose-route.ts'
import { Conversations } from './conversations.ts'
import type { ChatSessions } from './chat-sessions.ts'
import { chooseRoute } from './choose-route.ts'
import { deliverToSip } from './deliver-to-sip.ts'
import type { DeliverToSipDeps } from './deliver-to-sip.ts'
import { deliverToXmpp } from './deliver-to-xmpp.ts'
import type { DeliverToXmppDeps } from './deliver-to-xmpp.ts'
import { PresenceKeeper } from './keep-presence.ts'
import { keepHeapLean } from './lean-heap.ts'
import { HoldDowns } from './hold-downs.ts'
import { LoopGuard } from './loop-guard.ts'
import { OlderMessages } from './older-messages.ts'
import { OpaqueGruus } from './opaque-gruus.ts'
import { PairQueues } from './pair-queues.ts'
import { AskedOfSip } from './pass-reports.ts'
import { Typing } from './pass-typing.ts'
import { Repeats } from './repeats.ts'
import { seedModel } from './seed-model.ts'
import { ServerLocator } from './locate-servers.ts'
import { AuthenticatingSender } from './authenticating-sender.ts'
import { DigestGuard } from './digest-guard.ts'
import { DisplayNames } from './display-names.ts'
import { FailoverSender } from './failover-sender.ts'
import { ServerProbes } from './probe-servers.ts'
import type { ServerReport } from './probe-servers.ts'
import { PresencePublisher } from './publish-presence.ts'
import { CountingSender } from './send-sip.ts'
import { sessionRows, sessionsOf } from './session-wiring.ts'
import { ServerHealth } from './server-health.ts'
import type { SipTlsConfig } from './sip-config.ts'
import { SipAbilities } from './sip-abilities.ts'
import { SipCaps } from './sip-caps.ts'
import { takeRequest } from './take-request.ts'
import { busyForSessionS, takeInvite } from './take-session.ts'
import { takeStanza } from './take-stanza.ts'
import { trustedPeers } from './trusted-peers.ts'

/** Only a test gives others. */
export interface GatewayDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly hashes: Hashes
  readonly log: Log
  link(options: LinkClientOptions): LinkClientPort
  openStore(url: string): Store
  /** The first administrator token, in clear, the one time that it is made. */
  firstToken(token: string): void
}

export interface GatewayAddresses {
  readonly sip: readonly { readonly transport: string; readonly host: string; readonly port: number }[]
  readonly admin: { readonly address: string; readonly port: number }
  readonly ops: { readonly address: string; readonly port: number }
}

export interface Gateway {
  readonly addresses: GatewayAddresses
  /** What is under way gets a few seconds to end. */
  close(): Promise<void>
  /** Certificates and authorities of SIP, from their files. */
  reload(): Promise<void>
}

/** The answer to a change waits so long for the edges that are attached; one that is slower hears of it all the same. */
const IN_FORCE_WITHIN_MS = 2000
const IN_FORCE_POLL_MS = 10

/** What is under way when the process is told to stop may take so long; the rest of ten seconds is for closing. */
const LAST_WORDS_MS = 5000
const LAST_WORDS_POLL_MS = 50
/** And the good-byes in all sessions so long. */
const GOOD_BYE_MS = 2000

/** Configuration, store, SIP, link, API: in this order, and back. Rejects with a `StartFailure`. */
export async function startGateway(
  config: GatewayConfig,
  given: Partial<GatewayDeps> & { readonly log: Log },
): Promise<Gateway> {
  const clock = given.clock ?? systemClock
  const timers = given.timers ?? systemTimers
  const ids = given.ids ?? cryptoIds
  const hashes = given.hashes ?? nodeHashes
  const { log } = given
  const undo: (() => Promise<void> | void)[] = []
  const reloads: (() => Promise<void>)[] = []
  const unwind = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step()
  }

  try {
    const metrics = createMetrics({ node: config.node })
    undo.push(() => metrics.close())
    const store = (given.openStore ?? ((url: string) => storeOf(url, { clock, timers, log })))(config.store.url)
    undo.push(() => store.close())
    let model = await seedModel(store, config, { clock, ids })
    let index = new FederationIndex(model)

    // --- the SIP side
    const resolver = new NodeDnsResolver({ servers: config.dns.servers })
    let take: (incoming: IncomingSipRequest) => void = () => undefined
    const strangers = sparingLog(log, clock)
    const tls =
      config.sip.tls === undefined
        ? undefined
        : await openSipTls(config.sip.tls, { clock, timers, log, metrics, undo, reloads })
    const endpoint = new SipEndpoint({
      listen: config.sip.listen,
      ...(tls === undefined ? {} : { tls }),
      limits: {
        maxUnanswered: config.sip.overload.unanswered,
        maxConnections: config.sip.maxConnections,
        maxConnectionsPerPeer: config.sip.maxConnectionsPerPeer,
        idleMs: config.sip.idleS * 1000,
        keepAliveMs: config.sip.keepAliveS * 1000,
        maxDelayMs: config.sip.overload.delayMs,
      },
      ...(config.sip.advertisedHost === undefined ? {} : { advertisedHost: config.sip.advertisedHost }),
      clock,
      timers,
      ids,
      log: strangers,
      trusted: trustedPeers(config.sip.trustedPeers),
      ...authenticating(config.sip.digest, { clock, ids }),
      busyForS: (request) =>
        presence?.busyForS(request) ?? (taking === undefined ? undefined : busyForSessionS(taking, request)),
      sessions: (request) => taking?.sessions.takes(request) ?? false,
      on: {
        request: (incoming) => take(incoming),
        acknowledged: (ack) => taking?.sessions.acknowledged(ack),
        refused: (kind, refusal) => {
          metrics.inputRefused(kind)
          strangers.warn('sip-refused', {
            kind,
            detail: refusal.detail,
            remote: refusal.remote.host,
            status: refusal.status,
          })
        },
      },
    })
    const health = new ServerHealth(clock)
    const transports: readonly SipTransport[] = tls === undefined ? ['tcp', 'udp'] : ['tls', 'tcp', 'udp']
    const locator = new ServerLocator({ resolver, clock, ids, transports })
    const failover = new FailoverSender({
      ...{ endpoint, locator, health, clock, timers },
      isThere: (target, domain) => probes.isThere(target, domain),
    })
    const { credentials } = config.sip
    const signing = new AuthenticatingSender({ sender: failover, credentials, hashes: nodeDigestHashes, ids, log })
    const sip = new CountingSender(signing, metrics)
    const probes: ServerProbes = new ServerProbes({
      ...{ endpoint, locator, health, clock, timers, ids, log },
      intervalMs: config.sip.probeIntervalS * 1000,
      domains: () => index.model.localDomains,
      cameBack: (domain) => publisher.serverCameBack(domain),
      accept: (byDomain) => abilities.noteServers(byDomain),
    })

    // --- the link
    let under = 0
    let closing = false
    let takeEnvelope: (envelope: InboundEnvelope) => Promise<Outcome> = () => Promise.resolve(bounced(notReady))
    let presence: PresenceKeeper | undefined
    let taking: ReturnType<typeof sessionsOf> | undefined
    const link = (given.link ?? ((options: LinkClientOptions) => new LinkClient(options)))({
      node: config.node,
      edges: config.link.edges,
      tls: config.link.tls,
      replica: replicaOf(model),
      clock,
      timers,
      ids,
      log,
      on: {
        inbound: (envelope) => (closing ? Promise.resolve(bounced(notReady)) : takeEnvelope(envelope)),
        attached: (edge) => {
          log.info('edge-attached', { edge })
          presence?.edgeAttached()
        },
        detached: (edge, reason) => log.warn('edge-detached', { edge, reason }),
        streamUp: (notice) => presence?.streamUp(notice.remoteDomain),
      },
    })
    undo.push(() => link.close())

    // --- the stories
    // The model has its passphrase: seeding and the API leave one.
    const opaqueGruus = new OpaqueGruus(hashes, () => model.settings.dialbackPassphrase ?? '')
    const gruu = config.sip.gruu === 'opaque' ? opaqueGruus : config.sip.gruu
    const sipAddress: OwnAddress = (transport) => endpoint.contact(transport)
    const conversations = new Conversations({ clock, ids, hashes })
    const queues = new PairQueues<Outcome>()
    const abilities = new SipAbilities(clock)
    const caps = new SipCaps({ abilities, index: () => index })
    const publisher = new PresencePublisher({
      ...{ clock, timers, ids, hashes, log, gruu, sip, sipAddress },
      store: store.publications,
      index: () => index,
      expiresS: config.presence.expiresS,
      intervalMs: config.presence.notifyIntervalMs,
      noteListed: (watcher, contact, listed) => keeper.noteListed(watcher, contact, listed),
      isApproved: (watcher, contact) => keeper.isApproved(watcher, contact),
    })
    const keeper: PresenceKeeper = new PresenceKeeper({
      clock,
      timers,
      ids,
      hashes,
      log,
      metrics,
      store: store.subscriptions,
      index: () => index,
      gruu,
      sip,
      sipAddress,
      link,
      withCaps: (stanza) => caps.withCaps(stanza),
      noteWatch: (entry, held) => publisher.noteWatch(entry, held),
      expiresS: config.presence.expiresS,
      notifyIntervalMs: config.presence.notifyIntervalMs,
      mostNew: config.sip.overload.newSubscriptions,
      noteCrowd: keepHeapLean,
      isLate: () => endpoint.delayMs > config.sip.overload.delayMs / 2,
    })
    presence = keeper
    const giveUpMs = config.messages.giveUpS * 1000
    const typing = new Typing({ clock, timers, ids, link, giveUpMs, conversations })
    undo.push(() => typing.close())
    const common = {
      clock,
      ids,
      log,
      metrics,
      journal: store.journal,
      index: () => index,
      conversations,
      typing,
      abilities,
      repeats: new Repeats(clock, ids),
      asked: new AskedOfSip(),
      older: new OlderMessages({
        clock,
        hashes,
        journal: store.journal,
        secret: () => model.settings.dialbackPassphrase ?? '',
      }),
      held: new HoldDowns(clock),
    }
    const names = new DisplayNames()
    const toUsers: AnswerIqDeps = {
      ids,
      caps,
      names,
      index: () => index,
      link,
      giveUpMs,
      shownResources: (sipUser, xmppUser) => keeper.shownResources(sipUser, xmppUser),
    }
    const toXmpp: DeliverToXmppDeps = {
      ...common,
      hashes,
      link,
      giveUpMs,
      loops: new LoopGuard(clock),
      names,
      opaqueGruus: config.sip.gruu === 'opaque' ? opaqueGruus : undefined,
      shownResource: (sipUser, xmppUser) => keeper.shownResource(sipUser, xmppUser),
    }
    const { most, mostPerDomain, idleS, patienceS } = config.sip.sessions
    taking = sessionsOf({
      ...{ clock, timers, ids, log, sipAddress, toXmpp, counted: (work) => counted(work) },
      sip: { send: (...args) => sip.send(...args), acknowledge: (...args) => signing.acknowledge(...args) },
      limits: { most, mostPerDomain },
      mostNew: config.sip.overload.newSessions,
      idleMs: idleS * 1000,
      patienceMs: patienceS * 1000,
      index: () => index,
      route: (domain) => chooseRoute(index, domain, gruu, sipAddress),
    })
    const room = taking
    const { sessions } = room
    undo.push(() => sessions.close())
    const toSip: DeliverToSipDeps = {
      ...common,
      gruu,
      sipAddress,
      sip,
      sessions,
      queues,
      link,
      giveUpMs,
      hasServer: (route) => failover.hasGood(route.uri, route.options),
      isAuthorizedBy: (local, remote) => keeper.isAuthorizedBy(local, remote),
    }
    const counted = async <T>(work: Promise<T>): Promise<T> => {
      under += 1
      try {
        return await work
      } finally {
        under -= 1
      }
    }
    takeEnvelope = (envelope) =>
      counted(
        takeStanza(
          {
            message: (one, message) => deliverToSip(toSip, one, message),
            presence: (_one, stanza) => keeper.takePresence(stanza),
            iq: (iq) => answerIq(toUsers, iq),
          },
          envelope,
        ),
      )
    take = (incoming) =>
      takeRequest(
        {
          ids,
          index: () => index,
          message: (one) => void counted(deliverToXmpp(toXmpp, one)),
          subscribe: (one) => keeper.takeSubscribe(one),
          notify: (one) => {
            if (!publisher.takeNotify(one)) keeper.takeNotify(one)
          },
          takesSessions: (request) => sessions.takes(request),
          invite: (one) => void counted(takeInvite(room, one)),
          inSession: (one) => sessions.takeInDialog(one),
        },
        countingAnswer(incoming, metrics),
      )
    /** Every attached edge goes by this revision. */
    const inForce = async (revision: number): Promise<void> => {
      const untilMs = clock.monotonicMs() + IN_FORCE_WITHIN_MS
      const behind = () => link.edges().some((edge) => edge.attached && (edge.replicaRevision ?? 0) < revision)
      while (!closing && behind() && clock.monotonicMs() < untilMs)
        await new Promise<void>((resolve) => timers.arm(IN_FORCE_POLL_MS, resolve))
    }
    watchGauges(metrics, { queues, keeper, publisher, sessions, link, endpoint, store })
    metrics.watchSipServers(() => probes.reports())
    if (config.sip.tls !== undefined) watchExpiry(metrics, config.sip.tls.identity, clock)

    // --- to work
    await keeper.load()
    const addresses = await starting('sip.listen', 'another program has the port, or the address is not ours', () =>
      endpoint.listen(),
    )
    undo.push(() => endpoint.close())
    probes.start()
    undo.push(() => probes.close())
    const ready = (): ReadyReport => {
      const edges = link.edges()
      const attached = edges.filter((edge) => edge.attached)
      const problem = edges.map((edge) => edge.lastProblem).find((text) => text !== undefined)
      return {
        store: store.health(),
        sip: { ok: true, detail: sipDetail(config.sip.listen, probes.reports()) },
        edge: {
          ok: attached.length > 0,
          detail:
            attached.length > 0 ? `${attached.length} of ${edges.length} attached` : (problem ?? 'no edge is attached'),
        },
      }
    }
    const ops = await starting('ops.listen', 'another program has the port, or the address is not ours', () =>
      opsServer({ listen: config.ops.listen, ready, metrics }),
    )
    undo.push(() => ops.close())
    const api = await starting('admin.listen', 'another program has the port, or the address is not ours', () =>
      startAdminApi({
        listen: config.admin.listen,
        store,
        clock,
        log,
        ports: {
          sessions: async () => (await link.sessions()).map(apiRow),
          closeSession: (id) => link.closeSession(id),
          refreshSubscription: (id) => keeper.refresh(id),
          deleteSubscription: (id) => keeper.remove(id),
          publications: () => publisher.rows(),
          sipSessions: () => sessionRows(sessions, clock),
          onModelChanged: (changed) => {
            model = changed
            index = new FederationIndex(model)
            link.publish(replicaOf(model))
            publisher.modelChanged(keeper)
            log.info('model-changed', { revision: model.revision })
            return inForce(changed.revision)
          },
          ready,
          metrics,
        },
      }),
    )
    undo.push(() => api.close())
    const token = await ensureFirstToken(store, clock)
    if (token !== undefined) given.firstToken?.(token)
    await publisher.load()
    keeper.start()
    undo.push(() => keeper.close())
    publisher.start(keeper)
    undo.push(() => publisher.close())
    link.start()
    log.info('gateway-started', {
      node: config.node,
      sip: addresses.map(({ transport, host, port }) => `${transport}:${host}:${port}`).join(' '),
      admin: `${api.address}:${api.port}`,
      revision: model.revision,
    })

    return {
      addresses: { sip: addresses, admin: api, ops },
      close: async () => {
        if (closing) return
        closing = true
        log.info('gateway-stopping', { underWay: under })
        void counted(typing.end())
        const untilMs = clock.monotonicMs() + LAST_WORDS_MS
        while (under > 0 && clock.monotonicMs() < untilMs)
          await new Promise<void>((resolve) => timers.arm(LAST_WORDS_POLL_MS, resolve))
        await sessions.drain(GOOD_BYE_MS)
        await unwind()
      },
      reload: async () => void (await Promise.all(reloads.map((reload) => reload()))),
    }
  } catch (error) {
    await unwind()
    throw error
  }
}

/** Certificates and authorities are read again when their files change. */
async function openSipTls(
  { identity, trust: source, clientCertificates, files, revocations: listFiles }: SipTlsConfig,
  deps: Pick<GatewayDeps, 'clock' | 'timers' | 'log'> & {
    readonly metrics: Metrics
    readonly undo: (() => void)[]
    readonly reloads: (() => Promise<void>)[]
  },
): Promise<SipTls> {
  const { clock, timers, log, metrics, undo, reloads } = deps
  const opened = await TrustStore.open(source)
  if (!opened.ok)
    throw new StartFailure([{ path: 'sip.tls.ca', problem: opened.failure.detail, hint: 'system, or a PEM file' }])
  const trust = opened.value
  const lists = await RevocationStore.open(listFiles)
  if (!lists.ok) {
    const hint = 'files with the revocation lists (CRLs) of authorities, PEM or DER'
    throw new StartFailure(
      lists.failure.map(({ file, problem }) => ({ path: 'sip.tls.revocations', problem: `${file}: ${problem}`, hint })),
    )
  }
  const revocations = lists.value
  metrics.watchRevocationLists(() => revocations.due(clock.wallMs()))
  const watched = await CertificateFiles.watch({
    files,
    tls: identity,
    trust: { source, store: trust },
    revocations,
    timers,
    clock,
    log,
  })
  undo.push(() => watched.close())
  reloads.push(() => watched.reload())
  return new SipTls({ identity, trust, revocations, clock, clientCertificates })
}

/** Who is not trusted is asked for a password where one is set up. */
function authenticating(
  digest: GatewayConfig['sip']['digest'],
  deps: Pick<GatewayDeps, 'clock' | 'ids'>,
): Pick<SipEndpointOptions, 'authenticate'> {
  if (digest === undefined) return {}
  const guard = new DigestGuard({ ...digest, ...deps, nonceLifeMs: digest.nonceLifeS * 1000, hashes: nodeDigestHashes })
  return { authenticate: (request) => guard.judge(request) }
}

function watchExpiry(metrics: Metrics, identity: TlsIdentity, clock: Clock): void {
  metrics.watchCertificates(() =>
    identity
      .expiries()
      .map(
        ({ domain, notAfterMs }) => ({ side: 'ours', domain, seconds: (notAfterMs - clock.wallMs()) / 1000 }) as const,
      ),
  )
}

/** Where we listen, and which of the SIP servers are there. That one is down is no reason to restart us. */
function sipDetail(listen: readonly string[], servers: readonly ServerReport[]): string {
  const down = servers.filter(({ up }) => !up).map(({ server }) => server)
  const counted = servers.length === 0 ? [] : [`${servers.length - down.length} of ${servers.length} SIP servers up`]
  return [listen.join(', '), ...counted, ...(down.length === 0 ? [] : [`down: ${down.join(', ')}`])].join('; ')
}

const notReady = {
  fault: 'us',
  retry: 'later',
  condition: 'resource-constraint',
  errorType: 'wait',
  status: 500,
  text: 'The gateway is not ready',
  detail: 'starting or stopping',
} as const

/** What the edge is told; its secret travels by itself. */
function replicaOf(model: FederationModel): Replica {
  const { dialbackPassphrase } = model.settings
  // Keys made from an empty secret could be made by anybody; seeding and the API always leave one.
  if (dialbackPassphrase === null) throw new Error('the federation model has no dialback passphrase')
  return {
    model: { ...model, settings: { ...model.settings, dialbackPassphrase: null } },
    dialbackSecret: dialbackPassphrase,
  }
}

/** The store of the configuration, or a problem that says what to do. */
function storeOf(url: string, deps: { readonly clock: Clock; readonly timers: Timers; readonly log: Log }): Store {
  const store = openStore(url, deps)
  if (!store.ok)
    throw new StartFailure([{ path: 'store.url', problem: store.failure.detail, hint: store.failure.hint }])
  return store.value
}

const apiRow = (row: SessionRow): ApiSessionRow => ({
  id: row.id,
  edge: row.edge,
  direction: row.direction,
  localDomain: row.localDomain,
  remoteDomain: row.remoteDomain,
  state: row.state === 'established' || row.state === 'failed' ? row.state : 'negotiating',
  method: row.provenBy ?? null,
  tls: row.tls ?? null,
  cipher: row.cipher ?? null,
  streamManagement: row.streamManagement,
  bidirectional: row.bidirectional,
  matrixRow: row.matrixRow ?? null,
  certificateProblem: row.unprovenBecause ?? null,
  partner: row.partner ?? null,
  remoteAddress: row.remoteAddress === '' ? null : row.remoteAddress,
  remotePort: row.remotePort ?? null,
  sinceMs: row.establishedAtMs,
  stanzasIn: row.stanzasIn,
  stanzasOut: row.stanzasOut,
  waitingStanzas: row.waitingStanzas,
  waitingBytes: row.waitingBytes,
  quietMs: row.quietMs,
  reason: row.reason ?? null,
  failure: row.failure ?? null,
  ownCertificate: row.ownCertificate ?? null,
  peerCertificate: row.peerCertificate ?? null,
})

function countingAnswer(
  incoming: IncomingSipRequest,
  metrics: Pick<Metrics, 'sipTransactionEnded'>,
): IncomingSipRequest {
  const { request, flow, isCancelled } = incoming
  const respond = (response: SipResponse): void => {
    metrics.sipTransactionEnded('server', request.method, response.status)
    incoming.respond(response)
  }
  if (isCancelled === undefined) return { request, flow, respond }
  // A 2xx to INVITE is said more than once.
  let isSaid = false
  const once = (response: SipResponse): void => {
    if (isSaid) return incoming.respond(response)
    isSaid = true
    respond(response)
  }
  return { request, flow, respond: once, isCancelled }
}

function watchGauges(
  metrics: Metrics,
  parts: {
    readonly queues: PairQueues<Outcome>
    readonly keeper: PresenceKeeper
    readonly publisher: PresencePublisher
    readonly sessions: ChatSessions
    readonly link: LinkClientPort
    readonly endpoint: SipEndpoint
    readonly store: Store
  },
): void {
  const { queues, keeper, publisher, sessions, link, endpoint, store } = parts
  metrics.watchQueue('messages-to-sip', () => queues.waiting)
  metrics.watchQueue('link-waiting', () => link.gauges().waiting)
  metrics.watchQueue('link-open-sent', () => link.gauges().openSent)
  metrics.watchQueue('link-open-taken', () => link.gauges().openTaken)
  metrics.watchQueue('sip-unanswered', () => endpoint.counts().unanswered)
  metrics.watchQueue('sip-client-transactions', () => endpoint.counts().clientTransactions)
  metrics.watchQueue('journal', () => store.journal.waiting)
  metrics.watchJournalDropped(() => store.journal.dropped)
  metrics.watchLinkCredit('edges', () => link.gauges().creditStanzas)
  metrics.watchSubscriptions(() => keeper.counts())
  metrics.watchPublications(() => publisher.counts())
  metrics.watchSipSessions(() => sessions.size)
}
