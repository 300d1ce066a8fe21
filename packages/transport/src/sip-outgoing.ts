import { PassingMap } from '@stox/kernel'
import type { Ids, Log, Timers } from '@stox/kernel'
import { BRANCH_COOKIE, formatSipMessage, withVia } from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import { ClientTransactions } from './sip-client-transactions.ts'
import type { ClientWire } from './sip-client-transactions.ts'
import type { SipEndpointLimits, SipReply, SipRequestOptions, SipTarget } from './sip-endpoint-types.ts'
import { InviteClients } from './sip-invite-clients.ts'
import { reasonOfError } from './sip-listeners.ts'
import type { OwnVia, SipListeners } from './sip-listeners.ts'
import type { SipConnection, SipTcp } from './sip-tcp.ts'
import { MAX_DATAGRAM_BYTES } from './sip-udp.ts'

/** A request larger than this may not stay whole on its way. @see RFC 3261 §18.1.1 */
const CONGESTION_UNSAFE_BYTES = 1300
/** Whoever calls is patient, if nothing else is said. */
const USUAL_PATIENCE_MS = 180_000

const withBranch = (via: string, branch: string): string => `${via};branch=${branch}`

/** Beside the request itself, what belongs to it: the ACK to a refusal, and a CANCEL. */
interface SendingWire extends ClientWire {
  transmit(bytes?: Uint8Array): void
}

/** A request that waits for its answer on a connection. */
interface StreamWire extends SendingWire {
  broken(detail: string): void
}

export interface OutgoingDeps {
  readonly limits: Pick<SipEndpointLimits, 'maxClientTransactions' | 'maxInvites'>
  readonly timers: Timers
  readonly ids: Ids
  readonly log: Log
  readonly tcp: Pick<SipTcp, 'to'>
  readonly hasTls: boolean
  readonly listeners: Pick<SipListeners, 'udpTo' | 'ownVia'>
}

/** The requests that we send, each by a transaction of its own. @see RFC 3261 §17.1, §18.1 */
export class OutgoingRequests {
  readonly #deps: OutgoingDeps
  readonly #clients: ClientTransactions
  readonly #callers: InviteClients
  /** What waits for an answer on a connection, to be told when it breaks. */
  readonly #waiting = new Map<number, PassingMap<StreamWire, StreamWire>>()
  #sent = 0
  #closed = false

  constructor(deps: OutgoingDeps) {
    const { ids, limits, timers } = deps
    this.#deps = deps
    this.#clients = new ClientTransactions(timers, ids, limits.maxClientTransactions)
    this.#callers = new InviteClients(timers, limits.maxInvites, this.#clients)
  }

  get size(): number {
    return this.#clients.size + this.#callers.size
  }

  get sent(): number {
    return this.#sent
  }

  get retransmitted(): number {
    return this.#clients.retransmitted
  }

  get absorbed(): number {
    return this.#clients.absorbed
  }

  request(request: SipRequest, target: SipTarget, options: SipRequestOptions): Promise<SipReply> {
    return new Promise((resolve) => {
      if (this.#closed) return resolve(failed('transport', 'shutting down'))
      if (target.transport === 'udp') return this.#byUdp(request, target, options, resolve)
      return this.#byStream(request, target, options, resolve, resolve)
    })
  }

  /** @see RFC 3261 §13.2.2.4, §17.1.1.2 */
  acknowledge(ack: SipRequest, target: SipTarget): void {
    if (this.#closed) return
    const { tcp, listeners, log } = this.#deps
    const { transport } = target
    const bytes = formatSipMessage(ack, withBranch(listeners.ownVia(target, transport).text, this.#newBranch()))
    const lost = (detail: string): void => log.warn('sip-ack-lost', { remote: target.host, detail })
    this.#sent += 1
    if (transport === 'udp') {
      const socket = listeners.udpTo(target)
      if (socket === undefined) lost('no UDP socket')
      else socket.send(bytes, target, (error) => lost(reasonOfError(error)))
    } else if (tcp.to(target)?.send(bytes) !== true) lost('no connection')
  }

  /** False when nothing of ours waits for it. */
  take(response: SipResponse): boolean {
    return this.#clients.take(response) || this.#callers.take(response)
  }

  connectionClosed({ id }: SipConnection, detail: string): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    for (const wire of waiting?.values() ?? []) wire.broken(detail)
  }

  /** What waits ends with `transport`. */
  close(): void {
    this.#closed = true
    this.#callers.close()
    this.#clients.close()
    this.#waiting.clear()
  }

  #byUdp(request: SipRequest, target: SipTarget, options: SipRequestOptions, resolve: (reply: SipReply) => void): void {
    const { listeners } = this.#deps
    const socket = listeners.udpTo(target)
    if (socket === undefined) return resolve(failed('transport', `no UDP socket for ${target.host}`))
    const branch = this.#newBranch()
    const own = listeners.ownVia(target, 'udp')
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
    return this.#byStream(request, { ...target, transport: 'tcp' }, options, resolve, byUdp)
  }

  /** `unreachable` is called instead of `resolve` when no connection could be had. */
  #byStream(
    request: SipRequest,
    target: SipTarget,
    options: SipRequestOptions,
    resolve: (reply: SipReply) => void,
    unreachable: (reply: SipReply) => void,
  ): void {
    const { tcp, hasTls, listeners } = this.#deps
    const { transport } = target
    if (transport === 'tls' && !hasTls)
      return unreachable(failed('transport', 'no certificate is set up for SIP over TLS'))
    const first = tcp.to(target)
    if (first === undefined) return unreachable(failed('overload', 'no room for one more connection'))
    let connection = first
    let mayRepeat = true
    const branch = this.#newBranch()
    const own = listeners.ownVia(target, transport)
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
        const fresh = mayRepeat && connection.connected && !this.#closed ? tcp.to(target) : undefined
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
    const waiting = this.#waiting.get(id) ?? new PassingMap()
    this.#waiting.set(id, waiting)
    waiting.set(wire, wire)
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

  /** Unique in space and time, as the matching of transactions needs it. @see RFC 3261 §8.1.1.7 */
  #newBranch(): string {
    return BRANCH_COOKIE + this.#deps.ids.token()
  }
}

const failed = (cause: 'transport' | 'overload', detail: string): SipReply => ({ kind: 'failed', cause, detail })
