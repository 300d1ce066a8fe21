import type { Timer, Timers } from '@stox/kernel'

/** What a copy of a request that was answered gets. */
export interface Answered {
  readonly status: number
  /** The final response as it was sent first: a copy gets these very bytes. */
  readonly answer: Uint8Array
  readonly transmit: (bytes: Uint8Array) => void
}

interface Generation {
  readonly byKey: Map<string, Answered>
  readonly byMergeKey: Map<string, Answered>
}

const newGeneration = (): Generation => ({ byKey: new Map(), byMergeKey: new Map() })

const GENERATIONS = 4

/**
 * The requests that came by datagram and have their final response, to answer copies of them alike for `forMs` at least,
 * and a quarter longer at most. They go by generations: none of a hundred thousand has a timer, or is taken out of a
 * large table by itself. @see RFC 3261 §17.2.2, Timer J
 */
export class AnsweredCopies {
  readonly #timers: Timers
  readonly #turnMs: number
  /** The youngest first. */
  #generations: readonly Generation[] = [newGeneration()]
  #turning: Timer | undefined

  constructor(timers: Timers, forMs: number) {
    this.#timers = timers
    this.#turnMs = forMs / GENERATIONS
  }

  get size(): number {
    return this.#generations.reduce((sum, { byKey }) => sum + byKey.size, 0)
  }

  add(key: string, mergeKey: string | undefined, answered: Answered): void {
    const [youngest] = this.#generations
    youngest?.byKey.set(key, answered)
    if (mergeKey !== undefined) youngest?.byMergeKey.set(mergeKey, answered)
    this.#awaitTurn()
  }

  byKey(key: string): Answered | undefined {
    for (const generation of this.#generations) {
      const answered = generation.byKey.get(key)
      if (answered !== undefined) return answered
    }
    return undefined
  }

  byMergeKey(key: string): Answered | undefined {
    for (const generation of this.#generations) {
      const answered = generation.byMergeKey.get(key)
      if (answered !== undefined) return answered
    }
    return undefined
  }

  close(): void {
    this.#turning?.cancel()
    this.#turning = undefined
    this.#generations = [newGeneration()]
  }

  #awaitTurn(): void {
    this.#turning ??= this.#timers.arm(this.#turnMs, () => {
      this.#turning = undefined
      this.#generations = [newGeneration(), ...this.#generations.slice(0, GENERATIONS)]
      if (this.size > 0) this.#awaitTurn()
    })
  }
}
