import type { Clock } from '@stox/kernel'

/** Of strangers' names, say: beyond it the one that was not used for the longest time is forgotten. */
const MOST_BUCKETS = 10_000

/** A bucket for each name, filled at a rate and up to `seconds` of it. */
export class TokenBuckets {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #most: number
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(clock: Clock, perSecond: number, seconds: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#most = Math.max(1, perSecond * seconds)
  }

  has(name: string, tokens = 1): boolean {
    return this.#now(name).tokens >= tokens
  }

  /** False, and nothing taken, when there are not so many. */
  take(name: string, tokens = 1): boolean {
    const bucket = this.#now(name)
    if (bucket.tokens < tokens) return false
    bucket.tokens -= tokens
    this.#buckets.delete(name)
    if (bucket.tokens >= this.#most) return true
    this.#buckets.set(name, bucket)
    if (this.#buckets.size <= MOST_BUCKETS) return true
    const oldest = this.#buckets.keys().next()
    if (oldest.done !== true) this.#buckets.delete(oldest.value)
    return true
  }

  giveBack(name: string, tokens = 1): void {
    const bucket = this.#now(name)
    bucket.tokens = Math.min(this.#most, bucket.tokens + tokens)
    if (bucket.tokens === this.#most) this.#buckets.delete(name)
  }

  #now(name: string): { tokens: number; atMs: number } {
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) return { tokens: this.#most, atMs: nowMs }
    bucket.tokens = Math.min(this.#most, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * this.#perSecond)
    bucket.atMs = nowMs
    return bucket
  }
}
