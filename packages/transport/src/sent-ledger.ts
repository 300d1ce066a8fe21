import type { Clock, Timer, Timers } from '@stox/kernel'
import { BoundedQueue } from '@stox/kernel'
import { SM_REQUEST } from '@stox/xmpp'
import type { OutboundStanza } from './outbound-stanza.ts'
import type { SendOutcome } from './xmpp-endpoint-types.ts'

export interface SentLedgerOptions {
  readonly clock: Clock
  readonly timers: Timers
  /** What senders hear when the peer has their stanza. */
  readonly arrived: SendOutcome
  readonly maxEntries: number
  readonly maxBytes: number
  /** What is not acknowledged by then counts as sent all the same: the peer may take its time to handle it. */
  readonly acknowledgeWithinMs: number
  /** A request may go out now. */
  ask(): void
  /** Fewer wait than before. */
  onProgress(): void
  /** Do we read what the peer says? */
  isListening(): boolean
  /** The peer leaves our request unanswered for so long that it is gone. */
  onSilence(): void
}

/** Without an answer to `<r/>` for so long the peer is gone, whatever TCP thinks. @see XEP-0198 §4, mapping B.5 */
const ANSWERS_WITHIN_MS = 30_000
/** A peer whose count was behind may not tell us when it has caught up: then we ask about the same again. */
const ASKED_AGAIN_AFTER_MS = 500

/** Our stanzas on one stream with stream management: kept until the peer has acknowledged them. @see XEP-0198 §4 */
export class SentLedger {
  readonly #options: SentLedgerOptions
  readonly #open: BoundedQueue<OutboundStanza>
  #isOn = false
  #isOver = false
  #sent = 0
  #acknowledged = 0
  /** The oldest that the peer has not acknowledged and whose senders have been told. */
  #waitedOut = 0
  #askedUpTo = 0
  #askedAtMs: number | undefined
  #timer: Timer | undefined
  #askingAgain: Timer | undefined

  constructor(options: SentLedgerOptions) {
    this.#options = options
    this.#open = new BoundedQueue(options.maxEntries)
  }

  get isOn(): boolean {
    return this.#isOn
  }

  get sent(): number {
    return this.#sent
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Those whose senders still wait. */
  get open(): number {
    return this.#open.length
  }

  get isFull(): boolean {
    return this.#open.length >= this.#options.maxEntries || this.#open.weight >= this.#options.maxBytes
  }

  /** What is written from here on counts. */
  begin(): void {
    this.#isOn = true
  }

  /** The peer will not do it: what it has been sent is sent. */
  stop(): void {
    this.#isOn = false
    this.#acknowledged = this.#sent
    for (const stanza of this.#open.drain()) stanza.settle(this.#options.arrived)
    this.close()
    this.#options.onProgress()
  }

  /** Before it is written; not when it is full. */
  push(stanza: OutboundStanza): void {
    if (!this.#open.push(stanza, stanza.xml.length)) throw new RangeError('more than the ledger holds')
    this.#sent += 1
    this.#timer ??= this.#arm(this.#options.acknowledgeWithinMs)
  }

  /** To be written behind what is written now: one request for many stanzas, and never two at once. */
  request(): string {
    if (!this.#isOn || this.#isOver || this.#askedAtMs !== undefined || this.#sent === this.#askedUpTo) return ''
    this.#askedUpTo = this.#sent
    this.#askedAtMs = this.#options.clock.monotonicMs()
    return SM_REQUEST
  }

  /** The peer has told its count: these are its own to care for. */
  acknowledge(count: number): void {
    this.#acknowledged += count
    const waitedOut = Math.min(count, this.#waitedOut)
    this.#waitedOut -= waitedOut
    for (let left = count - waitedOut; left > 0; left -= 1) this.#open.shift()?.settle(this.#options.arrived)
    this.#askedAtMs = undefined
    if (this.#sent > this.#askedUpTo) this.#options.ask()
    else if (this.#open.length > 0) this.#askAgainLater()
    this.#options.onProgress()
  }

  /** Nothing is written any more, and so nothing asked. */
  finish(): void {
    this.#isOver = true
  }

  /** When the stream is gone: those that may not have arrived, oldest first. */
  leftovers(): readonly OutboundStanza[] {
    return this.#open.drain()
  }

  close(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#timer = undefined
    this.#askingAgain?.cancel()
    this.#askingAgain = undefined
  }

  #askAgainLater(): void {
    this.#askingAgain ??= this.#options.timers.arm(ASKED_AGAIN_AFTER_MS, () => {
      this.#askingAgain = undefined
      if (this.#isOver || this.#open.length === 0) return
      this.#askedUpTo = this.#acknowledged
      this.#options.ask()
    })
  }

  /** One timer for all of them, which are in the order of their time. */
  #arm(afterMs: number): Timer {
    return this.#options.timers.arm(afterMs, () => {
      this.#timer = undefined
      const { clock, acknowledgeWithinMs, arrived, isListening } = this.#options
      const nowMs = clock.monotonicMs()
      const open = this.#open.length
      let next = this.#open.peek()
      while (next !== undefined && next.writtenAtMs + acknowledgeWithinMs <= nowMs) {
        this.#open.shift()
        this.#waitedOut += 1
        next.settle(arrived)
        next = this.#open.peek()
      }
      if (this.#askedAtMs !== undefined && !isListening()) this.#askedAtMs = nowMs
      if (this.#askedAtMs !== undefined && this.#askedAtMs + ANSWERS_WITHIN_MS <= nowMs) {
        this.#options.onSilence()
        return
      }
      if (next !== undefined) this.#timer ??= this.#arm(next.writtenAtMs + acknowledgeWithinMs - nowMs)
      else if (this.#askedAtMs !== undefined) this.#timer ??= this.#arm(this.#askedAtMs + ANSWERS_WITHIN_MS - nowMs)
      if (this.#open.length < open) this.#options.onProgress()
    })
  }
}
