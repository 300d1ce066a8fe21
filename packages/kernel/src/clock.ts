/** Time is handed in. Nothing above the kernel reads a clock or arms a timer by itself. */
export interface Clock {
  /** Milliseconds since the epoch, for stamps that people read and the store keeps. */
  wallMs(): number
  /** Monotonic milliseconds, for durations. */
  monotonicMs(): number
}

export interface Timer {
  cancel(): void
}

export interface Timers {
  /** Calls `fire` once after `afterMs` (never synchronously), unless cancelled. */
  arm(afterMs: number, fire: () => void): Timer
}

/** A clock and timers that move only when told to: for tests of machines under virtual time. */
export class VirtualTime implements Clock, Timers {
  readonly #startedWallMs: number
  #nowMs = 0
  #order = 0
  #due: { readonly atMs: number; readonly order: number; readonly fire: () => void }[] = []

  constructor(startedWallMs = Date.UTC(2026, 0, 1)) {
    this.#startedWallMs = startedWallMs
  }

  wallMs(): number {
    return this.#startedWallMs + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  arm(afterMs: number, fire: () => void): Timer {
    const entry = { atMs: this.#nowMs + Math.max(0, afterMs), order: this.#order++, fire }
    this.#due.push(entry)
    return {
      cancel: () => {
        this.#due = this.#due.filter((other) => other !== entry)
      },
    }
  }

  /** Fires everything that is due within the next `ms`, in order of time, then stands at that time. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const next = this.#due
        .filter((entry) => entry.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (next === undefined) break
      this.#due = this.#due.filter((entry) => entry !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.fire()
    }
    this.#nowMs = untilMs
  }

  /** How many timers are armed: zero when nothing waits. */
  get armed(): number {
    return this.#due.length
  }
}
