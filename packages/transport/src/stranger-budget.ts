import type { Clock } from '@stox/kernel'

const MAX_STRANGERS = 4096

/** How often a second we talk to an address that nobody vouched for: too seldom to be of use as an amplifier. */
export class StrangerBudget {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #spent = new Map<string, number>()
  #second = 0

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
  }

  spend(host: string): boolean {
    const second = Math.floor(this.#clock.monotonicMs() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#spent.clear()
    }
    const spent = this.#spent.get(host) ?? 0
    if (spent >= this.#perSecond || (spent === 0 && this.#spent.size >= MAX_STRANGERS)) return false
    this.#spent.set(host, spent + 1)
    return true
  }
}
