import type { Timer } from '@stox/kernel'

/** An object of few words: there may be hundreds of thousands. */
class Entry implements Timer {
  readonly dueTick: number
  fire: (() => void) | undefined
  slot: Slot | undefined
  previous: Entry | undefined
  next: Entry | undefined

  constructor(dueTick: number, fire: () => void) {
    this.dueTick = dueTick
    this.fire = fire
    this.slot = undefined
    this.previous = undefined
    this.next = undefined
  }

  cancel(): void {
    this.slot?.wheel.remove(this)
  }
}

interface Slot {
  readonly wheel: { remove(entry: Entry): void }
  first: Entry | undefined
}

/**
 * Many timers for the price of one: arming, cancelling and firing cost the same however many are armed. A timer never
 * fires early and at most one slot late. The wheel moves only when `advance` is called.
 */
export class TimerWheel {
  readonly #slotMs: number
  readonly #slots: readonly Slot[]
  #tick: number
  #size = 0

  constructor(slotMs: number, slotCount: number, nowMs: number) {
    if (!(slotMs > 0) || !(slotCount > 1)) throw new RangeError(`not a wheel: ${slotCount} slots of ${slotMs} ms`)
    this.#slotMs = slotMs
    const wheel = { remove: (entry: Entry): void => this.#remove(entry) }
    this.#slots = Array.from({ length: slotCount }, () => ({ wheel, first: undefined }))
    this.#tick = Math.floor(nowMs / slotMs)
  }

  /** How many timers are armed. */
  get size(): number {
    return this.#size
  }

  arm(nowMs: number, afterMs: number, fire: () => void): Timer {
    const dueTick = Math.max(this.#tick + 1, Math.ceil((nowMs + Math.max(0, afterMs)) / this.#slotMs))
    const entry = new Entry(dueTick, fire)
    this.#insert(entry)
    return entry
  }

  /** Fires what is due by `nowMs`, slot after slot. An empty wheel jumps. A throw ends neither the slot nor the wheel: it is handed to `onThrow`. */
  advance(nowMs: number, onThrow: (error: unknown) => void): void {
    const untilTick = Math.floor(nowMs / this.#slotMs)
    // A long pause (a suspended process) is at most one turn of the wheel: every slot is then visited once.
    if (untilTick - this.#tick > this.#slots.length) this.#tick = untilTick - this.#slots.length
    while (this.#tick < untilTick) {
      if (this.#size === 0) {
        this.#tick = untilTick
        return
      }
      this.#tick += 1
      this.#fireSlot(this.#slotOf(this.#tick), onThrow)
    }
  }

  #fireSlot(slot: Slot, onThrow: (error: unknown) => void): void {
    // Taken out first: what fires may arm again into this very slot, and must wait for its own turn.
    const due: Entry[] = []
    for (let entry = slot.first; entry !== undefined; entry = entry.next) {
      if (entry.dueTick <= this.#tick) due.push(entry)
    }
    for (const entry of due.toReversed()) {
      const fire = entry.fire
      if (fire === undefined) continue // cancelled by one that fired before it
      this.#remove(entry)
      try {
        fire()
      } catch (error) {
        onThrow(error)
      }
    }
  }

  #slotOf(tick: number): Slot {
    return this.#slots[tick % this.#slots.length] as Slot
  }

  #insert(entry: Entry): void {
    const slot = this.#slotOf(entry.dueTick)
    entry.slot = slot
    entry.next = slot.first
    if (slot.first !== undefined) slot.first.previous = entry
    slot.first = entry
    this.#size += 1
  }

  #remove(entry: Entry): void {
    const slot = entry.slot
    if (slot === undefined) return
    if (entry.previous === undefined) slot.first = entry.next
    else entry.previous.next = entry.next
    if (entry.next !== undefined) entry.next.previous = entry.previous
    entry.slot = undefined
    entry.previous = undefined
    entry.next = undefined
    entry.fire = undefined // lets go of what the callback holds
    this.#size -= 1
  }
}
