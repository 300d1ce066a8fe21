/**
 * A bounded memory of what was computed, in two generations: what is used stays, what is not goes when the younger one
 * is full. No entry is moved on a hit in the younger.
 */
export class Cache<T> {
  readonly #maxEntries: number
  #young = new Map<string, T>()
  #old = new Map<string, T>()

  /** Holds `maxEntries` at least, twice that at most. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries
  }

  get(key: string): T | undefined {
    const hit = this.#young.get(key)
    if (hit !== undefined) return hit
    const kept = this.#old.get(key)
    if (kept !== undefined) this.set(key, kept)
    return kept
  }

  set(key: string, value: T): void {
    if (this.#young.size >= this.#maxEntries) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }
}
