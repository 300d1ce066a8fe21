import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock, Result, Timer, Timers } from '@stox/kernel'
import { SipStreamFramer } from '@stox/sip'
import type { SipLimits, SipSyntaxFailure } from '@stox/sip'
import type { SipAddress, SipTarget } from './sip-endpoint-types.ts'
import { tlsTrouble } from './sip-tls.ts'
import type { ProvenDomains, SipTls } from './sip-tls.ts'

export interface SipTcpLimits {
  readonly message: SipLimits
  readonly maxConnections: number
  readonly maxConnectionsPerPeer: number
  readonly maxUnsentBytes: number
  readonly connectMs: number
  readonly idleMs: number
  readonly keepAliveMs: number
}

export interface SipTcpEvents {
  message(bytes: Uint8Array, connection: SipConnection): void
  /** Framing is lost; the connection closes after what is written now. */
  broken(failure: SipSyntaxFailure, connection: SipConnection): void
  /** What was sent on it and not answered is lost. `detail` says why. */
  closed(connection: SipConnection, detail: string): void
  /** A connection came in that there is no room for. */
  tooMany(remote: SipAddress): void
  /** TLS came to nothing, or the certificate proves nothing that we want. */
  insecure(remote: SipAddress, detail: string): void
}

export interface SipTcpOptions {
  readonly limits: SipTcpLimits
  readonly clock: Clock
  readonly timers: Timers
  /** Undefined: TLS is not spoken. */
  readonly tls: SipTls | undefined
  readonly on: SipTcpEvents
}

type StreamTransport = 'tcp' | 'tls'

const PING = new Uint8Array([13, 10, 13, 10])
const PONG = new Uint8Array([13, 10])
/** A peer that does not read its answers is not read from either. */
const PAUSE_ABOVE_BYTES = 256 * 1024
/** For a peer to take our last answer and close. */
const LINGER_MS = 2000
/** A connection without a sign of life after our ping is dead. @see RFC 5626 §4.4.1 */
const PONG_WITHIN_MS = 10_000
const NOBODY: readonly string[] = []

/** With TLS also as whom we speak: a domain with a certificate of its own has connections of its own. */
const keyOf = (transport: StreamTransport, { host, port }: SipAddress, own = ''): string =>
  `${transport} ${host} ${port} ${own}`

interface Dialled {
  readonly target: SipTarget
  readonly own: string
}

/** What may be written to a connection goes out in one write a turn of the event loop, which is worth a factor of five. */
export class SipConnection {
  readonly id: number
  readonly transport: StreamTransport
  readonly remote: SipAddress
  /** Accepted, not dialled. */
  readonly incoming: boolean
  readonly remoteKey: string
  /** The one further address of the peer that it stands for. */
  aliasKey: string | undefined
  /** With TLS and dialled: the domains of which the peer must prove one. */
  readonly #wanted: readonly string[] | undefined
  readonly #dialledAs: string | undefined
  readonly #socket: Socket
  readonly #options: SipTcpOptions
  readonly #framer: SipStreamFramer
  readonly #onGone: (connection: SipConnection) => void
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  /** The domains that the peer's certificate has proven. */
  #names = NOBODY
  #namesUntilMs = Number.POSITIVE_INFINITY
  #connected: boolean
  /** Takes new messages. */
  #open = true
  #gone = false
  #flushing = false
  #paused = false
  #detail = 'closed by the peer'
  #lastUsedMs: number
  #idleTimer: Timer
  #connectTimer: Timer | undefined
  #lingerTimer: Timer | undefined
  #pingTimer: Timer | undefined
  #pongTimer: Timer | undefined

  /** `dialled` where we dial: whom, and as whom. */
  constructor(
    id: number,
    socket: Socket,
    remote: SipAddress,
    dialled: Dialled | undefined,
    options: SipTcpOptions,
    onGone: (connection: SipConnection) => void,
  ) {
    const incoming = dialled === undefined
    this.id = id
    this.transport = socket instanceof TLSSocket ? 'tls' : 'tcp'
    this.remote = remote
    this.incoming = incoming
    this.#wanted = dialled?.target.names
    this.#dialledAs = dialled?.own
    this.remoteKey = keyOf(this.transport, remote, dialled?.own)
    this.#socket = socket
    this.#options = options
    this.#onGone = onGone
    this.#framer = new SipStreamFramer(options.limits.message)
    this.#connected = incoming && this.transport === 'tcp'
    this.#lastUsedMs = options.clock.monotonicMs()
    this.#idleTimer = options.timers.arm(options.limits.idleMs, () => this.#onIdle())
    if (!this.#connected) {
      this.#connectTimer = options.timers.arm(options.limits.connectMs, () => this.destroy('no connection in time'))
      if (socket instanceof TLSSocket) socket.once('secure', () => this.#onSecure(socket))
      else socket.once('connect', () => this.#onConnect())
    }
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#onData(bytes))
    socket.on('drain', () => this.#resume())
    socket.on('end', () => {
      this.#open = false
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#detail = tlsTrouble(error.code ?? '') ?? error.code ?? error.message
    })
    socket.on('close', () => this.#onClose())
  }

  /** Whether a new request may take this connection. */
  get usable(): boolean {
    return this.#open
  }

  get connected(): boolean {
    return this.#connected
  }

  /** None when the certificate has expired in the meantime. */
  get names(): readonly string[] {
    if (this.#names.length === 0 || this.#options.clock.wallMs() <= this.#namesUntilMs) return this.#names
    return NOBODY
  }

  /** Whether who is at the other end is, or will have proven to be, whom the target asks for. @see RFC 5923 §4, §9.1 */
  isFor({ transport, names = NOBODY }: SipTarget, own: string): boolean {
    if (!this.#open || transport !== this.transport) return false
    if (transport === 'tcp') return true
    if (own !== this.own) return false
    const theirs = this.#connected ? this.names : (this.#wanted ?? NOBODY)
    return names.some((name) => theirs.includes(name))
  }

  /** As whom we speak on it: known of who connects once he has asked. @see RFC 5922 §7.3 */
  get own(): string {
    const { tls } = this.#options
    if (this.#dialledAs !== undefined) return this.#dialledAs
    return this.#socket instanceof TLSSocket && tls !== undefined ? tls.ownAt(this.#socket) : ''
  }

  get local(): SipAddress {
    return { host: this.#socket.localAddress ?? '', port: this.#socket.localPort ?? 0 }
  }

  /** False when the connection is closing, or its peer reads too slowly (which closes it). */
  send(bytes: Uint8Array): boolean {
    if (!this.#open) return false
    this.#lastUsedMs = this.#options.clock.monotonicMs()
    this.#unsent.push(bytes)
    this.#unsentBytes += bytes.length
    if (this.#unsentBytes + this.#socket.writableLength > this.#options.limits.maxUnsentBytes) {
      this.destroy('the peer does not read')
      return false
    }
    if (this.#connected && !this.#flushing) {
      this.#flushing = true
      setImmediate(() => this.#flush())
    }
    return true
  }

  /** Closes after what is already written; what still comes is read and thrown away, for a reset would overtake the answer. */
  end(detail: string): void {
    if (!this.#open) return
    this.#open = false
    this.#detail = detail
    this.#flush()
    this.#socket.end()
    this.#resume()
    this.#lingerTimer = this.#options.timers.arm(LINGER_MS, () => this.#socket.destroy())
  }

  destroy(detail: string): void {
    if (this.#gone) return
    this.#open = false
    this.#detail = detail
    this.#socket.destroy()
  }

  #flush(): void {
    this.#flushing = false
    const { length } = this.#unsent
    if (length === 0 || this.#gone) return
    const bytes = length === 1 ? (this.#unsent[0] as Uint8Array) : Buffer.concat(this.#unsent, this.#unsentBytes)
    this.#unsent = []
    this.#unsentBytes = 0
    this.#socket.write(bytes)
    if (this.#socket.writableLength > PAUSE_ABOVE_BYTES && !this.#paused) {
      this.#paused = true
      this.#socket.pause()
    }
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  #onConnect(): void {
    this.#connectTimer?.cancel()
    this.#connected = true
    this.#flush()
    if (!this.incoming) this.#armPing()
  }

  #onSecure(socket: TLSSocket): void {
    const judged: Result<ProvenDomains, string> | undefined = this.#options.tls?.judge(socket, this.#wanted)
    if (judged?.ok !== true) return this.destroy(judged?.failure ?? 'TLS is not spoken here')
    this.#names = judged.value.domains
    this.#namesUntilMs = judged.value.untilMs
    this.#onConnect()
  }

  /** A ping keeps what is on the way from forgetting the connection, and finds out early that it is dead. @see RFC 5626 §3.5.1 */
  #armPing(): void {
    const { keepAliveMs } = this.#options.limits
    if (keepAliveMs === 0) return
    this.#pingTimer = this.#options.timers.arm(keepAliveMs, () => {
      if (!this.#open) return
      this.#socket.write(PING)
      this.#pongTimer ??= this.#options.timers.arm(PONG_WITHIN_MS, () => this.destroy('no answer to a ping'))
      this.#armPing()
    })
  }

  #onData(bytes: Uint8Array): void {
    if (!this.#open || !this.#connected) return
    this.#pongTimer?.cancel()
    this.#pongTimer = undefined
    this.#lastUsedMs = this.#options.clock.monotonicMs()
    for (const event of this.#framer.push(bytes)) {
      if (!this.#open) return
      switch (event.kind) {
        case 'message':
          this.#options.on.message(event.bytes, this)
          break
        case 'keep-alive':
          this.send(PONG)
          break
        case 'failure':
          this.#options.on.broken(event.failure, this)
          this.end('framing lost')
          return
      }
    }
  }

  #onIdle(): void {
    // What is pinged is kept, but not for what never came up.
    if (this.#pingTimer !== undefined && this.#open) this.#lastUsedMs = this.#options.clock.monotonicMs()
    const idleMs = this.#options.clock.monotonicMs() - this.#lastUsedMs
    if (idleMs >= this.#options.limits.idleMs) return this.end('idle')
    this.#idleTimer = this.#options.timers.arm(this.#options.limits.idleMs - idleMs, () => this.#onIdle())
  }

  #onClose(): void {
    this.#gone = true
    this.#open = false
    this.#idleTimer.cancel()
    this.#connectTimer?.cancel()
    this.#lingerTimer?.cancel()
    this.#pingTimer?.cancel()
    this.#pongTimer?.cancel()
    this.#unsent = []
    this.#onGone(this)
    if (this.transport === 'tls' && this.incoming && !this.#connected)
      this.#options.on.insecure(this.remote, this.#detail)
    this.#options.on.closed(this, this.#detail)
  }
}

/** Listeners and connections, found again by the address of the peer. @see RFC 3261 §18 */
export class SipTcp {
  readonly #options: SipTcpOptions
  readonly #servers: Server[] = []
  readonly #byId = new Map<number, SipConnection>()
  readonly #byRemote = new Map<string, SipConnection>()
  readonly #countByHost = new Map<string, number>()
  #nextId = 1
  #closed = false

  constructor(options: SipTcpOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byId.size
  }

  /** Rejects with the system's error. */
  listen(transport: StreamTransport, address: SipAddress, onError: (error: Error) => void): Promise<SipAddress> {
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(transport, socket))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: address.host, port: address.port, ipv6Only: true }, () => {
        server.removeAllListeners('error')
        // A failing accept (no more descriptors, say) must not end the process; the next one may succeed.
        server.on('error', onError)
        this.#servers.push(server)
        const bound = server.address() as AddressInfo
        resolve({ host: bound.address, port: bound.port })
      })
    })
  }

  byId(id: number): SipConnection | undefined {
    return this.#byId.get(id)
  }

  /** The connection to this target, dialled when there is none; undefined when there is no room for one more. */
  to(target: SipTarget): SipConnection | undefined {
    const isTls = target.transport === 'tls'
    const own = isTls ? (this.#options.tls?.ownFor(target.names ?? NOBODY) ?? '') : ''
    const known = this.#byRemote.get(keyOf(isTls ? 'tls' : 'tcp', target, own))
    if (known?.isFor(target, own) === true) return known
    if (this.#closed || this.#isFull(target.host)) return undefined
    return this.#add(this.#dial(target), target, { target, own })
  }

  /**
   * The peer takes requests for this address of its own on the connection as well. What it has not proven to be is not
   * sent there: `to` looks at that. @see RFC 5923 §5, §8
   */
  alias(connection: SipConnection, address: SipAddress): void {
    const key = keyOf(connection.transport, address, connection.own)
    if (this.#byRemote.get(key)?.usable === true) return
    connection.aliasKey ??= key
    if (connection.aliasKey === key) this.#byRemote.set(key, connection)
  }

  async close(): Promise<void> {
    this.#closed = true
    const listening = this.#servers.splice(0).map(
      (server) =>
        new Promise<void>((done) => {
          server.close(() => done())
        }),
    )
    for (const connection of this.#byId.values()) connection.end('shutting down')
    // Who has not taken its answers by then does not want them.
    const late = this.#options.timers.arm(500, () => {
      for (const connection of this.#byId.values()) connection.destroy('shutting down')
    })
    await Promise.all(listening)
    late.cancel()
    for (const connection of this.#byId.values()) connection.destroy('shutting down')
  }

  #dial(target: SipTarget): Socket {
    const { tls } = this.#options
    if (target.transport === 'tls' && tls !== undefined) return tls.dial(target, target.names ?? NOBODY)
    return connect({ host: target.host, port: target.port, keepAlive: true })
  }

  #isFull(host: string): boolean {
    const { maxConnections, maxConnectionsPerPeer } = this.#options.limits
    return this.#byId.size >= maxConnections || (this.#countByHost.get(host) ?? 0) >= maxConnectionsPerPeer
  }

  #accept(transport: StreamTransport, socket: Socket): void {
    const remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    if (this.#closed || this.#isFull(remote.host)) {
      socket.on('error', () => {})
      socket.destroy()
      this.#options.on.tooMany(remote)
      return
    }
    const { tls } = this.#options
    this.#add(transport === 'tls' && tls !== undefined ? tls.accept(socket) : socket, remote, undefined)
  }

  #add(socket: Socket, { host, port }: SipAddress, dialled: Dialled | undefined): SipConnection {
    const remote = { host, port }
    const connection = new SipConnection(this.#nextId++, socket, remote, dialled, this.#options, (gone) =>
      this.#remove(gone),
    )
    this.#byId.set(connection.id, connection)
    this.#byRemote.set(connection.remoteKey, connection)
    this.#countByHost.set(host, (this.#countByHost.get(host) ?? 0) + 1)
    return connection
  }

  #remove(connection: SipConnection): void {
    this.#byId.delete(connection.id)
    const { host } = connection.remote
    const others = (this.#countByHost.get(host) ?? 1) - 1
    if (others === 0) this.#countByHost.delete(host)
    else this.#countByHost.set(host, others)
    for (const key of [connection.remoteKey, connection.aliasKey]) {
      if (key !== undefined && this.#byRemote.get(key) === connection) this.#byRemote.delete(key)
    }
  }
}
