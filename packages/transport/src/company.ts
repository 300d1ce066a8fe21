import type { Clock } from '@stox/kernel'

/** Who has said nothing for so long is in nobody's way. */
const PRESENT_FOR_MS = 1_000

interface Guest {
  readonly name: string
  seenMs: number
}

/** Whether a partner has the house for itself: no other has said anything lately. The last two who spoke are enough to know. */
export class Company {
  readonly #clock: Clock
  #latest: Guest | undefined
  #before: Guest | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  seen(name: string): void {
    const seenMs = this.#clock.monotonicMs()
    if (this.#latest?.name === name) {
      this.#latest.seenMs = seenMs
      return
    }
    this.#before = this.#latest
    this.#latest = { name, seenMs }
  }

  isAlone(name: string): boolean {
    const other = this.#latest?.name === name ? this.#before : this.#latest
    return other === undefined || this.#clock.monotonicMs() - other.seenMs > PRESENT_FOR_MS
  }
}
