import type { Timer, Timers } from '@stox/kernel'

export interface DialRequest {
  readonly partner: string
  /** The partner's domain that is wanted. */
  readonly domain: string
  /** The last attempt there came to nothing. */
  readonly hasFailed: boolean
  /** Of the partner, the hanging ones included. */
  readonly atMost: number
  /** Called when it may begin, at once perhaps; it calls `leave` when it is over. */
  readonly start: (leave: () => void) => void
}

interface Attempt extends DialRequest {
  hangs: Timer | undefined
}

/** An attempt that takes longer hangs: the partner's other domains need not wait for it. */
const MOVES_WITHIN_MS = 2_000

/**
 * Who may try to connect now: one attempt at a time for each partner, and so many in all. Of a partner with several
 * domains one may hang while the others live: there an attempt that has taken too long lets the next domain go, though
 * never a second attempt to its own. Those that have failed before come last, and take at most half of all places and
 * half of the partner's: the dead slow down none of the living.
 *
 * @see mapping B.3
 */
export class DialGate {
  readonly #timers: Timers
  readonly #atOnce: number
  readonly #underWay = new Map<string, Set<Attempt>>()
  #count = 0
  #failing = 0
  /** At most one for each pair of domains. */
  #waiting: DialRequest[] = []

  constructor(timers: Timers, atOnce: number) {
    this.#timers = timers
    this.#atOnce = atOnce
  }

  enter(request: DialRequest): void {
    if (this.#isFree(request)) this.#begin(request)
    else this.#waiting.push(request)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  #isFree({ partner, domain, hasFailed, atMost }: DialRequest): boolean {
    if (this.#count >= this.#atOnce || (hasFailed && this.#failing >= halfOf(this.#atOnce))) return false
    const own = [...(this.#underWay.get(partner) ?? [])]
    if (own.length === 0) return true
    if (own.length >= atMost || own.some((other) => other.hangs !== undefined || other.domain === domain)) return false
    return !hasFailed || own.length < halfOf(atMost)
  }

  #begin(request: DialRequest): void {
    const { partner, hasFailed } = request
    const own = this.#underWay.get(partner) ?? new Set()
    const attempt: Attempt = { ...request, hangs: undefined }
    attempt.hangs = this.#timers.arm(MOVES_WITHIN_MS, () => {
      attempt.hangs = undefined
      this.#next()
    })
    this.#underWay.set(partner, own.add(attempt))
    this.#count += 1
    if (hasFailed) this.#failing += 1
    request.start(() => {
      if (!own.delete(attempt)) return
      attempt.hangs?.cancel()
      if (own.size === 0) this.#underWay.delete(partner)
      this.#count -= 1
      if (hasFailed) this.#failing -= 1
      this.#next()
    })
  }

  #next(): void {
    const free = this.#waiting.filter((request) => this.#isFree(request))
    const next = free.find(({ hasFailed }) => !hasFailed) ?? free[0]
    if (next === undefined) return
    this.#waiting = this.#waiting.filter((request) => request !== next)
    this.#begin(next)
    this.#next()
  }
}

const halfOf = (places: number): number => Math.max(1, Math.floor(places / 2))
