import type { Clock, Timer, Timers } from '@stox/kernel'

export interface Pace {
  /** At least so many a second, as long as some wait. */
  readonly perS: number
  /** Faster when it takes longer than this otherwise. */
  readonly longestMs: number
}

/** After a restart, and whenever very many are due at once. @see mapping D.10 */
export const RESUMPTION_PACE: Pace = { perS: 100, longestMs: 290_000 }

const TICK_MS = 50
/** What a process that was late catches up at once: the rest is later, so that what lives goes on beside it. */
const MOST_TICKS_AT_ONCE = 4

/** Does something for each of many, one after the other at a steady rate; one timer for all of them. */
export class PacedTurns<T> {
  readonly #deps: { readonly clock: Clock; readonly timers: Timers }
  readonly #pace: Pace
  readonly #turn: (one: T) => void
  readonly #waiting = new Set<T>()
  #perMs = 0
  #owed = 0
  #lastMs = 0
  #timer: Timer | undefined

  constructor(deps: { readonly clock: Clock; readonly timers: Timers }, pace: Pace, turn: (one: T) => void) {
    this.#deps = deps
    this.#pace = pace
    this.#turn = turn
  }

  /** How long those that wait now take in all. */
  get leftMs(): number {
    return this.#perMs === 0 ? 0 : Math.ceil(this.#waiting.size / this.#perMs)
  }

  /** Behind those that wait; who waits already keeps its place. */
  add(many: Iterable<T>): void {
    for (const one of many) this.#waiting.add(one)
    this.#perMs = Math.max(this.#perMs, this.#pace.perS / 1000, this.#waiting.size / this.#pace.longestMs)
    if (this.#timer !== undefined || this.#waiting.size === 0) return
    this.#lastMs = this.#deps.clock.monotonicMs()
    this.#arm()
  }

  /** It waits no more. False: it did not. */
  drop(one: T): boolean {
    return this.#waiting.delete(one)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#waiting.clear()
  }

  #arm(): void {
    this.#timer = this.#deps.timers.arm(TICK_MS, () => {
      this.#timer = undefined
      this.#tick()
    })
  }

  #tick(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    const passedMs = Math.min(Math.max(0, nowMs - this.#lastMs), TICK_MS * MOST_TICKS_AT_ONCE)
    this.#lastMs = nowMs
    this.#owed += passedMs * this.#perMs
    for (const one of this.#waiting) {
      if (this.#owed < 1) break
      this.#owed -= 1
      this.#waiting.delete(one)
      this.#turn(one)
    }
    if (this.#waiting.size > 0) return this.#arm()
    this.#perMs = 0
    this.#owed = 0
  }
}
