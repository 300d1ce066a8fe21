import { ensureFirstToken, startAdminApi } from '@stox/admin-api'
import { FederationIndex } from '@stox/federation'
import { waitWhile } from '@stox/kernel'
import type { Clock, Hashes, Ids, Log, Outcome, Timers } from '@stox/kernel'
import type { InboundEnvelope } from '@stox/link'
import { starting } from '@stox/service'
import type { Store } from '@stox/store'
import { createMetrics, opsServer, sparingLog } from '@stox/telemetry'
import type { ReadyReport } from '@stox/telemetry'
import {
  LinkClient,
  NodeDnsResolver,
  SipEndpoint,
  cryptoIds,
  nodeDigestHashes,
  nodeHashes,
  systemClock,
  systemTimers,
} from '@stox/transport'
import type { IncomingSipRequest, LinkClientOptions, LinkClientPort, SipTransport } from '@stox/transport'
import { answerIq } from './answer-iq.ts'
import type { AnswerIqDeps } from './answer-iq.ts'
import { AuthenticatingSender } from './authenticating-sender.ts'
import { bounced, notReady } from './bounce.ts'
import { chooseRoute } from './choose-route.ts'
import type { OwnAddress } from './choose-route.ts'
import type { GatewayConfig } from './config.ts'
import { Conversations } from './conversations.ts'
import { countingAnswer } from './counting-answer.ts'
import { deliverToSip } from './deliver-to-sip.ts'
import type { DeliverToSipDeps } from './deliver-to-sip.ts'
import { deliverToXmpp } from './deliver-to-xmpp.ts'
import type { DeliverToXmppDeps } from './deliver-to-xmpp.ts'
import { DisplayNames } from './display-names.ts'
import { endpointOptions } from './endpoint-options.ts'
import { FailoverSender } from './failover-sender.ts'
import { watchGauges } from './gauges.ts'
import { HoldDowns } from './hold-downs.ts'
import { PresenceKeeper } from './keep-presence.ts'
import { keepHeapLean } from './lean-heap.ts'
import { ServerLocator } from './locate-servers.ts'
import { LoopGuard } from './loop-guard.ts'
import { OlderMessages } from './older-messages.ts'
import { OpaqueGruus } from './opaque-gruus.ts'
import { openSipTls } from './open-sip-tls.ts'
import { PairQueues } from './pair-queues.ts'
import { AskedOfSip } from './pass-reports.ts'
import { Typing } from './pass-typing.ts'
import { ServerProbes } from './probe-servers.ts'
import { PresencePublisher } from './publish-presence.ts'
import { readiness } from './readiness.ts'
import { Repeats } from './repeats.ts'
import { replicaOf } from './replica-of.ts'
import { seedModel } from './seed-model.ts'
import { CountingSender } from './send-sip.ts'
import { ServerHealth } from './server-health.ts'
import { sessionRows, sessionsOf } from './session-wiring.ts'
import { SipAbilities } from './sip-abilities.ts'
import { SipCaps } from './sip-caps.ts'
import { storeOf } from './store-of.ts'
import { takeRequest } from './take-request.ts'
import { busyForSessionS, takeInvite } from './take-session.ts'
import { takeStanza } from './take-stanza.ts'
import { UnderWay } from './under-way.ts'
import { xmppSessionRow } from './xmpp-session-row.ts'

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

const FREE_ADDRESS = 'another program has the port, or the address is not ours'

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
  const underWay = new UnderWay()
  const undo: (() => Promise<void> | void)[] = []
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
    const sipTls =
      config.sip.tls === undefined ? undefined : await openSipTls(config.sip.tls, { clock, timers, log, metrics })
    undo.push(() => sipTls?.files.close())
    const endpoint = new SipEndpoint({
      ...endpointOptions(config.sip, sipTls?.tls, { clock, ids }),
      ...{ clock, timers, ids, log: strangers },
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
    const transports: readonly SipTransport[] = sipTls === undefined ? ['tcp', 'udp'] : ['tls', 'tcp', 'udp']
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
    let closing = false
    let takeEnvelope: (envelope: InboundEnvelope) => Promise<Outcome> = () => Promise.resolve(bounced(notReady))
    let presence: PresenceKeeper | undefined
    let taking: ReturnType<typeof sessionsOf> | undefined
    const link = (given.link ?? ((options: LinkClientOptions) => new LinkClient(options)))({
      ...{ clock, timers, ids, log },
      node: config.node,
      edges: config.link.edges,
      tls: config.link.tls,
      replica: replicaOf(model),
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
      ...{ clock, timers, ids, hashes, log, metrics, gruu, sip, sipAddress, link },
      store: store.subscriptions,
      index: () => index,
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
      ...{ clock, ids, log, metrics, conversations, typing, abilities },
      journal: store.journal,
      index: () => index,
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
      ...{ clock, timers, ids, log, sipAddress, toXmpp, counted: (work) => underWay.counted(work) },
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
    takeEnvelope = (envelope) =>
      underWay.counted(
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
          message: (one) => void underWay.counted(deliverToXmpp(toXmpp, one)),
          subscribe: (one) => keeper.takeSubscribe(one),
          notify: (one) => {
            if (!publisher.takeNotify(one)) keeper.takeNotify(one)
          },
          takesSessions: (request) => sessions.takes(request),
          invite: (one) => void underWay.counted(takeInvite(room, one)),
          inSession: (one) => sessions.takeInDialog(one),
        },
        countingAnswer(incoming, metrics),
      )
    /** Every attached edge goes by this revision. */
    const inForce = async (revision: number): Promise<void> => {
      const isBehind = () => link.edges().some((edge) => edge.attached && (edge.replicaRevision ?? 0) < revision)
      const untilMs = clock.monotonicMs() + IN_FORCE_WITHIN_MS
      await waitWhile({ clock, timers }, () => !closing && isBehind(), untilMs, IN_FORCE_POLL_MS)
    }
    watchGauges(metrics, { queues, keeper, publisher, sessions, link, endpoint, store, probes })

    // --- to work
    await keeper.load()
    const addresses = await starting('sip.listen', FREE_ADDRESS, () => endpoint.listen())
    undo.push(() => endpoint.close())
    probes.start()
    undo.push(() => probes.close())
    const ready = (): ReadyReport => readiness({ store, link, probes, listen: config.sip.listen })
    const ops = await starting('ops.listen', FREE_ADDRESS, () =>
      opsServer({ listen: config.ops.listen, ready, metrics }),
    )
    undo.push(() => ops.close())
    const api = await starting('admin.listen', FREE_ADDRESS, () =>
      startAdminApi({
        listen: config.admin.listen,
        store,
        clock,
        log,
        ports: {
          sessions: async () => (await link.sessions()).map(xmppSessionRow),
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
        log.info('gateway-stopping', { underWay: underWay.count })
        void underWay.counted(typing.end())
        const untilMs = clock.monotonicMs() + LAST_WORDS_MS
        await waitWhile({ clock, timers }, () => underWay.count > 0, untilMs, LAST_WORDS_POLL_MS)
        await sessions.drain(GOOD_BYE_MS)
        await unwind()
      },
      reload: async () => sipTls?.files.reload(),
    }
  } catch (error) {
    await unwind()
    throw error
  }
}
