import { RecentBytes, latin1BytesThen, latin1Text } from '@stox/kernel'
import type { Ids, Timers } from '@stox/kernel'
import type { SipAddress } from './sip-endpoint-types.ts'

/** Some 500 bytes each are usual, and 100 for the key that copies have in common. */
const MOST_ANSWER_BYTES = 256 * 1024 * 1024
const MOST_MERGE_BYTES = 64 * 1024 * 1024
const LINE_FEED = 10

/** What a copy of a request that was answered gets. */
export interface Answered {
  /** The final response as it was sent first: a copy gets these very bytes. */
  readonly answer: Uint8Array
  /** Where it was sent. */
  readonly to: SipAddress
}

/**
 * The requests that came by datagram and have their final response, to answer copies of them alike for `forMs` at least,
 * and a quarter longer at most. @see RFC 3261 §17.2.2, Timer J
 */
export class AnsweredCopies {
  readonly #answers: RecentBytes
  readonly #accepted: RecentBytes

  constructor(timers: Timers, ids: Ids, { forMs, most }: { readonly forMs: number; readonly most: number }) {
    const life = { timers, forMs }
    this.#answers = new RecentBytes({ ids, life, most, mostBytes: MOST_ANSWER_BYTES })
    this.#accepted = new RecentBytes({ ids, life, most, mostBytes: MOST_MERGE_BYTES })
  }

  get size(): number {
    return this.#answers.size
  }

  add(key: string, { answer, to }: Answered): void {
    this.#answers.set(key, latin1BytesThen(`${to.port} ${to.host}\n`, answer))
  }

  /** The same request by another way is not taken. */
  addAccepted(mergeKey: string): void {
    this.#accepted.set(mergeKey)
  }

  has(key: string): boolean {
    return this.#answers.has(key)
  }

  get(key: string): Answered | undefined {
    const kept = this.#answers.get(key)
    if (kept === undefined) return undefined
    const end = kept.indexOf(LINE_FEED)
    const [port, host = ''] = latin1Text(kept, 0, end).split(' ')
    return { answer: kept.subarray(end + 1), to: { host, port: Number(port) } }
  }

  isAccepted(mergeKey: string): boolean {
    return this.#accepted.has(mergeKey)
  }

  close(): void {
    this.#answers.close()
    this.#accepted.close()
  }
}
