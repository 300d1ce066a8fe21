import type { Timer, Timers } from './clock.ts'

/** The timers of one machine, which knows them by name. */
export class NamedTimers<Name extends string> {
  readonly #armed = new Map<Name, Timer>()

  /** Instead of the one of that name, if it is armed. */
  arm(timers: Timers, name: Name, afterMs: number, fire: () => void): void {
    this.cancel(name)
    const timer = timers.arm(afterMs, () => {
      this.#armed.delete(name)
      fire()
    })
    this.#armed.set(name, timer)
  }

  cancel(name: Name): void {
    this.#armed.get(name)?.cancel()
    this.#armed.delete(name)
  }

  cancelAll(): void {
    for (const timer of this.#armed.values()) timer.cancel()
    this.#armed.clear()
  }
}
