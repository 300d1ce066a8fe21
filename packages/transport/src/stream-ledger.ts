import type { Timer } from '@stox/kernel'
import type { StanzaCounts } from '@stox/xmpp-engine'
import { HandledRun } from '@stox/xmpp-engine'
import { SentLedger } from './sent-ledger.ts'
import type { SentLedgerOptions } from './sent-ledger.ts'

/** A peer that waits hears of our progress no more often than this. */
const ANSWER_EVERY_MS = 20
/** The place of a stanza that nobody counts. */
const NOT_COUNTED = -1

export interface StreamLedgerOptions extends SentLedgerOptions {
  /** Tell the peer how far we are. */
  acknowledge(): void
}

/** What stream management knows of one stream. @see XEP-0198 */
export class StreamLedger implements StanzaCounts {
  readonly #options: StreamLedgerOptions
  readonly ours: SentLedger
  #theirs: HandledRun | undefined
  /** The count that the peer was told last, and the one that it would like to hear. */
  #told = 0
  #wanted = 0
  #toldAtMs = Number.NEGATIVE_INFINITY
  #telling: Timer | undefined

  constructor(options: StreamLedgerOptions) {
    this.#options = options
    this.ours = new SentLedger(options)
  }

  get handled(): number {
    return this.#theirs?.handled ?? 0
  }

  get sent(): number {
    return this.ours.sent
  }

  get acknowledged(): number {
    return this.ours.acknowledged
  }

  get isManaged(): boolean {
    return this.#theirs !== undefined
  }

  /** What the peer sends is counted from here on. */
  beginTheirs(): void {
    this.#theirs ??= new HandledRun()
  }

  /** A stanza of the peer's: its place, for `settle`. */
  take(): number {
    return this.#theirs?.take() ?? NOT_COUNTED
  }

  /** It has its outcome. */
  settle(place: number): void {
    const theirs = this.#theirs
    if (theirs === undefined || place === NOT_COUNTED) return
    theirs.settle(place)
    if (this.#told < this.#wanted && theirs.handled > this.#told) this.#tellSoon()
  }

  /** The peer has asked for our count, and was told. */
  wasAsked(): void {
    this.#told = this.handled
    this.#wanted = this.#theirs?.taken ?? 0
  }

  close(): void {
    this.ours.close()
    this.#telling?.cancel()
  }

  #tellSoon(): void {
    const { clock, timers } = this.#options
    const afterMs = Math.max(0, this.#toldAtMs + ANSWER_EVERY_MS - clock.monotonicMs())
    this.#telling ??= timers.arm(afterMs, () => {
      this.#telling = undefined
      this.#toldAtMs = clock.monotonicMs()
      this.#told = this.handled
      this.#options.acknowledge()
    })
  }
}
