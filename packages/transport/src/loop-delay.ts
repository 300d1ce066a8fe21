import type { Clock, Timer, Timers } from '@stox/kernel'

const EVERY_MS = 250

/** How late this process runs: what it is asked for now waits at least as long. A single pause is not counted. */
export class LoopDelay {
  readonly #clock: Clock
  readonly #timers: Timers
  #timer: Timer | undefined
  #lastMs = 0
  #beforeMs = 0

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock
    this.#timers = timers
  }

  start(): void {
    const dueMs = this.#clock.monotonicMs() + EVERY_MS
    this.#timer = this.#timers.arm(EVERY_MS, () => {
      this.#beforeMs = this.#lastMs
      this.#lastMs = Math.max(0, this.#clock.monotonicMs() - dueMs)
      this.start()
    })
  }

  /** The lesser of the last two delays. */
  get delayMs(): number {
    return Math.min(this.#lastMs, this.#beforeMs)
  }

  close(): void {
    this.#timer?.cancel()
  }
}
