import type { Clock, Timer, Timers } from '@stox/kernel'
import { TokenBuckets } from './token-buckets.ts'

export interface HandshakeLimits {
  /** Handshakes of one partner at one address, and how many it may make at once after a while of none. */
  readonly handshakesPerSecond: number
  readonly handshakeBurst: number
}

/** Who waits for a handshake. */
export interface Waiter {
  /** Those of one name stand in one line. */
  readonly name: string
  /** A partner was at its address lately: it goes before strangers. */
  readonly isKnown: boolean
  /** What it takes of the rate of its name. */
  readonly price: number
  begin(): void
}

/** Lines by name; of those whose turn it is, the one that was served last comes last. */
type Lines = Map<string, Set<Waiter>>

/**
 * A TLS handshake is milliseconds of work in which nobody else is heard. One begins in each turn of the event loop, so
 * that streams which stand are read between two; names take turns, and none has more than its rate. The lines are
 * bounded by the places of connections that have not authenticated, and the time by the establishment of a stream.
 */
export class HandshakeGate {
  readonly #timers: Timers
  readonly #limits: HandshakeLimits
  readonly #buckets: TokenBuckets
  readonly #known: Lines = new Map()
  readonly #strangers: Lines = new Map()
  #next: NodeJS.Immediate | undefined
  #later: Timer | undefined

  constructor(clock: Clock, timers: Timers, limits: HandshakeLimits) {
    this.#timers = timers
    this.#limits = limits
    const { handshakesPerSecond, handshakeBurst } = limits
    this.#buckets = new TokenBuckets(clock, handshakesPerSecond, handshakeBurst / handshakesPerSecond)
  }

  /** `begin` is called when it is the waiter's turn, never at once; what is given back takes it out of its line. */
  wait(waiter: Waiter): () => void {
    const lines = waiter.isKnown ? this.#known : this.#strangers
    lines.set(waiter.name, (lines.get(waiter.name) ?? new Set()).add(waiter))
    this.#awaitTurn()
    return () => leave(lines, waiter)
  }

  close(): void {
    clearImmediate(this.#next)
    this.#later?.cancel()
    this.#known.clear()
    this.#strangers.clear()
  }

  #awaitTurn(): void {
    this.#next ??= setImmediate(() => {
      this.#next = undefined
      this.#turn()
    })
  }

  #turn(): void {
    const lines = [this.#known, this.#strangers].find((one) => this.#serve(one))
    if (this.#known.size + this.#strangers.size === 0) return
    if (lines !== undefined) this.#awaitTurn()
    // All are beyond their rate: nothing is to be done before the next token.
    else
      this.#later ??= this.#timers.arm(1000 / this.#limits.handshakesPerSecond, () => {
        this.#later = undefined
        this.#awaitTurn()
      })
  }

  #serve(lines: Lines): boolean {
    for (const [name, waiting] of lines) {
      const [first] = waiting
      if (first === undefined || !this.#buckets.take(name, first.price)) continue
      leave(lines, first)
      if (lines.delete(name) && waiting.size > 0) lines.set(name, waiting)
      first.begin()
      return true
    }
    return false
  }
}

function leave(lines: Lines, waiter: Waiter): void {
  const waiting = lines.get(waiter.name)
  waiting?.delete(waiter)
  if (waiting?.size === 0) lines.delete(waiter.name)
}
