import { RecentMap } from '@stox/kernel'
import type { Clock } from '@stox/kernel'
import type { SipTarget } from '@stox/transport'

/** A server that failed rests for so long. @see mapping G.6 */
const REST_MS = 30_000
const LONGEST_REST_MS = 300_000
const MOST_SERVERS = 10_000

/** `asked`: it has asked for a rest, and gets it; `doubtful`: better another one, if there is one. */
export type ServerState = 'good' | 'doubtful' | 'asked'

interface Known {
  /** Until when we rather try others. */
  readonly doubtfulUntilMs: number
  /** Until when it wants no requests. @see RFC 3261 §21.5.4 */
  readonly askedUntilMs: number
}

export const serverKey = ({ transport, host, port }: SipTarget): string =>
  `${transport}:${host.includes(':') ? `[${host}]` : host}:${port}`

/** What we have learnt about SIP servers, by sending to them and by probing them; forgotten in time. */
export class ServerHealth {
  readonly #clock: Clock
  readonly #known = new RecentMap<string, Known>(MOST_SERVERS)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  stateOf(target: SipTarget): ServerState {
    if (this.#known.size === 0) return 'good'
    const known = this.#known.get(serverKey(target))
    if (known === undefined) return 'good'
    const nowMs = this.#clock.monotonicMs()
    if (known.askedUntilMs > nowMs) return 'asked'
    if (known.doubtfulUntilMs > nowMs) return 'doubtful'
    this.#known.delete(serverKey(target))
    return 'good'
  }

  /** How long it still wants to rest. */
  restMs(target: SipTarget): number {
    return Math.max(0, (this.#known.get(serverKey(target))?.askedUntilMs ?? 0) - this.#clock.monotonicMs())
  }

  failed(target: SipTarget, forMs = REST_MS): void {
    const askedUntilMs = this.#known.get(serverKey(target))?.askedUntilMs ?? 0
    this.#known.set(serverKey(target), { doubtfulUntilMs: this.#clock.monotonicMs() + forMs, askedUntilMs })
  }

  /** It said 503 with Retry-After. @see RFC 3261 §21.5.4 */
  asked(target: SipTarget, forS: number): void {
    const untilMs = this.#clock.monotonicMs() + Math.min(forS * 1000, LONGEST_REST_MS)
    this.#known.set(serverKey(target), { doubtfulUntilMs: untilMs, askedUntilMs: untilMs })
  }

  /** It has answered. A rest that it asked for goes on. */
  answered(target: SipTarget): void {
    if (this.#known.size === 0) return
    const known = this.#known.get(serverKey(target))
    if (known === undefined) return
    if (known.askedUntilMs <= this.#clock.monotonicMs()) this.#known.delete(serverKey(target))
    else if (known.doubtfulUntilMs > known.askedUntilMs)
      this.#known.set(serverKey(target), { ...known, doubtfulUntilMs: known.askedUntilMs })
  }
}
