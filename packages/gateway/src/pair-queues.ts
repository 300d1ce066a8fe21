import { BoundedQueue, PassingMap } from '@stox/kernel'

export interface PairQueueLimits {
  readonly maxEntries: number
  readonly maxBytes: number
}

/**
 * Room for a burst: what a fast writer sends while one slow answer is awaited. All pairs together are bounded by the credit
 * of the link. @see mapping C.7
 */
export const DEFAULT_PAIR_QUEUE_LIMITS: PairQueueLimits = { maxEntries: 1000, maxBytes: 1_048_576 }

interface Waiting<T> {
  readonly run: () => Promise<T>
  readonly end: (result: T | Promise<T>) => void
}
interface Line<T> {
  /** Most lines never have one who waits. */
  waiting: BoundedQueue<Waiting<T>> | undefined
}

/**
 * One at a time for each pair, and many pairs at once: no MESSAGE leaves for a URI while the one before it is pending,
 * which also keeps the order that XMPP promises. @see RFC 3428 §8, RFC 6120 §10.1
 */
export class PairQueues<T> {
  readonly #limits: PairQueueLimits
  readonly #lines = new PassingMap<string, Line<T>>()
  #waiting = 0

  constructor(limits: PairQueueLimits = DEFAULT_PAIR_QUEUE_LIMITS) {
    this.#limits = limits
  }

  /** How many wait behind another. */
  get waiting(): number {
    return this.#waiting
  }

  /** Whether somebody waits behind the one whose turn it is. */
  hasWaiting(pair: string): boolean {
    return (this.#lines.get(pair)?.waiting?.length ?? 0) > 0
  }

  /** Undefined, and nothing taken, when the line is full. */
  enter(pair: string, bytes: number, run: () => Promise<T>): Promise<T> | undefined {
    const line = this.#lines.get(pair)
    if (line === undefined) {
      const fresh: Line<T> = { waiting: undefined }
      this.#lines.set(pair, fresh)
      return this.#go(pair, fresh, run)
    }
    let end: Waiting<T>['end'] = () => undefined
    const result = new Promise<T>((resolve) => {
      end = resolve
    })
    line.waiting ??= new BoundedQueue(this.#limits.maxEntries, this.#limits.maxBytes)
    if (!line.waiting.push({ run, end }, bytes)) return undefined
    this.#waiting += 1
    return result
  }

  /** Those who wait behind a request that timed out do not each wait as long: all get this result. */
  failWaiting(pair: string, result: T): void {
    const waiting = this.#lines.get(pair)?.waiting?.drain() ?? []
    this.#waiting -= waiting.length
    for (const one of waiting) one.end(result)
  }

  async #go(pair: string, line: Line<T>, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } finally {
      const next = line.waiting?.shift()
      if (next === undefined) this.#lines.delete(pair)
      else {
        this.#waiting -= 1
        next.end(this.#go(pair, line, next.run))
      }
    }
  }
}
