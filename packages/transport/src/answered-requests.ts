import type { Timer, Timers } from '@stox/kernel'

/**
 * The requests that have their final response, to know late copies of it. Each is remembered for `forMs` at least, twice
 * that at most, and costs a text: a timer for each, and what it holds, outlived several garbage collections and was a
 * tenth of a busy gateway. Of more than `most` the older ones are forgotten sooner.
 */
export class AnsweredRequests {
  readonly #timers: Timers
  readonly #forMs: number
  readonly #most: number
  #young = new Set<string>()
  #old = new Set<string>()
  #turning: Timer | undefined

  constructor(timers: Timers, forMs: number, most: number) {
    this.#timers = timers
    this.#forMs = forMs
    this.#most = most
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key)
  }

  add(key: string): void {
    if (this.#young.size * 2 >= this.#most) this.#turn()
    this.#young.add(key)
    this.#awaitTurn()
  }

  close(): void {
    this.#turning?.cancel()
    this.#turning = undefined
    this.#young.clear()
    this.#old.clear()
  }

  #awaitTurn(): void {
    this.#turning ??= this.#timers.arm(this.#forMs, () => {
      this.#turning = undefined
      this.#turn()
      if (this.#old.size > 0) this.#awaitTurn()
    })
  }

  #turn(): void {
    this.#old = this.#young
    this.#young = new Set()
  }
}
