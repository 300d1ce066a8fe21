import type { Socket } from 'node:net'
import type { Clock, Timer, Timers } from '@stox/kernel'

/** Called once: when the socket has taken what was written, or with why it has not. */
export type Written = (error: Error | null | undefined) => void

export interface XmppWritesOptions {
  readonly clock: Clock
  readonly timers: Timers
  readonly writeBufferBytes: number
  readonly stallTimeoutMs: number
}

/** Whose writes they are. */
export interface XmppWritesOwner {
  /** What else is to be written behind what is written now. */
  beforeFlush(): string
  /** They were too many, and are so no longer. */
  onRoom(): void
  /** The peer has taken nothing for as long as it may. */
  onStalled(): void
}

/** What a connection writes, from our hands into the socket's: gathered, counted, and watched whether it moves. */
export class XmppWrites {
  /** What the socket was given, and when it was last given something. */
  bytesOut = 0
  lastMs: number

  readonly #options: XmppWritesOptions
  readonly #owner: XmppWritesOwner
  #socket: Socket
  #pieces: string[] = []
  #pieceLength = 0
  #written: Written[] = []
  #flushing: NodeJS.Immediate | undefined
  #oldestMs = 0
  #underWay = 0
  #wasFull = false
  #stallTimer: Timer | undefined

  constructor(socket: Socket, options: XmppWritesOptions, owner: XmppWritesOwner) {
    this.#socket = socket
    this.#options = options
    this.#owner = owner
    this.lastMs = options.clock.monotonicMs()
  }

  get waitingBytes(): number {
    return this.#pieceLength + this.#socket.writableLength
  }

  get isFull(): boolean {
    return this.waitingBytes >= this.#options.writeBufferBytes
  }

  /** The socket has not got rid of all that it was given. */
  get isUnderWay(): boolean {
    return this.#underWay > 0
  }

  /** What is written in one turn of the event loop leaves as one piece. */
  write(text: string, written?: Written): void {
    this.#pieces.push(text)
    this.#pieceLength += text.length
    if (written !== undefined) this.#written.push(written)
    if (this.isFull) this.#wasFull = true
    this.flushSoon()
  }

  flushSoon(): void {
    this.#flushing ??= setImmediate(() => this.flush())
  }

  /** What has been written waits for the next `flush`. */
  hold(): void {
    clearImmediate(this.#flushing)
    this.#flushing = undefined
  }

  flush(): void {
    this.hold()
    const last = this.#owner.beforeFlush()
    if (last !== '') this.#pieces.push(last)
    if (this.#pieces.length === 0) return
    const bytes = Buffer.from(this.#pieces.length === 1 ? (this.#pieces[0] ?? '') : this.#pieces.join(''), 'utf8')
    const waiting = this.#takeWritten()
    const { clock, timers, stallTimeoutMs } = this.#options
    this.lastMs = clock.monotonicMs()
    this.bytesOut += bytes.length
    if (this.#underWay === 0) this.#oldestMs = this.lastMs
    this.#underWay += 1
    this.#socket.write(bytes, (error) => {
      this.#underWay -= 1
      // Progress: the next one's time starts now.
      this.#oldestMs = clock.monotonicMs()
      for (const written of waiting) written(error)
      if (error === null || error === undefined) this.#tellRoom()
    })
    this.#stallTimer ??= timers.arm(stallTimeoutMs, () => this.#onStallTimer())
  }

  /** What follows is for this one. */
  moveTo(socket: Socket): void {
    this.#socket = socket
  }

  /** What has not left will not leave. */
  close(): void {
    this.#stallTimer?.cancel()
    clearImmediate(this.#flushing)
    for (const written of this.#takeWritten()) written(new Error('the connection is closed'))
  }

  #takeWritten(): readonly Written[] {
    const written = this.#written
    this.#pieces = []
    this.#pieceLength = 0
    this.#written = []
    return written
  }

  /** A peer that takes nothing for so long is gone, whatever TCP thinks. */
  #onStallTimer(): void {
    this.#stallTimer = undefined
    if (this.#underWay === 0) return
    const { clock, timers, stallTimeoutMs } = this.#options
    const leftMs = stallTimeoutMs - (clock.monotonicMs() - this.#oldestMs)
    if (leftMs > 0) this.#stallTimer = timers.arm(leftMs, () => this.#onStallTimer())
    else this.#owner.onStalled()
  }

  #tellRoom(): void {
    if (!this.#wasFull || this.isFull) return
    this.#wasFull = false
    this.#owner.onRoom()
  }
}
