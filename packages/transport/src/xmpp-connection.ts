import type { Socket } from 'node:net'
import type { TLSSocket as TlsSocket } from 'node:tls'
import { TLSSocket } from 'node:tls'
import { NamedTimers } from '@stox/kernel'
import type { Clock, Timer, Timers } from '@stox/kernel'
import type { XmlLimits } from '@stox/xml'
import { DEFAULT_XML_LIMITS, XmlStreamReader } from '@stox/xml'
import type { DomainName } from '@stox/xmpp'
import type { StreamEffect, StreamFailure, StreamInput, TimerName } from '@stox/xmpp-engine'
import { presentedChain } from './certificates/presented-chain.ts'
import { describedOnce, heldOnce } from './certificates/shared-certificates.ts'
import { secureAsClient, secureAsServer } from './secure-socket.ts'
import type { TlsIdentity } from './tls-identity.ts'
import { tlsTroubleOf } from './tls-trouble.ts'
import type { StreamCertificates } from './xmpp-endpoint-types.ts'
import { XmppWrites } from './xmpp-writes.ts'
import type { Written } from './xmpp-writes.ts'

/** A stream machine with its state inside: inputs in, effects out. */
export interface StreamMachine {
  readonly stateName: string
  start(): readonly StreamEffect[]
  advance(input: StreamInput): readonly StreamEffect[]
}

export interface XmppConnectionOptions {
  /** Encrypted already, where TLS came before the stream. */
  readonly socket: Socket | TlsSocket
  readonly direction: 'in' | 'out'
  readonly machine: StreamMachine
  readonly clock: Clock
  readonly timers: Timers
  readonly tls: TlsIdentity
  isServed(domain: string): boolean
  readonly writeBufferBytes: number
  readonly stallTimeoutMs: number
  readonly closeTimeoutMs: number
  /** What is read at most before somebody has proven himself. */
  readonly bytesBeforeProof: number
  /** Calls back when the handshake of who came may begin; what it gives back calls that off. */
  beforeHandshake(begin: () => void): () => void
  /** What the connection does not do itself: everything but bytes, TLS and timers. */
  onEffect(effect: StreamEffect): void
  /** Bytes to be read before others may come first. */
  mostAtOnce(): number
  /** A piece of so many bytes has been read, and what was in it has been told, in so many milliseconds. */
  onPiece(bytes: number, tookMs: number): void
  /** So much has been read in all, and now there is nothing more, or it has to wait. */
  onRead(bytes: number): void
  /** What else is to be written behind what is written now. */
  beforeFlush(): string
  /** There is room for writing again. */
  onDrain(): void
  /** The socket is gone; nothing comes after it. */
  onClosed(): void
}

/** What an unauthenticated peer may make us hold. @see mapping F.8 */
const BEFORE_AUTHENTICATION: XmlLimits = { ...DEFAULT_XML_LIMITS, maxStanzaBytes: 16_384 }

const NO_CERTIFICATES: StreamCertificates = { own: undefined, peer: undefined }

/** What a peer may still say that was hung up on, before the connection is cut. */
const MOST_TO_THE_FLOOR = 65_536

const startsAnew = ({ kind }: StreamEffect): boolean => kind === 'start-tls' || kind === 'restart'

/** One TCP connection with the machine that drives it: bytes, TLS and timers are done here and nowhere else. */
export class XmppConnection {
  readonly openedAtMs: number
  readonly remoteAddress: string
  readonly remotePort: number | undefined
  stanzasIn = 0
  stanzasOut = 0
  bytesIn = 0

  readonly #options: XmppConnectionOptions
  readonly #writes: XmppWrites
  #socket: Socket | TlsSocket
  #reader = new XmlStreamReader(BEFORE_AUTHENTICATION)
  #mode: 'hesitating' | 'reading' | 'securing' | 'hung-up' | 'closed' = 'reading'
  #isProven = false
  #tlsVersion: string | undefined
  #presented: readonly Uint8Array[] | undefined
  #certificates: StreamCertificates | undefined
  readonly #timers = new NamedTimers<TimerName>()
  #closeTimer: Timer | undefined
  #rateTimer: Timer | undefined
  #callOffHandshake: (() => void) | undefined

  /** Has come, and has to wait for what holds the stream back. */
  #unread: Buffer | undefined
  #isReadingOn = false
  #heldForCredit = false
  #heldForRate = false
  #heldForTurn = false
  /** The peer makes us write and does not read it: it has to, before it may say more. */
  #heldForWrites = false
  #toTheFloor = 0
  #lastReadMs: number
  #lastStanzaMs: number

  constructor(options: XmppConnectionOptions) {
    this.#options = options
    this.#socket = options.socket
    this.#writes = new XmppWrites(options.socket, options, {
      beforeFlush: () => (this.#mode === 'reading' ? options.beforeFlush() : ''),
      onRoom: () => this.#onRoom(),
      onStalled: () => this.#onStalled(),
    })
    if (options.socket instanceof TLSSocket) this.#tlsVersion = options.socket.getProtocol() ?? 'unknown'
    this.openedAtMs = options.clock.wallMs()
    this.remoteAddress = options.socket.remoteAddress ?? 'unknown'
    this.remotePort = options.socket.remotePort
    const nowMs = options.clock.monotonicMs()
    this.#lastReadMs = nowMs
    this.#lastStanzaMs = nowMs
  }

  /** Nothing is heard or done before `afterMs`. */
  start(afterMs = 0): void {
    this.#attach(this.#socket)
    if (afterMs === 0) return this.#perform(this.#options.machine.start())
    this.#mode = 'hesitating'
    this.#socket.pause()
    this.#rateTimer = this.#options.timers.arm(afterMs, () => {
      this.#mode = 'reading'
      this.#perform(this.#options.machine.start())
      this.#holdOrRead()
    })
  }

  get isClosed(): boolean {
    return this.#mode === 'closed'
  }

  get encrypted(): boolean {
    return this.#tlsVersion !== undefined
  }

  get tlsVersion(): string | undefined {
    return this.#tlsVersion
  }

  get cipher(): string | undefined {
    return this.#socket instanceof TLSSocket && this.encrypted ? this.#socket.getCipher()?.standardName : undefined
  }

  /**
   * The certificates that the peer sent in its handshake, its own first. Asked of the socket once: as the one who
   * connected, Node takes a certificate off its list each time (seen with Node 24).
   */
  get presented(): readonly Uint8Array[] {
    if (!(this.#socket instanceof TLSSocket) || !this.encrypted) return []
    this.#presented ??= heldOnce(presentedChain(this.#socket))
    return this.#presented
  }

  /** Both sides' certificates, read once, when somebody asks. */
  get certificates(): StreamCertificates {
    if (!(this.#socket instanceof TLSSocket) || !this.encrypted) return NO_CERTIFICATES
    this.#certificates ??= {
      own: describedOnce(this.#socket.getX509Certificate()?.raw),
      peer: describedOnce(this.presented[0]),
    }
    return this.#certificates
  }

  get quietMs(): number {
    return this.#options.clock.monotonicMs() - this.#lastStanzaMs
  }

  get bytesOut(): number {
    return this.#writes.bytesOut
  }

  get waitingBytes(): number {
    return this.#writes.waitingBytes
  }

  get isFull(): boolean {
    return this.#writes.isFull
  }

  /** Gives the machine an input that does not come from the wire. */
  input(input: StreamInput): void {
    if (this.#mode === 'hesitating' && input.kind === 'close') this.destroy()
    if (this.#mode === 'hesitating' || this.#mode === 'closed') return
    this.#perform(this.#options.machine.advance(input))
  }

  /** A stanza of ours. `written` is called once: when the socket has taken it, or with why it has not. */
  writeStanza(xml: string, written?: Written): void {
    this.stanzasOut += 1
    this.#lastStanzaMs = this.#options.clock.monotonicMs()
    this.#write(xml, written)
  }

  /** A stanza that keeps the stream alive and is no use of it. */
  writePing(xml: string): void {
    this.stanzasOut += 1
    this.#write(xml)
  }

  /** We take what the peer says, as fast as it comes. */
  get isReading(): boolean {
    return this.#mode === 'reading' && !this.#heldForCredit && !this.#heldForRate && !this.#heldForWrites
  }

  /** The layer above is full: what the peer sends stays in its own buffers. */
  hold(isHeld: boolean): void {
    this.#heldForCredit = isHeld
    this.#holdOrRead()
  }

  /** At once, without a word. */
  destroy(): void {
    this.#socket.destroy()
  }

  readonly #onChunk = (chunk: Buffer): void => this.#onData(chunk)
  readonly #onEnd = (): void => this.#onGone('the peer hung up')
  readonly #onError = (error: NodeJS.ErrnoException): void => this.#onGone(error.code ?? error.message)
  readonly #onClosed = (): void => this.#onClose()

  #attach(socket: Socket | TlsSocket): void {
    socket.on('data', this.#onChunk)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClosed)
  }

  #detach(socket: Socket | TlsSocket): void {
    socket.off('data', this.#onChunk)
    socket.off('end', this.#onEnd)
    socket.off('error', this.#onError)
    socket.off('close', this.#onClosed)
    // An error without a listener would end the process.
    socket.on('error', () => {})
  }

  #onData(chunk: Buffer): void {
    this.bytesIn += chunk.length
    this.#lastReadMs = this.#options.clock.monotonicMs()
    if (this.#mode === 'hung-up') this.#drop(chunk.length)
    if (this.#mode !== 'reading') return
    this.#unread = this.#unread === undefined ? chunk : Buffer.concat([this.#unread, chunk])
    this.#readOn()
  }

  /** In small pieces: after each of them others may come first. */
  #readOn(): void {
    if (this.#isReadingOn) return
    this.#isReadingOn = true
    let bytes = 0
    while (this.#unread !== undefined && this.isReading && !this.#heldForTurn) {
      const piece = this.#unread.subarray(0, this.#options.mostAtOnce())
      this.#unread = piece.length < this.#unread.length ? this.#unread.subarray(piece.length) : undefined
      const beganMs = this.#options.clock.monotonicMs()
      this.#consume(piece)
      if (!this.#isProven && this.bytesIn > this.#options.bytesBeforeProof) this.#cutOff()
      this.#options.onPiece(piece.length, this.#options.clock.monotonicMs() - beganMs)
      bytes += piece.length
    }
    this.#isReadingOn = false
    if (bytes > 0) this.#options.onRead(bytes)
  }

  #cutOff(): void {
    const error = { condition: 'policy-violation', text: 'too much before authentication' } as const
    this.input({ kind: 'close', error, refusal: 'too-much-unproven' })
  }

  /** Read to the floor, lest a reset overtakes our last words; but not without end. */
  #drop(bytes: number): void {
    this.#toTheFloor += bytes
    if (this.#toTheFloor > MOST_TO_THE_FLOOR) this.#socket.destroy()
  }

  #consume(chunk: Buffer): void {
    const reader = this.#reader
    const events = reader.push(chunk)
    let left = events.length
    for (const event of events) {
      left -= 1
      const effects = this.#options.machine.advance({ kind: 'xml', event })
      if (effects.some(startsAnew) && (left > 0 || reader.pendingBytes > 0 || this.#unread !== undefined)) {
        // Text behind <starttls/> or <proceed/> was not written by who speaks TLS next. @see RFC 6120 §5.4.3.3, §6.3.3
        this.#perform(this.#options.machine.advance({ kind: 'injected' }))
        return
      }
      this.#perform(effects)
      if (this.#mode !== 'reading') return
    }
  }

  /** What has come and waited is heard before it is told that the peer is gone: often it says why. */
  #hearOut(): void {
    const rest = this.#unread
    this.#unread = undefined
    if (rest !== undefined && this.#mode === 'reading') this.#consume(rest)
  }

  #onGone(detail: string): void {
    this.#hearOut()
    if (this.#mode === 'closed' || this.#mode === 'hung-up') return
    const reason = tlsTroubleOf(detail)
    // As the one who connected we hear after the handshake that our certificate is refused. @see RFC 8446 §4.4.2.4
    const failure: StreamFailure =
      this.#mode === 'securing' || reason !== undefined
        ? { kind: 'tls-failed', reason: reason ?? 'tls-hung-up', detail: `the TLS handshake failed: ${detail}` }
        : { kind: 'closed', detail: `the connection broke: ${detail}` }
    this.input({ kind: 'gone', failure })
  }

  #onClose(): void {
    if (this.#mode === 'closed') return
    this.#onGone('closed')
    this.#mode = 'closed'
    this.#timers.cancelAll()
    this.#closeTimer?.cancel()
    this.#rateTimer?.cancel()
    this.#callOffHandshake?.()
    this.#unread = undefined
    this.#writes.close()
    this.#options.onClosed()
  }

  #perform(effects: readonly StreamEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'write':
          this.#write(effect.text)
          this.#holdWhileUnread()
          break
        case 'start-tls':
          this.#startTls(effect.role, effect.local, effect.remote)
          break
        case 'restart':
          this.#reader = new XmlStreamReader(BEFORE_AUTHENTICATION)
          break
        case 'proven':
        case 'ready':
        case 'verdict':
          this.#isProven = true
          this.#options.onEffect(effect)
          break
        case 'set-max-stanza':
          this.#reader.setLimits({ ...DEFAULT_XML_LIMITS, maxStanzaBytes: effect.bytes })
          break
        case 'arm-timer':
          this.#arm(effect.timer, effect.afterMs)
          break
        case 'cancel-timer':
          this.#timers.cancel(effect.timer)
          break
        case 'hang-up':
          this.#hangUp()
          this.#options.onEffect(effect)
          break
        case 'stanza':
          this.stanzasIn += 1
          this.#lastStanzaMs = this.#lastReadMs
          this.#options.onEffect(effect)
          break
        default:
          this.#options.onEffect(effect)
      }
    }
  }

  #arm(name: TimerName, afterMs: number): void {
    this.#timers.arm(this.#options.timers, name, afterMs, () =>
      this.input({ kind: 'timer', timer: name, quietMs: this.#quietFor(name) }),
    )
  }

  #quietFor(name: TimerName): number {
    const nowMs = this.#options.clock.monotonicMs()
    // What waits to be taken is no idleness: whether it moves is another timer's business.
    if (name === 'idle' && this.#writes.isUnderWay) return 0
    if (name !== 'keep-alive') return nowMs - this.#lastStanzaMs
    return nowMs - (this.#options.direction === 'in' ? this.#lastReadMs : this.#writes.lastMs)
  }

  #write(text: string, written?: Written): void {
    if (text === '') return
    if (this.#mode === 'closed' || this.#mode === 'hung-up') written?.(new Error('the connection is closed'))
    else this.#writes.write(text, written)
  }

  /** `beforeFlush` has something to say. */
  flushSoon(): void {
    if (this.#mode === 'reading') this.#writes.flushSoon()
  }

  #onStalled(): void {
    const detail = 'the peer does not read what we send'
    this.input({ kind: 'gone', failure: { kind: 'closed', reason: 'not-reading', detail } })
    this.destroy()
  }

  /** Answers have room beyond that of stanzas, so that two who send much to each other still hear each other. */
  #holdWhileUnread(): void {
    if (this.#heldForWrites || this.waitingBytes < 2 * this.#options.writeBufferBytes) return
    this.#heldForWrites = true
    this.#holdOrRead()
  }

  #onRoom(): void {
    this.#heldForWrites = false
    this.#holdOrRead()
    this.#options.onDrain()
  }

  #holdOrRead(): void {
    this.#readOn()
    if (this.#mode !== 'reading') return
    if (this.isReading && !this.#heldForTurn) this.#socket.resume()
    else this.#socket.pause()
  }

  /** Others are read before it goes on. */
  waitForTurn(isWaiting: boolean): void {
    this.#heldForTurn = isWaiting
    this.#holdOrRead()
  }

  /** Reads on after `afterMs`: the partner is faster than its record allows. */
  slowDown(afterMs: number): void {
    if (this.#heldForRate || afterMs <= 0 || this.#mode === 'closed') return
    this.#heldForRate = true
    this.#holdOrRead()
    this.#rateTimer = this.#options.timers.arm(afterMs, () => {
      this.#heldForRate = false
      this.#holdOrRead()
    })
  }

  #startTls(role: 'server' | 'client', local: DomainName | undefined, remote: DomainName | undefined): void {
    const { tls, isServed, beforeHandshake } = this.#options
    this.#mode = 'securing'
    if (role === 'client' && local !== undefined) {
      this.#secureAs('client', (plain) => secureAsClient(plain, tls, local, remote, false))
      return
    }
    // Until then our <proceed/> is not said, and what comes nevertheless is kept for TLS.
    this.#writes.hold()
    this.#socket.off('data', this.#onChunk)
    this.#socket.pause()
    this.#callOffHandshake = beforeHandshake(() => {
      this.#callOffHandshake = undefined
      if (this.#mode !== 'securing') return
      this.#secureAs('server', (plain) => secureAsServer(plain, tls, local, isServed), local === undefined)
    })
  }

  #secureAs(role: 'server' | 'client', secure: (plain: Socket) => TLSSocket, isDirect = false): void {
    this.#writes.flush()
    const plain = this.#socket
    this.#detach(plain)
    const secured = secure(plain)
    this.#socket = secured
    this.#writes.moveTo(secured)
    this.#attach(secured)
    secured.once(role === 'server' ? 'secure' : 'secureConnect', () => {
      if (this.#mode !== 'securing') return
      this.#mode = 'reading'
      this.#tlsVersion = secured.getProtocol() ?? 'unknown'
      this.#reader = new XmlStreamReader(BEFORE_AUTHENTICATION)
      this.input({ kind: 'tls-done', ...(isDirect ? named(secured) : {}) })
    })
  }

  /** The write side closes behind the last bytes; what still comes is read to the floor, lest a reset overtakes them. */
  #hangUp(): void {
    if (this.#mode === 'hung-up' || this.#mode === 'closed') return
    this.#writes.flush()
    const wasSecuring = this.#mode === 'securing'
    this.#mode = 'hung-up'
    this.#unread = undefined
    if (wasSecuring) {
      this.#socket.destroy()
      return
    }
    this.#socket.resume()
    this.#socket.end()
    this.#closeTimer = this.#options.timers.arm(this.#options.closeTimeoutMs, () => this.#socket.destroy())
  }
}

/** What the peer wants to speak with, as its handshake says. */
const named = ({ servername }: TLSSocket): { readonly serverName?: string } =>
  typeof servername === 'string' ? { serverName: servername } : {}
