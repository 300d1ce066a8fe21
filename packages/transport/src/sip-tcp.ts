import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Clock, Timer, Timers } from '@stox/kernel'
import { SipStreamFramer } from '@stox/sip'
import type { SipLimits, SipSyntaxFailure } from '@stox/sip'
import type { SipAddress } from './sip-endpoint-types.ts'

export interface SipTcpLimits {
  readonly message: SipLimits
  readonly maxConnections: number
  readonly maxUnsentBytes: number
  readonly connectMs: number
  readonly idleMs: number
}

export interface SipTcpEvents {
  message(bytes: Uint8Array, connection: SipConnection): void
  /** Framing is lost; the connection closes after what is written now. */
  broken(failure: SipSyntaxFailure, connection: SipConnection): void
  /** What was sent on it and not answered is lost. `detail` says why. */
  closed(connection: SipConnection, detail: string): void
  /** A connection came in that there is no room for. */
  tooMany(remote: SipAddress): void
}

export interface SipTcpOptions {
  readonly limits: SipTcpLimits
  readonly clock: Clock
  readonly timers: Timers
  readonly on: SipTcpEvents
}

const PONG = new Uint8Array([13, 10])
/** A peer that does not read its answers is not read from either. */
const PAUSE_ABOVE_BYTES = 256 * 1024
/** For a peer to take our last answer and close. */
const LINGER_MS = 2000

const keyOf = ({ host, port }: SipAddress): string => `${host} ${port}`

/** What may be written to a connection goes out in one write a turn of the event loop, which is worth a factor of five. */
export class SipConnection {
  readonly id: number
  readonly remote: SipAddress
  /** Accepted, not dialled. */
  readonly incoming: boolean
  readonly #socket: Socket
  readonly #options: SipTcpOptions
  readonly #framer: SipStreamFramer
  readonly #onGone: (connection: SipConnection) => void
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
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

  constructor(
    id: number,
    socket: Socket,
    remote: SipAddress,
    incoming: boolean,
    options: SipTcpOptions,
    onGone: (connection: SipConnection) => void,
  ) {
    this.id = id
    this.remote = remote
    this.incoming = incoming
    this.#socket = socket
    this.#options = options
    this.#onGone = onGone
    this.#framer = new SipStreamFramer(options.limits.message)
    this.#connected = incoming
    this.#lastUsedMs = options.clock.monotonicMs()
    this.#idleTimer = options.timers.arm(options.limits.idleMs, () => this.#onIdle())
    if (!incoming) {
      this.#connectTimer = options.timers.arm(options.limits.connectMs, () => this.destroy('no connection in time'))
      socket.once('connect', () => this.#onConnect())
    }
    socket.setNoDelay(true)
    socket.on('data', (bytes) => this.#onData(bytes))
    socket.on('drain', () => this.#resume())
    socket.on('end', () => {
      this.#open = false
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#detail = error.code ?? error.message
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
  }

  #onData(bytes: Uint8Array): void {
    if (!this.#open) return
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
    this.#unsent = []
    this.#onGone(this)
    this.#options.on.closed(this, this.#detail)
  }
}

/** Listeners and connections, found again by the address of the peer. @see RFC 3261 §18 */
export class SipTcp {
  readonly #options: SipTcpOptions
  readonly #servers: Server[] = []
  readonly #byId = new Map<number, SipConnection>()
  readonly #byRemote = new Map<string, SipConnection>()
  #nextId = 1
  #closed = false

  constructor(options: SipTcpOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#byId.size
  }

  /** Rejects with the system's error. */
  listen(address: SipAddress, onError: (error: Error) => void): Promise<SipAddress> {
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket))
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

  /** The connection to this address, dialled when there is none; undefined when there is no room for one more. */
  to(target: SipAddress): SipConnection | undefined {
    const known = this.#byRemote.get(keyOf(target))
    if (known?.usable === true) return known
    if (this.#closed || this.#byId.size >= this.#options.limits.maxConnections) return undefined
    return this.#add(connect({ host: target.host, port: target.port, keepAlive: true }), target, false)
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

  #accept(socket: Socket): void {
    const remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
    if (this.#closed || this.#byId.size >= this.#options.limits.maxConnections) {
      socket.on('error', () => {})
      socket.destroy()
      this.#options.on.tooMany(remote)
      return
    }
    this.#add(socket, remote, true)
  }

  #add(socket: Socket, remote: SipAddress, incoming: boolean): SipConnection {
    const connection = new SipConnection(this.#nextId++, socket, remote, incoming, this.#options, (gone) =>
      this.#remove(gone),
    )
    this.#byId.set(connection.id, connection)
    this.#byRemote.set(keyOf(remote), connection)
    return connection
  }

  #remove(connection: SipConnection): void {
    this.#byId.delete(connection.id)
    const key = keyOf(connection.remote)
    if (this.#byRemote.get(key) === connection) this.#byRemote.delete(key)
  }
}
