import type { Ids, Log, Timers } from '@stox/kernel'
import {
  DEFAULT_SIP_LIMITS,
  formatSipMessage,
  newSipResponse,
  parseSipMessage,
  responseTarget,
  withReceived,
} from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse, SipSyntaxFailure } from '@stox/sip'
import { serverTransactionKey } from '@stox/sip-engine'
import type { Carrier } from '@stox/sip-engine'
import { LoopDelay } from './loop-delay.ts'
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
import { InviteServers } from './sip-invite-servers.ts'
import { reasonOfError, SipListeners } from './sip-listeners.ts'
import { OutgoingRequests } from './sip-outgoing.ts'
import { ServerTransactions } from './sip-server-transactions.ts'
import type { ServerWire } from './sip-server-transactions.ts'
import { SipTcp } from './sip-tcp.ts'
import type { SipConnection } from './sip-tcp.ts'
import type { SipUdpSocket } from './sip-udp.ts'
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

const OVERLOAD_RETRY_S = 5
const METHODS = ['MESSAGE', 'SUBSCRIBE', 'NOTIFY', 'OPTIONS']
const SESSION_METHODS: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'CANCEL', 'BYE', 'INFO'])
const NO_NAMES: readonly string[] = []
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
  readonly #outgoing: OutgoingRequests
  readonly #servers: ServerTransactions
  readonly #callees: InviteServers
  readonly #strangers: StrangerBudget
  readonly #tcp: SipTcp
  readonly #delay: LoopDelay
  readonly #listeners: SipListeners
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
      isOurs: (via) => this.#listeners.isOurs(via),
    }
    this.#sessionSanity = { ...this.#sanity, served: new Set([...this.#sanity.served, ...SESSION_METHODS]) }
    this.#servers = new ServerTransactions(this.#timers, this.#ids, this.#limits)
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
        closed: (connection, detail) => this.#outgoing.connectionClosed(connection, detail),
        tooMany: (remote) =>
          this.#on.refused('sip-connection-limit', { detail: '', transport: 'tcp', remote, status: undefined }),
        insecure: (remote, detail) =>
          this.#on.refused('sip-insecure', { detail, transport: 'tls', remote, status: undefined }),
      },
    })
    const { ids, log, advertisedHost } = options
    const hasTls = options.tls !== undefined
    this.#listeners = new SipListeners({
      ...{ advertisedHost, hasTls, log, tcp: this.#tcp },
      onDatagram: (bytes, remote, from) => this.#onBytes(bytes, { transport: 'udp', local: from.local, remote }, from),
    })
    this.#outgoing = new OutgoingRequests({
      ...{ ids, log, hasTls, limits: this.#limits, timers: this.#timers },
      ...{ tcp: this.#tcp, listeners: this.#listeners },
    })
  }

  /** Rejects with one clear sentence when a port is in use. */
  async listen(): Promise<readonly ({ readonly transport: SipTransport } & SipAddress)[]> {
    try {
      for (const text of this.#options.listen) await this.#listeners.open(text)
      this.#delay.start()
    } catch (error) {
      await this.close()
      throw error
    }
    return this.#listeners.all
  }

  /** What to write into Contact: the advertised host and the port we listen on. Undefined when we do not speak it. */
  contact(transport: SipTransport): SipAddress | undefined {
    return this.#listeners.contact(transport)
  }

  /** A client transaction; adds Via. Never rejects. What it ends with is the final response, ACK to a refusal included. */
  request(request: SipRequest, target: SipTarget, options: SipRequestOptions = {}): Promise<SipReply> {
    return this.#outgoing.request(request, target, options)
  }

  /** Sends the ACK to a 2xx, which is no transaction and has no answer. @see RFC 3261 §13.2.2.4, §17.1.1.2 */
  acknowledge(ack: SipRequest, target: SipTarget): void {
    this.#outgoing.acknowledge(ack, target)
  }

  /** How late this process runs. */
  get delayMs(): number {
    return this.#delay.delayMs
  }

  counts(): SipCounts {
    return {
      serverTransactions: this.#servers.size + this.#callees.size,
      unanswered: this.#servers.unanswered,
      clientTransactions: this.#outgoing.size,
      connections: this.#tcp.size,
      received: this.#received,
      sent: this.#sent + this.#outgoing.sent,
      retransmitted: this.#outgoing.retransmitted + this.#servers.retransmitted,
      absorbed: this.#outgoing.absorbed + this.#servers.absorbed + this.#callees.absorbed,
    }
  }

  /** Ends every transaction, timer, connection and socket; requests that wait end with `transport`. */
  async close(): Promise<void> {
    this.#closed = true
    this.#delay.close()
    this.#outgoing.close()
    this.#servers.close()
    this.#callees.close()
    await Promise.all([this.#tcp.close(), this.#listeners.close()])
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
    const ours = top !== undefined && second === undefined && this.#listeners.isOurs(top)
    if (ours && this.#outgoing.take(response)) return
    this.#refused(flow, { kind: 'sip-response-stray', detail: String(response.status), response: undefined })
  }

  #takeRequest(request: SipRequest, path: AnswerPath): void {
    const key = serverTransactionKey(request)
    if (key === undefined) return
    if (request.method === 'ACK') {
      if (!this.#callees.acknowledge(key)) this.#on.acknowledged?.(request)
      return
    }
    // To where it was sent first, by the way that the copy came. @see RFC 3261 §18.2.2
    const again = (answer: Uint8Array, to: SipAddress): void => this.#send({ ...path, to }, answer)
    if (this.#servers.absorb(key, again) || this.#callees.absorb(key)) return
    if (request.method === 'CANCEL') return this.#cancel(request, path)
    // Said before anything is lost, and without keeping anything. @see RFC 3261 §21.5.4
    const afterS = this.#hasRoom() ? this.#options.busyForS?.(request) : this.#retryAfterS()
    if (afterS !== undefined) {
      const response = this.#answer(request, 503, [['Retry-After', String(afterS)]])
      return this.#refuse(path, { kind: 'sip-overload', detail: request.method, response })
    }
    const mayOpen = SESSION_METHODS.has(request.method) && this.#options.sessions?.(request) === true
    const refusal = judgeRequest(request, mayOpen ? this.#sessionSanity : this.#sanity)
    if (refusal !== undefined) {
      if (request.method !== 'INVITE' || refusal.response === undefined) return this.#refuse(path, refusal)
      this.#callees.open(key, request, carrierOf(path), this.#wireOf(path, request.method)).answer(refusal.response)
      return this.#refused(path.flow, refusal)
    }
    if ((request.method === 'INVITE' ? this.#callees : this.#servers).isMerged(request)) {
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
      to: path.to,
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
}

const carrierOf = ({ socket }: AnswerPath): Carrier => (socket === undefined ? 'stream' : 'datagram')

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
