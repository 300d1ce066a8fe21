import { RecentMap } from '@stox/kernel'
import type { Clock, Failure } from '@stox/kernel'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'

const LONGEST_S = 300
const MOST_HELD = 10_000

/** Who said when to try again (`Retry-After`) is not asked before: the answer is known. @see RFC 3261 §20.33, mapping B.2 */
export class HoldDowns {
  readonly #clock: Clock
  readonly #held = new RecentMap<string, { readonly untilMs: number; readonly failure: Failure }>(MOST_HELD)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(target: string, failure: Failure): void {
    if (failure.retryAfterS === undefined || failure.retryAfterS === 0) return
    const untilMs = this.#clock.monotonicMs() + Math.min(failure.retryAfterS, LONGEST_S) * 1000
    this.#held.set(target, { untilMs, failure })
  }

  failureFor(target: string): Failure | undefined {
    if (this.#held.size === 0) return undefined
    const held = this.#held.get(target)
    if (held === undefined) return undefined
    const leftMs = held.untilMs - this.#clock.monotonicMs()
    if (leftMs > 0) return { ...held.failure, retryAfterS: Math.ceil(leftMs / 1000) }
    this.#held.delete(target)
    return undefined
  }

  /** Who writes is there. */
  release(user: Jid): void {
    if (this.#held.size > 0) this.#held.delete(formatBareJid(user))
  }
}
