import type { Clock } from '@stox/kernel'
import type { PartnerRules } from './xmpp-endpoint-types.ts'

interface Allowance {
  stanzas: number
  bytes: number
  atMs: number
}

/** How fast each partner is read, over all its streams: buckets of one second's worth, which may be overdrawn once. */
export class PartnerRates {
  readonly #clock: Clock
  readonly #allowances = new Map<string, Allowance>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Partners may have gone. */
  forgetAll(): void {
    this.#allowances.clear()
  }

  /** How long the stream on which this came must not be read. */
  spend({ partner, stanzasPerSecond, bytesPerSecond }: PartnerRules, stanzas: number, bytes: number): number {
    if (stanzasPerSecond === undefined && bytesPerSecond === undefined) return 0
    const nowMs = this.#clock.monotonicMs()
    let allowance = this.#allowances.get(partner)
    if (allowance === undefined) {
      allowance = { stanzas: 0, bytes: 0, atMs: nowMs }
      this.#allowances.set(partner, allowance)
    }
    const passedS = (nowMs - allowance.atMs) / 1000
    allowance.atMs = nowMs
    const take = (left: number, perSecond: number | undefined, taken: number): number =>
      perSecond === undefined ? 0 : Math.min(Math.max(1, perSecond), left + passedS * perSecond) - taken
    allowance.stanzas = take(allowance.stanzas, stanzasPerSecond, stanzas)
    allowance.bytes = take(allowance.bytes, bytesPerSecond, bytes)
    return Math.max(waitMs(allowance.stanzas, stanzasPerSecond), waitMs(allowance.bytes, bytesPerSecond))
  }
}

const waitMs = (left: number, perSecond: number | undefined): number =>
  perSecond === undefined || left >= 0 ? 0 : (-left / perSecond) * 1000
