import { RecentMap } from '@stox/kernel'
import type { Clock, Failure } from '@stox/kernel'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'

const LONGEST_S = 300
const MOST_HELD = 10_000

/** Whoever let a request time out is not asked again for so long: it would take as long to fail. @see mapping C.7 */
const SILENT_S = 30

interface Held {
  readonly untilMs: number
  readonly failure: Failure
  /** Nothing at all was heard, not of his server either: so it holds only while no server of his is known to be there. */
  readonly unheard: boolean
}

/**
 * Who said when to try again (`Retry-After`) is not asked before: the answer is known. Nor is, for a while, who has let a
 * request time out. @see RFC 3261 §20.33, mapping B.2, C.7
 */
export class HoldDowns {
  readonly #clock: Clock
  readonly #held = new RecentMap<string, Held>(MOST_HELD)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(target: string, failure: Failure): void {
    if (failure.retryAfterS === undefined || failure.retryAfterS === 0) return
    this.#hold(target, failure, Math.min(failure.retryAfterS, LONGEST_S), false)
  }

  noteTimeout(target: string, failure: Failure, unheard: boolean): void {
    this.#hold(target, failure, SILENT_S, unheard)
  }

  /** `hasServer`: whether a server of the target's domain is there, as far as we know. */
  failureFor(target: string, hasServer: () => boolean): Failure | undefined {
    if (this.#held.size === 0) return undefined
    const held = this.#held.get(target)
    if (held === undefined) return undefined
    const leftMs = held.untilMs - this.#clock.monotonicMs()
    if (leftMs > 0 && !(held.unheard && hasServer())) return { ...held.failure, retryAfterS: Math.ceil(leftMs / 1000) }
    this.#held.delete(target)
    return undefined
  }

  /** Who writes is there. */
  release(user: Jid): void {
    if (this.#held.size > 0) this.#held.delete(formatBareJid(user))
  }

  #hold(target: string, failure: Failure, forS: number, unheard: boolean): void {
    this.#held.set(target, { untilMs: this.#clock.monotonicMs() + forS * 1000, failure, unheard })
  }
}
