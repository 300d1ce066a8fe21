import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { parseHostPort } from '@stox/kernel'
import type { Ids, Log, Timers } from '@stox/kernel'
import {
  BRANCH_COOKIE,
  DEFAULT_SIP_LIMITS,
  formatSipMessage,
  formatVia,
  newSipResponse,
  parseSipMessage,
  responseTarget,
  withReceived,
  withVia,
} from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse, SipSyntaxFailure, Via } from '@stox/sip'
import { serverTransactionKey } from '@stox/sip-engine'
import type { Carrier } from '@stox/sip-engine'
import { LoopDelay } from './loop-delay.ts'
import { ClientTransactions } from './sip-client-transactions.ts'
import type { ClientWire } from './sip-client-transactions.ts'
import type {
  SipAddress,
  SipAuthentication,
  SipCounts,
  SipEndpointEvents,
  SipEndpointLimits,
  SipEndpointOptions,
  SipFlow,
  SipReply,
  SipRequestOptions,
  SipTarget,
  SipTransport,
} from './sip-endpoint-types.ts'
import { answerToSyntaxFailure, judgeRequest } from './sip-sanity.ts'
import type { SanityRules, SipRefusalAnswer } from './sip-sanity.ts'
import { InviteClients } from './sip-invite-clients.ts'
import { InviteServers } from './sip-invite-servers.ts'
import { ServerTransactions } from './sip-server-transactions.ts'
import type { ServerWire } from './sip-server-transactions.ts'
import { SipTcp } from './sip-tcp.ts'
import type { SipConnection } from './sip-tcp.ts'
import { MAX_DATAGRAM_BYTES, SipUdpSocket } from './sip-udp.ts'
import { StrangerBudget } from './stranger-budget.ts'

export const DEFAULT_SIP_ENDPOINT_LIMITS: SipEndpointLimits = {
  message: DEFAULT_SIP_LIMITS,
  maxServerTransactions: 300_000,
  maxUnanswered: 20_000,
  maxInvites: 50_000,
  maxClientTransactions: 100_000,
  maxConnections: 1000,
  maxConnectionsPerPeer: 100,
  maxUnsentBytes: 8 * 1024 * 1024,
  connectMs: 5000,
  // Shorter than what the usual servers allow (Kamailio 120 s), so that it is we who close.
  idleMs: 90_000,
  keepAliveMs: 0,
  strangerAnswersPerS: 5,
  maxDelayMs: 1000,
}

/** A request larger than this may not stay whole on its way. @see RFC 3261 §18.1.1 */
const CONGESTION_UNSAFE_BYTES = 1300
const OVERLOAD_RETRY_S = 5
const METHODS = ['MESSAGE', 'SUBSCRIBE', 'NOTIFY', 'OPTIONS']
const SESSION_METHODS = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'INFO']
/** Whoever calls is patient, if nothing else is said. */
const USUAL_PATIENCE_MS = 180_000
const NOWHERE: SipAddress = { host: 'localhost.invalid', port: 5060 }
const NO_NAMES: readonly string[] = []
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])
const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not allowed to use this port',
}

const VIA_TRANSPORT: Readonly<Record<SipTransport, string>> = { udp: 'UDP', tcp: 'TCP', tls: 'TLS' }

/** Of an address: a name has been looked up before. */
const familyOf = ({ host }: SipAddress): 4 | 6 => (host.includes(':') ? 6 : 4)

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
const unbracketed = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host)

/** Beside the request itself, what belongs to it: the ACK to a refusal, and a CANCEL. */
interface SendingWire extends ClientWire {
  transmit(bytes?: Uint8Array): void
}

/** A request that waits for its answer on a connection. */
interface StreamWire extends SendingWire {
  broken(detail: string): void
}

interface Listener extends SipAddress {
  readonly transport: SipTransport
  /** What Via and Contact say. */
  readonly sentBy: SipAddress
  /** 0: a name. */
  readonly sentByFamily: number
}

/** The Via of our requests by one transport, but for its branch. */
interface OwnVia {
  readonly via: Via
  readonly text: string
}

const withBranch = (via: string, branch: string): string => `${via};branch=${branch}`

/** Where an answer goes; holds nothing of the request. */
interface AnswerPath {
  readonly flow: SipFlow
  /** The socket a datagram came in by; undefined for streams. */
  readonly socket: SipUdpSocket | undefined
  readonly to: SipAddress
}

/** The SIP side of the gateway: sockets, connections, transactions. */
export class SipEndpoint {
  readonly #options: SipEndpointOptions
  readonly #limits: SipEndpointLimits
  readonly #timers: Timers
  readonly #ids: Ids
  readonly #log: Log
  readonly #on: SipEndpointEvents
  readonly #sanity: SanityRules
  /** For those who may open sessions. */
  readonly #sessionSanity: SanityRules
  readonly #clients: ClientTransactions
  readonly #servers: ServerTransactions
  readonly #callers: InviteClients
  readonly #callees: InviteServers
  readonly #strangers: StrangerBudget
  readonly #tcp: SipTcp
  readonly #delay: LoopDelay
  readonly #sockets: SipUdpSocket[] = []
  readonly #listeners: Listener[] = []
  /** By transport and family; they stay as they are once we listen. */
  readonly #ownVias = new Map<string, OwnVia>()
  /** What waits for an answer on a connection, to be told when it breaks. */
  readonly #waiting = new Map<number, Set<StreamWire>>()
  #received = 0
  #sent = 0
  #closed = false

  constructor(options: SipEndpointOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_SIP_ENDPOINT_LIMITS, ...options.limits }
    this.#timers = options.timers
    this.#ids = options.ids
    this.#log = options.log
    this.#on = options.on
    this.#sanity = {
      served: new Set([...METHODS, ...(options.methods ?? [])]),
      toTag: options.ids.token(),
      isOurs: (via) => this.#isOurs(via),
    }
    this.#sessionSanity = { ...this.#sanity, served: new Set([...this.#sanity.served, ...SESSION_METHODS]) }
    this.#clients = new ClientTransactions(this.#timers, this.#limits.maxClientTransactions)
    this.#servers = new ServerTransactions(this.#timers, this.#limits)
    this.#callers = new InviteClients(this.#timers, this.#limits.maxInvites, this.#clients)
    this.#callees = new InviteServers(this.#timers)
    this.#strangers = new StrangerBudget(options.clock, this.#limits.strangerAnswersPerS)
    this.#delay = new LoopDelay(options.clock, this.#timers)
    this.#tcp = new SipTcp({
      limits: this.#limits,
      clock: options.clock,
      timers: this.#timers,
      tls: options.tls,
      on: {
        message: (bytes, connection) => this.#onBytes(bytes, flowOf(connection), undefined),
        broken: (failure, connection) => {
          this.#received += 1
          this.#refuseSyntax(failure, flowOf(connection), undefined)
        },
        closed: (connection, detail) => this.#onConnectionClosed(connection, detail),
        tooMany: (remote) =>
          this.#on.refused('sip-connection-limit', { detail: '', transport: 'tcp', remote, status: undefined }),
        insecure: (remote, detail) =>
          this.#on.refused('sip-insecure', { detail, transport: 'tls', remote, status: undefined }),
      },
    })
  }

  /** Rejects with one clear sentence when a port is in use. */
  async listen(): Promise<readonly ({ readonly transport: SipTransport } & SipAddress)[]> {
    try {
      for (const text of this.#options.listen) this.#listeners.push(await this.#listenOn(text))
      this.#delay.start()
    } catch (error) {
      await this.close()
      throw error
    }
    return this.#listeners.map(({ transport, host, port }) => ({ transport, host, port }))
  }

  /** What to write into Contact: the advertised host and the port we listen on. Undefined when we do not speak it. */
  contact(transport: SipTransport): SipAddress | undefined {
    return this.#listeners.find((listener) => listener.transport === transport)?.sentBy
  }

  /** A client transaction; adds Via. Never rejects. What it ends with is the final response, ACK to a refusal included. */
  request(request: SipRequest, target: SipTarget, options: SipRequestOptions = {}): Promise<SipReply> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve(failed('transport', 'shutting down'))
      if (target.transport === 'udp') return this.#requestByUdp(request, target, options, resolve)
      return this.#requestByStream(request, target, options, resolve, resolve)
    })
  }

  /** Sends the ACK to a 2xx, which is no transaction and has no answer. @see RFC 3261 §13.2.2.4, §17.1.1.2 */
  acknowledge(ack: SipRequest, target: SipTarget): void {
    if (this.#closed) return
    const { transport } = target
    const { text } = this.#ownVia(target, transport)
    const bytes = formatSipMessage(ack, withBranch(text, this.#newBranch()))
    const lost = (detail: string): void => this.#log.warn('sip-ack-lost', { remote: target.host, detail })
    this.#sent += 1
    if (transport === 'udp') {
      const socket = this.#sockets.find((one) => one.family === familyOf(target))
      if (socket === undefined) lost('no UDP socket')
      else socket.send(bytes, target, (error) => lost(reasonOfError(error)))
    } else if (this.#tcp.to(target)?.send(bytes) !== true) lost('no connection')
  }

  /** How late this process runs. */
  get delayMs(): number {
    return this.#delay.delayMs
  }

  counts(): SipCounts {
    return {
      serverTransactions: this.#servers.size + this.#callees.size,
      unanswered: this.#servers.unanswered,
      clientTransactions: this.#clients.size + this.#callers.size,
      connections: this.#tcp.size,
      received: this.#received,
      sent: this.#sent,
      retransmitted: this.#clients.retransmitted + this.#servers.retransmitted,
      absorbed: this.#clients.absorbed + this.#servers.absorbed + this.#callees.absorbed,
    }
  }

  /** Ends every transaction, timer, connection and socket; requests that wait end with `transport`. */
  async close(): Promise<void> {
    this.#closed = true
    this.#delay.close()
    this.#callers.close()
    this.#clients.close()
    this.#servers.close()
    this.#callees.close()
    this.#waiting.clear()
    await Promise.all([this.#tcp.close(), ...this.#sockets.splice(0).map((socket) => socket.close())])
  }

  #requestByUdp(
    request: SipRequest,
    target: SipTarget,
    options: SipRequestOptions,
    resolve: (reply: SipReply) => void,
  ): void {
    const family = familyOf(target)
    const socket = this.#sockets.find((one) => one.family === family)
    if (socket === undefined) return resolve(failed('transport', `no UDP socket for ${target.host}`))
    const branch = this.#newBranch()
    const own = this.#ownVia(target, 'udp')
    const bytes = formatSipMessage(request, withBranch(own.text, branch))
    const byUdp = (): void => {
      if (bytes.length > MAX_DATAGRAM_BYTES)
        return resolve(failed('transport', `${bytes.length} bytes fit no datagram`))
      const wire: SendingWire = {
        branch,
        method: request.method,
        carrier: 'datagram',
        transmit: (other = bytes) => {
          this.#sent += 1
          socket.send(other, target, (error) => this.#fail(wire, reasonOfError(error)))
        },
        done: resolve,
      }
      this.#start(wire, request, own, options)
    }
    if (bytes.length <= CONGESTION_UNSAFE_BYTES || options.congestionSafe === true) return byUdp()
    // Who speaks no TCP gets it by UDP after all. @see RFC 3261 §18.1.1
    return this.#requestByStream(request, { ...target, transport: 'tcp' }, options, resolve, byUdp)
  }

  /** `unreachable` is called instead of `resolve` when no connection could be had. */
  #requestByStream(
    request: SipRequest,
    target: SipTarget,
    options: SipRequestOptions,
    resolve: (reply: SipReply) => void,
    unreachable: (reply: SipReply) => void,
  ): void {
    const { transport } = target
    if (transport === 'tls' && this.#options.tls === undefined)
      return unreachable(failed('transport', 'no certificate is set up for SIP over TLS'))
    const first = this.#tcp.to(target)
    if (first === undefined) return unreachable(failed('overload', 'no room for one more connection'))
    let connection = first
    let mayRepeat = true
    const branch = this.#newBranch()
    const own = this.#ownVia(target, transport)
    const bytes = formatSipMessage(request, withBranch(own.text, branch))
    const wire: StreamWire = {
      branch,
      method: request.method,
      carrier: 'stream',
      transmit: (other = bytes) => {
        this.#sent += 1
        if (!connection.send(other)) this.#fail(wire, 'the connection is closing')
      },
      broken: (detail) => {
        // Once more on a new connection, as the same transaction: a server that has it already repeats its answer.
        const fresh = mayRepeat && connection.connected && !this.#closed ? this.#tcp.to(target) : undefined
        if (fresh === undefined) return this.#fail(wire, detail)
        mayRepeat = false
        connection = fresh
        this.#await(connection, wire)
        wire.transmit()
      },
      done: (reply) => {
        this.#waiting.get(connection.id)?.delete(wire)
        if (reply.kind === 'failed' && reply.cause === 'transport' && !connection.connected && !this.#closed)
          unreachable(reply)
        else resolve(reply)
      },
    }
    this.#await(connection, wire)
    this.#start(wire, request, own, options)
  }

  #await({ id }: SipConnection, wire: StreamWire): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) this.#waiting.set(id, new Set([wire]))
    else waiting.add(wire)
  }

  #start(wire: SendingWire, request: SipRequest, own: OwnVia, options: SipRequestOptions): void {
    const started = wire.method === 'INVITE' ? this.#call(wire, request, own, options) : this.#clients.start(wire)
    if (!started) wire.done(failed('overload', 'too many requests wait for an answer'))
  }

  #call(wire: SendingWire, request: SipRequest, { via }: OwnVia, options: SipRequestOptions): boolean {
    const { patienceMs = USUAL_PATIENCE_MS, accepted = () => undefined } = options
    const { branch, carrier } = wire
    // Its ACK and CANCEL go the same way.
    const invite = withVia(request, { ...via, params: new Map([...via.params, ['branch', branch]]) })
    return this.#callers.start({
      ...{ invite, branch, carrier, patienceMs, accepted },
      transmit: (bytes) => wire.transmit(bytes),
      done: (reply) => wire.done(reply),
    })
  }

  #fail(wire: ClientWire, detail: string): void {
    if (wire.method === 'INVITE') this.#callers.fail(wire.branch, detail)
    else this.#clients.fail(wire, detail)
  }

  #onConnectionClosed(connection: SipConnection, detail: string): void {
    const waiting = this.#waiting.get(connection.id)
    this.#waiting.delete(connection.id)
    for (const wire of waiting ?? []) wire.broken(detail)
  }

  /** Unique in space and time, as the matching of transactions needs it. @see RFC 3261 §8.1.1.7 */
  #newBranch(): string {
    return BRANCH_COOKIE + this.#ids.token()
  }

  #ownVia(target: SipAddress, transport: SipTransport): OwnVia {
    const family = familyOf(target)
    const key = `${transport}${family}`
    let own = this.#ownVias.get(key)
    if (own === undefined) {
      own = this.#newOwnVia(family, transport)
      this.#ownVias.set(key, own)
    }
    return own
  }

  #newOwnVia(family: 4 | 6, transport: SipTransport): OwnVia {
    const listener = this.#listenerFor(family, transport)
    const { host, port } = listener?.sentBy ?? NOWHERE
    const params = new Map<string, string | undefined>()
    if (transport === 'udp') params.set('rport', undefined) // RFC 3581 §3
    // Who knows us by our certificate may send its requests on our connection. @see RFC 5923 §5
    if (transport === 'tls' && listener?.transport === 'tls') params.set('alias', undefined)
    const via: Via = { transport: VIA_TRANSPORT[transport], host: bracketed(host), port, params }
    return { via, text: formatVia(via) }
  }

  #listenerFor(family: 4 | 6, transport: SipTransport): Listener | undefined {
    const fitting = this.#listeners.filter((one) => one.sentByFamily === family)
    return fitting.find((one) => one.transport === transport) ?? fitting[0] ?? this.#listeners[0]
  }

  /** Whatever comes in: nothing of it may throw out of here. */
  #onBytes(bytes: Uint8Array, flow: SipFlow, socket: SipUdpSocket | undefined): void {
    if (this.#closed) return
    try {
      this.#take(bytes, flow, socket)
    } catch (error) {
      this.#log.error('sip-message-failed', { remote: flow.remote.host, detail: String(error) })
    }
  }

  #take(bytes: Uint8Array, flow: SipFlow, socket: SipUdpSocket | undefined): void {
    if (socket !== undefined && isKeepAlive(bytes)) return
    this.#received += 1
    const trusted = this.#options.trusted(flow.remote.host, flow.names ?? NO_NAMES)
    const mayAnswer = trusted || socket === undefined || isResponse(bytes) || this.#strangers.spend(flow.remote.host)
    // A stranger that shouts is not even read.
    if (!mayAnswer) return this.#refused(flow, { kind: 'sip-untrusted', detail: 'too often', response: undefined })

    const parsed = parseSipMessage(bytes, socket === undefined ? 'stream' : 'datagram', this.#limits.message)
    if (!parsed.ok) return this.#refuseSyntax(parsed.failure, flow, socket)
    if (parsed.value.kind === 'response') return this.#takeResponse(parsed.value, flow)
    const request = withReceived(parsed.value, flow.remote)
    const path = pathOf(request, flow, socket)
    if (trusted) {
      if (flow.names !== undefined && flow.names.length > 0) this.#noteAlias(request, flow)
      return this.#takeRequest(request, path)
    }
    if (this.#options.authenticate !== undefined)
      return this.#takeAuthenticated(request, path, this.#options.authenticate)
    this.#refuse(path, {
      kind: 'sip-untrusted',
      detail: request.method,
      response: request.method === 'ACK' ? undefined : this.#answer(request, 403),
    })
    if (flow.connectionId !== undefined) this.#tcp.byId(flow.connectionId)?.end('not trusted')
  }

  /** A copy of what was taken, and what may not be challenged, needs no proof of its own. @see RFC 3261 §22.1 */
  #takeAuthenticated(
    request: SipRequest,
    path: AnswerPath,
    authenticate: (request: SipRequest) => SipAuthentication,
  ): void {
    const key = serverTransactionKey(request)
    const isKnown = key !== undefined && (this.#servers.has(key) || this.#callees.has(key))
    if (isKnown || request.method === 'ACK' || request.method === 'CANCEL') return this.#takeRequest(request, path)
    const verdict = authenticate(request)
    if (verdict.kind === 'refused') return this.#refuse(path, { ...verdict, kind: 'sip-unauthenticated' })
    this.#strangers.vouch(path.flow.remote.host)
    this.#takeRequest(request, path)
  }

  /** @see RFC 5923 §5, §8 */
  #noteAlias(request: SipRequest, { connectionId, remote }: SipFlow): void {
    const via = request.core.vias[0]
    const connection = connectionId === undefined ? undefined : this.#tcp.byId(connectionId)
    if (via === undefined || connection?.incoming !== true || !via.params.has('alias')) return
    this.#tcp.alias(connection, { host: remote.host, port: via.port ?? 5061 })
  }

  #takeResponse(response: SipResponse, flow: SipFlow): void {
    const [top, second] = response.core.vias
    // Another's response, or one that has lost its way. @see RFC 3261 §8.1.3.3, §18.1.2
    const ours = top !== undefined && second === undefined && this.#isOurs(top)
    if (ours && (this.#clients.take(response) || this.#callers.take(response))) return
    this.#refused(flow, { kind: 'sip-response-stray', detail: String(response.status), response: undefined })
  }

  #takeRequest(request: SipRequest, path: AnswerPath): void {
    const key = serverTransactionKey(request)
    if (key === undefined) return
    if (request.method === 'ACK') {
      if (!this.#callees.acknowledge(key)) this.#on.acknowledged?.(request)
      return
    }
    if (this.#servers.absorb(key) || this.#callees.absorb(key)) return
    if (request.method === 'CANCEL') return this.#cancel(request, path)
    // Said before anything is lost, and without keeping anything. @see RFC 3261 §21.5.4
    const afterS = this.#hasRoom() ? this.#options.busyForS?.(request) : this.#retryAfterS()
    if (afterS !== undefined) {
      const response = this.#answer(request, 503, [['Retry-After', String(afterS)]])
      return this.#refuse(path, { kind: 'sip-overload', detail: request.method, response })
    }
    const mayOpen = SESSION_METHODS.includes(request.method) && this.#options.sessions?.(request) === true
    const refusal = judgeRequest(request, mayOpen ? this.#sessionSanity : this.#sanity)
    if (refusal !== undefined) {
      if (request.method !== 'INVITE' || refusal.response === undefined) return this.#refuse(path, refusal)
      this.#callees.open(key, request, carrierOf(path), this.#wireOf(path, request.method)).answer(refusal.response)
      return this.#refused(path.flow, refusal)
    }
    if (this.#servers.isMerged(request) || this.#callees.isMerged(request)) {
      return this.#refuse(path, { kind: 'sip-merged', detail: request.method, response: this.#answer(request, 482) })
    }
    this.#handUp(key, request, path)
  }

  #hasRoom(): boolean {
    return (
      !this.#servers.full &&
      this.#callees.size < this.#limits.maxInvites &&
      this.#delay.delayMs <= this.#limits.maxDelayMs
    )
  }

  /** Not the same for all, lest they all come back at once. */
  #retryAfterS(): number {
    return OVERLOAD_RETRY_S + Math.floor(this.#ids.fraction() * OVERLOAD_RETRY_S)
  }

  #handUp(key: string, request: SipRequest, path: AnswerPath): void {
    const wire = this.#wireOf(path, request.method)
    const invited = request.method === 'INVITE' ? this.#callees.open(key, request, carrierOf(path), wire) : undefined
    const transaction = invited ?? this.#servers.open(key, request, carrierOf(path), wire)
    const respond = (response: SipResponse): void => transaction.answer(response)
    const { flow } = path
    try {
      this.#on.request(
        invited === undefined
          ? { request, flow, respond }
          : { request, flow, respond, isCancelled: invited.isCancelled },
      )
    } catch (error) {
      this.#log.error('sip-request-failed', { method: request.method, detail: String(error) })
      transaction.answer(this.#answer(request, 500))
    }
  }

  /** Lives as long as the transaction, so it must hold the path alone and not the request. */
  #wireOf(path: AnswerPath, method: string): ServerWire {
    return {
      transmit: (bytes) => this.#send(path, bytes),
      unanswered: () => this.#refused(path.flow, { kind: 'sip-unanswered', detail: method, response: undefined }),
    }
  }

  /** Ends an INVITE that is not answered. Of anything else there is nothing to do but to say so. @see RFC 3261 §9.2 */
  #cancel(request: SipRequest, path: AnswerPath): void {
    const invite = serverTransactionKey(request, 'INVITE') ?? ''
    const known =
      this.#callees.has(invite) ||
      [...this.#sanity.served].some((method) => this.#servers.has(serverTransactionKey(request, method) ?? ''))
    this.#send(path, formatSipMessage(this.#answer(request, known ? 200 : 481)))
    this.#callees.cancel(invite)
  }

  /** An answer without a transaction: the same for every copy of the request. @see RFC 3261 §8.2.7 */
  #answer(request: SipRequest, status: number, headers: readonly SipHeaderEntry[] = []): SipResponse {
    return newSipResponse(request, status, undefined, { toTag: this.#sanity.toTag, headers })
  }

  #refuseSyntax(failure: SipSyntaxFailure, flow: SipFlow, socket: SipUdpSocket | undefined): void {
    const salvaged = failure.salvaged === undefined ? undefined : withReceived(failure.salvaged, flow.remote)
    const refusal = answerToSyntaxFailure({ ...failure, salvaged }, this.#sanity.toTag)
    if (salvaged === undefined) this.#refused(flow, refusal)
    else this.#refuse(pathOf(salvaged, flow, socket), refusal)
  }

  #refuse(path: AnswerPath, refusal: SipRefusalAnswer): void {
    if (refusal.response !== undefined) this.#send(path, formatSipMessage(refusal.response))
    this.#refused(path.flow, refusal)
  }

  #refused({ transport, remote }: SipFlow, { kind, detail, response }: SipRefusalAnswer): void {
    this.#on.refused(kind, { detail, transport, remote, status: response?.status })
  }

  /** On the connection the request came by; when that is gone, to where its Via says. @see RFC 3261 §18.2.2 */
  #send({ flow, socket, to }: AnswerPath, bytes: Uint8Array): void {
    if (this.#closed) return
    this.#sent += 1
    if (socket !== undefined) {
      socket.send(bytes, to, (error) =>
        this.#log.warn('sip-answer-lost', { remote: to.host, detail: reasonOfError(error) }),
      )
      return
    }
    const connection = flow.connectionId === undefined ? undefined : this.#tcp.byId(flow.connectionId)
    const { transport, names = NO_NAMES } = flow
    if (connection?.send(bytes) === true || this.#tcp.to({ ...to, transport, names })?.send(bytes) === true) return
    this.#log.warn('sip-answer-lost', { remote: to.host, detail: 'the connection is gone' })
  }

  #isOurs({ transport, host, port }: Via): boolean {
    const plain = unbracketed(host)
    const usual = transport === 'TLS' ? 5061 : 5060
    return this.#listeners.some(({ sentBy }) => sentBy.host === plain && sentBy.port === (port ?? usual))
  }

  async #listenOn(text: string): Promise<Listener> {
    const [, transport, rest] = /^(udp|tcp|tls):(.*)$/.exec(text) ?? []
    const address = rest === undefined ? undefined : parseHostPort(rest)
    if (address?.ok !== true || isIP(address.value.host) === 0 || !isTransport(transport)) {
      throw new Error(`cannot listen on "${text}": not udp:address:port, tcp:address:port or tls:address:port`)
    }
    if (transport === 'tls' && this.#options.tls === undefined)
      throw new Error(`cannot listen on ${text}: no certificate is set up for SIP over TLS`)
    const wanted = address.value
    // Both transports share one port where we may choose it. @see RFC 3261 §18.2.1
    const sibling =
      transport === 'tls'
        ? undefined
        : this.#listeners.find((other) => other.host === wanted.host && other.transport !== 'tls')
    const ports = wanted.port === 0 && sibling !== undefined ? [sibling.port, 0] : [wanted.port]
    for (;;) {
      const port = ports.shift() ?? 0
      try {
        const bound = await this.#bind(transport, { host: wanted.host, port })
        const host = WILDCARDS.has(bound.host) ? (this.#options.advertisedHost ?? ownAddress(bound.host)) : bound.host
        return { ...bound, transport, sentBy: { host, port: bound.port }, sentByFamily: isIP(host) }
      } catch (error) {
        if (ports.length === 0) throw new Error(`cannot listen on ${text}: ${reasonOfError(error)}`, { cause: error })
      }
    }
  }

  async #bind(transport: SipTransport, address: SipAddress): Promise<SipAddress> {
    const onError = (error: Error): void =>
      this.#log.warn('sip-socket-error', { transport, detail: reasonOfError(error) })
    if (transport !== 'udp') return this.#tcp.listen(transport, address, onError)
    const socket = await SipUdpSocket.open(
      address,
      (bytes, remote, from) => this.#onBytes(bytes, { transport: 'udp', local: from.local, remote }, from),
      onError,
    )
    this.#sockets.push(socket)
    return socket.local
  }
}

const failed = (cause: 'transport' | 'overload', detail: string): SipReply => ({ kind: 'failed', cause, detail })

const carrierOf = ({ socket }: AnswerPath): Carrier => (socket === undefined ? 'stream' : 'datagram')

const isTransport = (text: string | undefined): text is SipTransport =>
  text === 'udp' || text === 'tcp' || text === 'tls'

const flowOf = (connection: SipConnection): SipFlow => ({
  transport: connection.transport,
  local: connection.local,
  remote: connection.remote,
  connectionId: connection.id,
  names: connection.names,
})

function pathOf(request: SipRequest, flow: SipFlow, socket: SipUdpSocket | undefined): AnswerPath {
  const via = request.core.vias[0]
  const named = via === undefined ? flow.remote : responseTarget(via)
  return { flow, socket, to: { host: flow.remote.host, port: named.port } }
}

/** `SIP/2.0 200 …`, as no request begins. */
const isResponse = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x53 && bytes[1] === 0x49 && bytes[2] === 0x50 && bytes[3] === 0x2f

/** COMPAT: line breaks or zeros that keep a binding open. @see RFC 5626 §3.5.1 */
const isKeepAlive = (bytes: Uint8Array): boolean =>
  bytes.length <= 4 && bytes.every((byte) => byte === 13 || byte === 10 || byte === 0)

function reasonOfError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return WHY[code ?? ''] ?? code ?? message
}

/** What others can reach us by when we listen everywhere. */
function ownAddress(wildcard: string): string {
  const family = wildcard === '::' ? 'IPv6' : 'IPv4'
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === family && !address.internal && !address.address.startsWith('fe80'))
  return own?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1')
}
