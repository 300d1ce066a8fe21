import { ConnectError, createClient, type Client } from '@connectrpc/connect'
import { Http2SessionManager, createConnectTransport } from '@connectrpc/connect-node'
import { utf8Length, type Outcome, type Timer } from '@stox/kernel'
import {
  GatewaySession,
  Link,
  ProtoWriter,
  edgeBatchCodec,
  gatewayBatchCodec,
  sessionRowFromWire,
  type EndReason,
  type GatewayEvent,
  type InboundEnvelope,
  type OutboundEnvelope,
  type Replica,
  type SessionRow,
  type StreamNotice,
} from '@stox/link'
import { LinkDispatch, bounced, brokenHandler, type DispatchEntry, type LinkPeer } from './link-dispatch.ts'
import { ATTACH_PATH, CONNECTION_WINDOW_BYTES, LinkStream, STREAM_TYPE, STREAM_WINDOW_BYTES } from './link-stream.ts'
import {
  DEFAULT_LINK_LIMITS,
  type EdgeInfo,
  type LinkClientOptions,
  type LinkClientPort,
  type LinkGauges,
  type LinkLimits,
} from './link-types.ts'

const READ_MAX_BYTES = 33_554_432
const TICK_MS = 500
const UNARY_TIMEOUT_MS = 5000
const CLOSE_MS = 500
const BACK_OFF_FIRST_MS = 200
/** An attempt costs next to nothing, and presence is to be right again within ten seconds. */
const BACK_OFF_CAP_MS = 2000
/** A link that lasted so long was a good one: the next attempt comes quickly. */
const GOOD_AFTER_MS = 5000
/** The edge gives up so much earlier than we, so that its word, which knows more, is the one that counts. */
const EDGE_AHEAD_MS = 250

type Entry = DispatchEntry<OutboundEnvelope>

/** The gateway's end of the link: dials every edge and stays attached. */
export class LinkClient implements LinkClientPort {
  readonly #dispatch: LinkDispatch<OutboundEnvelope>
  readonly #edges: readonly EdgeLink[]
  #turn = 0
  #closed = false

  constructor(options: LinkClientOptions) {
    const limits = { ...DEFAULT_LINK_LIMITS, ...options.limits }
    this.#dispatch = new LinkDispatch({
      ...limits,
      timers: options.timers,
      nowMs: () => options.clock.monotonicMs(),
      choose: (envelope, peers) => this.#choose(envelope, peers),
      flowOf: ({ remoteDomain }) => remoteDomain,
      whenLost: 'bounce',
    })
    this.#edges = options.edges.map((url) => new EdgeLink({ ...options, url, limits, dispatch: this.#dispatch }))
  }

  start(): void {
    for (const edge of this.#edges) edge.start()
  }

  send(envelope: OutboundEnvelope): Promise<Outcome> {
    return this.#dispatch.offer(envelope, utf8Length(envelope.stanzaXml), envelope.expiresInMs)
  }

  publish(replica: Replica): void {
    for (const edge of this.#edges) edge.publish(replica)
  }

  edges(): readonly EdgeInfo[] {
    return this.#edges.map((edge) => edge.info())
  }

  /** What the attached edges say; one that does not answer adds nothing. */
  async sessions(): Promise<readonly SessionRow[]> {
    const answers = await Promise.allSettled(this.#edges.map((edge) => edge.sessions()))
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  }

  async closeSession(id: string): Promise<boolean> {
    const owner = this.#edges.find((edge) => edge.name !== '' && id.startsWith(`${edge.name}/`))
    return owner !== undefined && (await owner.closeSession(id))
  }

  gauges(): LinkGauges {
    const each = this.#edges.map((edge) => edge.session)
    const sum = (of: (session: GatewaySession<Entry>) => number): number =>
      each.reduce((total, session) => total + (session === undefined ? 0 : of(session)), 0)
    return {
      attached: this.#dispatch.peers.length,
      waiting: this.#dispatch.waiting,
      openSent: sum((session) => session.openSent),
      openTaken: sum((session) => session.openTaken),
      creditStanzas: sum((session) => session.creditStanzas),
      roundTripMs: each.find((session) => session?.roundTripMs !== undefined)?.roundTripMs,
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#dispatch.close()
    await Promise.all(this.#edges.map((edge) => edge.close()))
  }

  /** The edge that has the stream already; else each in turn. */
  #choose(envelope: OutboundEnvelope, peers: readonly LinkPeer<OutboundEnvelope>[]): LinkPeer<OutboundEnvelope> {
    const withStream = this.#edges.find(
      (edge) => peers.includes(edge) && edge.hasStream(envelope.localDomain, envelope.remoteDomain),
    )
    this.#turn += 1
    const chosen = withStream ?? peers[this.#turn % peers.length]
    if (chosen === undefined) throw new RangeError('no edges to choose from')
    return chosen
  }
}

interface EdgeLinkOptions extends Omit<LinkClientOptions, 'limits'> {
  readonly url: string
  readonly limits: LinkLimits
  readonly dispatch: LinkDispatch<OutboundEnvelope>
}

/** The link to one edge, over all the connections it takes to keep it. */
class EdgeLink implements LinkPeer<OutboundEnvelope> {
  readonly #options: EdgeLinkOptions
  #replica: Replica
  #session: GatewaySession<Entry> | undefined
  #stream: LinkStream | undefined
  #client: Client<typeof Link> | undefined
  #connection: Http2SessionManager | undefined
  readonly #writer = new ProtoWriter()
  #node = ''
  #attachedAtMs: number | undefined
  #lastedMs = 0
  #replicaRevision: number | undefined
  #lastProblem: string | undefined = 'not dialled yet'
  #ticker: Timer | undefined
  #pause: { readonly timer: Timer; readonly over: () => void } | undefined
  #running: Promise<void> | undefined
  #closed = false
  /** The streams of the edge that are up, by all that names one. */
  readonly #streams = new Map<string, StreamNotice>()
  /** How many of them go out, by domain pair. */
  readonly #outboundPairs = new Map<string, number>()

  constructor(options: EdgeLinkOptions) {
    this.#options = options
    this.#replica = options.replica
  }

  get name(): string {
    return this.#node
  }

  get session(): GatewaySession<Entry> | undefined {
    return this.#session
  }

  hasStream(localDomain: string, remoteDomain: string): boolean {
    return this.#outboundPairs.has(`${localDomain}\n${remoteDomain}`)
  }

  fits(bytes: number): boolean {
    return this.#session?.fits(bytes) ?? false
  }

  hasRoom(bytes: number): boolean {
    return this.#session?.hasRoom(bytes) ?? false
  }

  give(entry: Entry): void {
    const leftMs = entry.deadlineMs - this.#nowMs() - EDGE_AHEAD_MS
    this.#session?.offer(entry, entry.envelope, entry.bytes, leftMs)
    this.#stream?.poke()
  }

  start(): void {
    this.#running ??= this.#run()
  }

  publish(replica: Replica): void {
    this.#replica = replica
    this.#session?.publish(replica)
    this.#stream?.poke()
  }

  info(): EdgeInfo {
    return {
      url: this.#options.url,
      node: this.#node === '' ? undefined : this.#node,
      attached: this.#attachedAtMs !== undefined,
      replicaRevision: this.#replicaRevision,
      roundTripMs: this.#session?.roundTripMs,
      lastProblem: this.#lastProblem,
    }
  }

  async sessions(): Promise<readonly SessionRow[]> {
    if (this.#client === undefined || this.#attachedAtMs === undefined) return []
    const { sessions } = await this.#client.listSessions({}, { timeoutMs: UNARY_TIMEOUT_MS })
    return sessions.map(sessionRowFromWire)
  }

  async closeSession(id: string): Promise<boolean> {
    if (this.#client === undefined || this.#attachedAtMs === undefined) return false
    const { found } = await this.#client.closeSession({ id }, { timeoutMs: UNARY_TIMEOUT_MS })
    return found
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#pause?.timer.cancel()
    this.#pause?.over()
    this.#end('shutdown', `${this.#options.node} stops`)
    const force = this.#options.timers.arm(CLOSE_MS, () => this.#connection?.abort())
    await this.#running
    force.cancel()
  }

  async #run(): Promise<void> {
    let backOffMs = BACK_OFF_FIRST_MS
    while (!this.#closed) {
      const lastedMs = await this.#once()
      if (lastedMs >= GOOD_AFTER_MS) backOffMs = BACK_OFF_FIRST_MS
      if (this.#isClosed()) return
      await this.#sleep(backOffMs * (0.5 + this.#options.ids.fraction() / 2))
      backOffMs = Math.min(backOffMs * 2, BACK_OFF_CAP_MS)
    }
  }

  // A plain read of #closed would be narrowed to what it was before the await.
  #isClosed(): boolean {
    return this.#closed
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#pause = { timer: this.#options.timers.arm(ms, resolve), over: resolve }
    })
  }

  /** Dials, attaches and stays until it ends; for how long it was attached. */
  async #once(): Promise<number> {
    const { url, tls, node, limits } = this.#options
    const connection = new Http2SessionManager(
      url,
      { idleConnectionTimeoutMs: 0x7fff_ffff },
      { ...tls, minVersion: 'TLSv1.3', settings: { initialWindowSize: STREAM_WINDOW_BYTES } },
    )
    const transport = createConnectTransport({
      httpVersion: '2',
      baseUrl: url,
      sessionManager: connection,
      acceptCompression: [],
      readMaxBytes: READ_MAX_BYTES,
    })
    const session = new GatewaySession<Entry>(
      {
        node,
        limits: {
          window: { stanzas: limits.windowStanzas, bytes: limits.windowBytes },
          heartbeatMs: limits.heartbeatMs,
          deadAfterMs: limits.deadAfterMs,
        },
        replica: this.#replica,
      },
      this.#nowMs(),
    )
    this.#lastedMs = 0
    this.#session = session
    this.#connection = connection
    this.#client = createClient(Link, transport)
    this.#tick()
    this.#end('transport', await this.#converse(session, connection))
    this.#ticker?.cancel()
    this.#stream = undefined
    connection.abort()
    return this.#lastedMs
  }

  /** Why it is over, when it is. */
  async #converse(session: GatewaySession<Entry>, connection: Http2SessionManager): Promise<string> {
    try {
      const headers = { 'content-type': STREAM_TYPE, 'connect-protocol-version': '1' }
      const stream = await connection.request('POST', ATTACH_PATH, headers, {})
      stream.session?.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
      return await new Promise((ended) => {
        stream.once('response', ({ ':status': status }) => {
          if (status !== 200) ended(`the edge answers with the status ${status}`)
        })
        this.#stream = new LinkStream({
          stream,
          readMaxBytes: READ_MAX_BYTES,
          take: () => this.#batchOf(session),
          isOver: () => session.ended !== undefined,
          heard: (message) => this.#read(session, message),
          ended,
        })
        this.#stream.poke()
      })
    } catch (error) {
      return problemOf(error)
    }
  }

  #batchOf(session: GatewaySession<Entry>): Uint8Array | undefined {
    const batch = session.takeBatch(this.#nowMs())
    if (batch === undefined) return undefined
    this.#options.on.traffic?.('sent', batch.stanzas.length, batch.outcomes.length)
    return gatewayBatchCodec.write(this.#writer, batch)
  }

  #read(session: GatewaySession<Entry>, message: Uint8Array): void {
    const batch = edgeBatchCodec.read(message)
    if (!batch.ok) return this.#end('protocol', `a batch that cannot be read: ${batch.failure}`)
    this.#options.on.traffic?.('received', batch.value.stanzas.length, batch.value.outcomes.length)
    this.#hear(session.receive(batch.value, this.#nowMs()))
  }

  #tick(): void {
    this.#ticker = this.#options.timers.arm(TICK_MS, () => {
      if (this.#session !== undefined) this.#hear(this.#session.tick(this.#nowMs()))
      if (this.#session?.ended === undefined) this.#tick()
    })
  }

  #end(reason: EndReason, detail: string): void {
    if (this.#session !== undefined) this.#hear(this.#session.end(reason, detail))
  }

  #hear(events: readonly GatewayEvent<Entry>[]): void {
    for (const event of events) this.#heard(event)
    this.#stream?.poke()
  }

  #heard(event: GatewayEvent<Entry>): void {
    const { on, dispatch } = this.#options
    switch (event.kind) {
      case 'attached':
        return this.#attached(event.edge)
      case 'replica-acknowledged':
        this.#replicaRevision = event.revision
        return on.replicaAcknowledged?.(this.#node, event.revision, event.problem)
      case 'stream':
        return this.#streamChanged(event.notice, event.up)
      case 'inbound':
        return this.#take(event.seq, event.envelope)
      case 'outcome':
        return dispatch.settle(event.token, event.outcome)
      case 'room':
        return dispatch.room(this)
      case 'round-trip':
        return on.roundTrip?.(event.ms)
      case 'ended':
        return this.#ended(`${event.end.reason}: ${event.end.detail}`)
      default:
        return event satisfies never
    }
  }

  #attached(edge: string): void {
    this.#node = edge
    this.#attachedAtMs = this.#nowMs()
    this.#lastProblem = undefined
    this.#options.dispatch.attach(this)
    this.#options.on.attached?.(edge)
  }

  #ended(problem: string): void {
    const { log, url, dispatch, on, timers } = this.#options
    // One line when the reason changes, not one for each attempt; a link that was up is told by `detached`.
    const wasUp = this.#attachedAtMs !== undefined
    if (!wasUp && problem !== this.#lastProblem) log.warn('edge-not-reached', { url, detail: problem })
    this.#lastProblem = problem
    // The goodbye gets a moment to leave; a connection that is only silent would not end by itself.
    const connection = this.#connection
    timers.arm(CLOSE_MS, () => connection?.abort())
    if (this.#attachedAtMs === undefined) return
    this.#lastedMs = this.#nowMs() - this.#attachedAtMs
    this.#attachedAtMs = undefined
    dispatch.detach(this, this.#session?.abandon() ?? [])
    for (const notice of this.#streams.values()) on.streamDown?.(notice, this.#node)
    this.#streams.clear()
    this.#outboundPairs.clear()
    on.detached?.(this.#node, problem)
  }

  #streamChanged(notice: StreamNotice, up: boolean): void {
    const { on } = this.#options
    const pair = `${notice.localDomain}\n${notice.remoteDomain}`
    const key = `${notice.streamId}\n${notice.direction}\n${pair}`
    if (this.#streams.has(key) === up) return
    if (up) this.#streams.set(key, notice)
    else this.#streams.delete(key)
    if (notice.direction === 'outbound') {
      const count = (this.#outboundPairs.get(pair) ?? 0) + (up ? 1 : -1)
      if (count > 0) this.#outboundPairs.set(pair, count)
      else this.#outboundPairs.delete(pair)
    }
    if (up) on.streamUp?.(notice, this.#node)
    else on.streamDown?.(notice, this.#node)
  }

  #take(seq: number, envelope: InboundEnvelope): void {
    const session = this.#session
    const stream = this.#stream
    const settle = (outcome: Outcome): void => {
      if (session?.settle(seq, outcome) === true) stream?.poke()
    }
    this.#options.on.inbound(envelope).then(settle, (error: unknown) => {
      this.#options.log.error('inbound-handler-failed', {
        correlationId: envelope.correlationId,
        detail: String(error),
      })
      settle(bounced(brokenHandler(error)))
    })
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}

/** Without the code that Connect puts in front, which says nothing about a connection. */
const problemOf = (error: unknown): string => ConnectError.from(error).rawMessage
