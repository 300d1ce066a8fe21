/**
 * A map with a bound, in two generations: what is used stays, what is not goes when the younger one is full. So nothing
 * is moved when an entry of the younger is used.
 */
export class RecentMap<K, V> {
  readonly #bound: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  /** Holds the `bound` entries that were used last, and at most twice as many. */
  constructor(bound: number) {
    this.#bound = bound
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: K): V | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const kept = this.#old.get(key)
    if (kept !== undefined) this.set(key, kept)
    return kept
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#bound) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  delete(key: K): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }
}
