import type { Clock } from '@stox/kernel'

/** Of the time since it was asked last, how much the event loop had work: 1 is all. */
export type Busyness = () => number

const LOOKED_AT_EVERY_MS = 100
/** Above it every stanza that is in hand keeps another waiting. */
const BUSY = 0.5
/** Growing is slower than shrinking: the right size is found from below. */
const GROWS_BY = 0.1

/**
 * The share of its limits that a partner may have in hand beside others. While most of it waits for answers from
 * elsewhere it is in nobody's way, and the share grows; when the event loop is busy with it, others wait, and it is halved.
 */
export class SharedRoom {
  readonly #clock: Clock
  readonly #busyness: Busyness
  readonly #least: number
  #share: number
  #lookedAtMs: number

  constructor(clock: Clock, busyness: Busyness, least: number) {
    this.#clock = clock
    this.#busyness = busyness
    this.#least = least
    this.#share = least
    this.#lookedAtMs = clock.monotonicMs()
  }

  /** Between `least` and 1. */
  get share(): number {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#lookedAtMs < LOOKED_AT_EVERY_MS) return this.#share
    this.#lookedAtMs = nowMs
    this.#share =
      this.#busyness() > BUSY ? Math.max(this.#least, this.#share / 2) : Math.min(1, this.#share * (1 + GROWS_BY))
    return this.#share
  }
}
