const FEWEST_DELETED = 1024

/**
 * A map through which much passes and in which little stays: what is under way. V8 gives a map a new table whenever the
 * places of deleted entries are used up, after every hundred or so; and once a table has grown old, each new one is born
 * old. The dead ones wait for a full collection, and until then keep alive what was in them when they were left: so
 * nearly everything that passes outlives it by seconds, is copied, and makes the next full collection due. Here the map is
 * left for a young one before that counts. @see OrderedHashTable::Rehash in V8
 */
export class PassingMap<K, V> {
  #map = new Map<K, V>()
  #deleted = 0

  get size(): number {
    return this.#map.size
  }

  has(key: K): boolean {
    return this.#map.has(key)
  }

  get(key: K): V | undefined {
    return this.#map.get(key)
  }

  set(key: K, value: V): void {
    this.#map.set(key, value)
  }

  delete(key: K): boolean {
    if (!this.#map.delete(key)) return false
    this.#deleted += 1
    // So that each costs the same, however many there are.
    if (this.#deleted >= FEWEST_DELETED && this.#deleted >= this.#map.size) this.#renew(new Map(this.#map))
    return true
  }

  /** As they are now. */
  values(): V[] {
    return [...this.#map.values()]
  }

  clear(): void {
    this.#renew(new Map())
  }

  #renew(map: Map<K, V>): void {
    this.#map = map
    this.#deleted = 0
  }
}
