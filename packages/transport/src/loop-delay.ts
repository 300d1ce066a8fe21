import { performance } from 'node:perf_hooks'
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

/** How much of the time since the last call the event loop of this process had work: 0 to 1. */
export function loopBusyness(): () => number {
  let before = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  }
}
