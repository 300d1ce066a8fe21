import type { Clock } from '@stox/kernel'

/** What has not ended by then waits for somebody else, not for us. */
const OURS_FOR_MS = 2000
/** How fast we work is measured over so long, forgotten slowly, for a quiet minute says nothing, and is never less than this. */
const RATE_OVER_MS = 1000
const FORGOTTEN_TO = 0.9
const SLOWEST_PER_S = 50
const FIRST_PER_S = 500
const SOONEST_RETRY_S = 1
const LATEST_RETRY_S = 60

/**
 * How much new work of a kind is begun and not ended: above the bound the door is shut, and who comes is told when to come
 * again. Each is given a time of his own, as far apart as we end what is begun, so that they do not all come back at once.
 */
export class NewWorkDoor {
  readonly #clock: Clock
  readonly #most: number
  readonly #begun = new Map<number, number>()
  #count = 0
  #ended = 0
  #sinceMs = 0
  #perS = FIRST_PER_S
  #nextFreeMs = 0

  constructor(clock: Clock, most: number) {
    this.#clock = clock
    this.#most = most
  }

  get open(): boolean {
    const oldMs = this.#clock.monotonicMs() - OURS_FOR_MS
    for (const [key, atMs] of this.#begun) {
      if (atMs > oldMs) break
      this.#begun.delete(key)
    }
    return this.#begun.size < this.#most
  }

  /** Gives what is to be called at its end. */
  enter(): () => void {
    const key = (this.#count += 1)
    this.#begun.set(key, this.#clock.monotonicMs())
    return () => {
      this.#begun.delete(key)
      this.#noteEnd()
    }
  }

  /** For `Retry-After` of who was not let in. */
  appointmentS(): number {
    const nowMs = this.#clock.monotonicMs()
    const next = Math.max(this.#nextFreeMs, nowMs + SOONEST_RETRY_S * 1000) + 1000 / this.#perS
    this.#nextFreeMs = Math.min(next, nowMs + LATEST_RETRY_S * 1000)
    return Math.ceil((this.#nextFreeMs - nowMs) / 1000)
  }

  #noteEnd(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#ended += 1
    const passedMs = nowMs - this.#sinceMs
    if (passedMs < RATE_OVER_MS) return
    this.#perS = Math.max(SLOWEST_PER_S, this.#perS * FORGOTTEN_TO, (this.#ended * 1000) / passedMs)
    this.#ended = 0
    this.#sinceMs = nowMs
  }
}
