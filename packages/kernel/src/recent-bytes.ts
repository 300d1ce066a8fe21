import { ByteTable, SpareChunks, WrittenKey, bytesInTable } from './byte-table.ts'
import type { Timer, Timers } from './clock.ts'
import { newHashSeed } from './half-sip-hash.ts'
import type { Ids } from './ids.ts'

/** A life, and all the room there is, are so many generations long. */
const PARTS = 4
const NOTHING = new Uint8Array(0)

export interface RecentBytesOptions {
  readonly ids: Ids
  /** Of more than these the oldest go first. */
  readonly most: number
  readonly mostBytes: number
  /** Each is kept for `forMs` at least, and a quarter longer at most. Left out: until there are too many. */
  readonly life?: { readonly timers: Timers; readonly forMs: number }
}

interface Generation {
  readonly table: ByteTable
  turnsLeft: number
}

/**
 * What is over, but may be asked for again: bytes by text, outside of the heap and by generations. A hundred thousand
 * entries of a map, with a timer each, are copied twice and then marked by every collection of garbage for as long as they
 * live; here none is an object, has a timer, or is taken out by itself.
 */
export class RecentBytes {
  readonly #options: RecentBytesOptions
  readonly #key: WrittenKey
  readonly #spare = new SpareChunks()
  /** The youngest first. */
  #generations: Generation[] = []
  #size = 0
  #bytes = 0
  #turning: Timer | undefined

  constructor(options: RecentBytesOptions) {
    this.#options = options
    this.#key = new WrittenKey(newHashSeed(options.ids))
  }

  /** A key that was set again later than a generation ago counts twice. */
  get size(): number {
    return this.#size
  }

  has(key: string): boolean {
    this.#key.write(key)
    for (const { table } of this.#generations) if (table.has(this.#key)) return true
    return false
  }

  /** A copy of what was set last. */
  get(key: string): Uint8Array | undefined {
    this.#key.write(key)
    for (const { table } of this.#generations) {
      const value = table.get(this.#key)
      if (value !== undefined) return value
    }
    return undefined
  }

  /** What takes more than a generation's share of the room is not kept. */
  set(key: string, value: Uint8Array = NOTHING): void {
    this.#key.write(key)
    const bytes = bytesInTable(this.#key.length, value.length)
    if (bytes > this.#options.mostBytes / PARTS) return
    const table = this.#tableFor(bytes)
    const size = table.size
    table.set(this.#key, value)
    this.#size += table.size - size
    this.#bytes += bytes
    this.#awaitTurn()
  }

  close(): void {
    this.#turning?.cancel()
    this.#turning = undefined
    this.#keep(0)
  }

  #tableFor(bytes: number): ByteTable {
    const { most, mostBytes } = this.#options
    const youngest = this.#generations[0]
    const hasRoom =
      youngest?.turnsLeft === PARTS + 1 &&
      youngest.table.size < most / PARTS &&
      youngest.table.bytes + bytes <= mostBytes / PARTS
    const table = hasRoom ? youngest.table : this.#begin()
    while ((this.#size >= most || this.#bytes + bytes > mostBytes) && this.#generations.length > 1)
      this.#keep(this.#generations.length - 1)
    return table
  }

  /** As large as the one before became. */
  #begin(): ByteTable {
    this.#spare.trim()
    const table = new ByteTable(this.#spare, this.#generations[0]?.table.size ?? 0)
    this.#generations.unshift({ table, turnsLeft: PARTS + 1 })
    return table
  }

  /** So many of the youngest. */
  #keep(count: number): void {
    for (const { table } of this.#generations.splice(count)) {
      this.#size -= table.size
      this.#bytes -= table.bytes
      table.release()
    }
    if (this.#generations.length > 0) return
    this.#spare.trim()
    this.#spare.trim()
  }

  #awaitTurn(): void {
    const { life } = this.#options
    if (life === undefined) return
    this.#turning ??= life.timers.arm(life.forMs / PARTS, () => {
      this.#turning = undefined
      for (const generation of this.#generations) generation.turnsLeft -= 1
      this.#keep(this.#generations.filter(({ turnsLeft }) => turnsLeft > 0).length)
      if (this.#size > 0) this.#awaitTurn()
    })
  }
}
