import { RecentMap } from '@stox/kernel'
import type { Clock } from '@stox/kernel'

const MAX_STRANGERS = 4096
/** Whoever has shown a password may send that much more. */
const VOUCHED_FOR_S = 60
const MORE_WHEN_VOUCHED = 1000

/** How often a second we talk to an address that nobody vouched for: too seldom to be of use as an amplifier. */
export class StrangerBudget {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #spent = new Map<string, number>()
  readonly #vouchedUntilS = new RecentMap<string, number>(MAX_STRANGERS)
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
    const most =
      spent >= this.#perSecond && this.#isVouched(host) ? this.#perSecond * MORE_WHEN_VOUCHED : this.#perSecond
    if (spent >= most || (spent === 0 && this.#spent.size >= MAX_STRANGERS)) return false
    this.#spent.set(host, spent + 1)
    return true
  }

  /** Somebody at this address has authenticated. */
  vouch(host: string): void {
    this.#vouchedUntilS.set(host, Math.floor(this.#clock.monotonicMs() / 1000) + VOUCHED_FOR_S)
  }

  #isVouched(host: string): boolean {
    return (this.#vouchedUntilS.get(host) ?? 0) > this.#second
  }
}
