/** First in, first out, with a bound on entries and on their summed weight (bytes, say). Full means `push` says no. */
export class BoundedQueue<T> {
  readonly #maxEntries: number
  readonly #maxWeight: number
  /** Undefined is a place whose entry has gone: what was given away is not kept alive by who gave it. */
  #entries: ({ readonly value: T; readonly weight: number } | undefined)[] = []
  #head = 0
  #weight = 0

  constructor(maxEntries: number, maxWeight = Number.POSITIVE_INFINITY) {
    if (!(maxEntries > 0)) throw new RangeError(`a queue needs room for at least one entry: ${maxEntries}`)
    this.#maxEntries = maxEntries
    this.#maxWeight = maxWeight
  }

  get length(): number {
    return this.#entries.length - this.#head
  }

  get weight(): number {
    return this.#weight
  }

  /** False, and nothing kept, when the entry does not fit. */
  push(value: T, weight = 0): boolean {
    if (this.length >= this.#maxEntries || this.#weight + weight > this.#maxWeight) return false
    this.#entries.push({ value, weight })
    this.#weight += weight
    return true
  }

  shift(): T | undefined {
    const entry = this.#entries[this.#head]
    if (entry === undefined) return undefined
    this.#entries[this.#head] = undefined
    this.#head += 1
    this.#weight -= entry.weight
    if (this.#head > 64 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return entry.value
  }

  peek(): T | undefined {
    return this.#entries[this.#head]?.value
  }

  /** Empties the queue and gives what was in it, oldest first. */
  drain(): T[] {
    const values = this.#entries.flatMap((entry) => (entry === undefined ? [] : [entry.value]))
    this.#entries = []
    this.#head = 0
    this.#weight = 0
    return values
  }
}
