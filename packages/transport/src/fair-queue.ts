interface Entry<T> {
  readonly value: T
  readonly weight: number
}

interface Flow<T> {
  readonly name: string
  /** Undefined is the place of one that was taken: it is kept alive by nobody. */
  readonly entries: (Entry<T> | undefined)[]
  /** Of `entries`, so that none is moved when the first is taken. */
  head: number
  /** Of all its entries. */
  weight: number
  /** What it may still take in its turn. */
  credit: number
}

/** Weight of one turn: a few stanzas, or one big one in several turns. */
const QUANTUM = 4_096
/** What an entry costs besides its weight. */
const COST_OF_ONE = 256

const lengthOf = <T>({ entries, head }: Flow<T>): number => entries.length - head

/**
 * What waits of several flows, each first in, first out, with one bound on all. Flows take turns, each as much of the
 * weight (deficit round robin), so that who has put in little waits for little. When it is full the newest of the flow
 * that holds most of it, by number or by weight, makes way. @see Shreedhar and Varghese, Efficient Fair Queuing using Deficit Round Robin, 1995
 */
export class FairQueue<T> {
  readonly #maxEntries: number
  readonly #maxWeight: number
  readonly #byName = new Map<string, Flow<T>>()
  /** Those that are not empty; the first has the turn. */
  #turns: Flow<T>[] = []
  #length = 0
  #weight = 0

  constructor(maxEntries: number, maxWeight: number) {
    this.#maxEntries = maxEntries
    this.#maxWeight = maxWeight
  }

  get length(): number {
    return this.#length
  }

  /** What had to make way, newest first: the entry itself, where its own flow is the largest. */
  push(name: string, value: T, weight: number): readonly T[] {
    if (weight > this.#maxWeight) return [value]
    const away: T[] = []
    while (this.#length >= this.#maxEntries || this.#weight + weight > this.#maxWeight) {
      const largest = this.#turns.reduce<Flow<T> | undefined>(
        (most, flow) => (most === undefined || this.#shareOf(flow) > this.#shareOf(most) ? flow : most),
        undefined,
      )
      const own = this.#byName.get(name)
      const isOwn = own !== undefined && largest !== undefined && this.#shareOf(own) >= this.#shareOf(largest)
      if (largest === undefined || isOwn) return [...away, value]
      away.push(this.#drop(largest))
    }
    let flow = this.#byName.get(name)
    if (flow === undefined) {
      flow = { name, entries: [], head: 0, weight: 0, credit: QUANTUM }
      this.#byName.set(name, flow)
      this.#turns.push(flow)
    }
    flow.entries.push({ value, weight })
    flow.weight += weight
    this.#length += 1
    this.#weight += weight
    return away
  }

  /** The next, whose turn it is and stays until it is taken. */
  peek(): T | undefined {
    return this.#current()?.entry.value
  }

  shift(): T | undefined {
    const current = this.#current()
    if (current === undefined) return undefined
    const { flow, entry } = current
    flow.entries[flow.head] = undefined
    flow.head += 1
    // Alone it owes nothing to anybody.
    flow.credit = Math.max(0, flow.credit - entry.weight - COST_OF_ONE)
    if (flow.head > 64 && flow.head * 2 > flow.entries.length) flow.head -= flow.entries.splice(0, flow.head).length
    this.#took(flow, entry)
    return entry.value
  }

  /** Empties it; each flow in its order. */
  drain(): T[] {
    const values = this.#turns.flatMap(({ entries, head }) =>
      entries.slice(head).flatMap((entry) => (entry === undefined ? [] : [entry.value])),
    )
    this.#byName.clear()
    this.#turns = []
    this.#length = 0
    this.#weight = 0
    return values
  }

  #current(): { readonly flow: Flow<T>; readonly entry: Entry<T> } | undefined {
    for (;;) {
      const [flow] = this.#turns
      const entry = flow?.entries[flow.head]
      if (flow === undefined || entry === undefined) return undefined
      if (this.#turns.length === 1 || flow.credit >= entry.weight + COST_OF_ONE) return { flow, entry }
      flow.credit += QUANTUM
      this.#turns.shift()
      this.#turns.push(flow)
    }
  }

  /** Of the bound that it is nearer to. */
  #shareOf(flow: Flow<T>): number {
    return Math.max(lengthOf(flow) / this.#maxEntries, flow.weight / this.#maxWeight)
  }

  #drop(flow: Flow<T>): T {
    const entry = flow.entries.pop()
    if (entry === undefined) throw new Error('an empty flow has no turn')
    this.#took(flow, entry)
    return entry.value
  }

  #took(flow: Flow<T>, { weight }: Entry<T>): void {
    this.#length -= 1
    this.#weight -= weight
    flow.weight -= weight
    if (lengthOf(flow) > 0) return
    this.#byName.delete(flow.name)
    this.#turns.splice(this.#turns.indexOf(flow), 1)
  }
}
