/** A connection whose reading can stop for a while. */
export interface Reading {
  waitForTurn(isWaiting: boolean): void
}

/** One piece that was read. */
export interface ReadPiece {
  readonly bytes: number
  readonly ms: number
  /** Nobody else has had anything to say lately: then only bytes count, so that there are no more turns than needed. */
  readonly isAlone: boolean
}

/** Read of one partner in one turn of the event loop: some hundred stanzas, a few milliseconds. */
const BYTES_PER_TURN = 16_384
/** The same beside others. */
const MS_PER_TURN = 0.3
/**
 * And then a turn lasts as long at least, so that one partner takes a part of the time and not all of it: some 3,000
 * stanzas a second. Shorter turns with less in each cost more, for each has its frame of the link and its outcomes.
 */
const TURN_BESIDE_MS = 4
/** What a piece costs, however small: who sends his bytes one by one has sooner had his share. */
const BYTES_OF_A_PIECE = 128

/**
 * Everybody is read in turn. A socket with much to say is read by the system as long as it has something, megabytes in
 * one go, while all others wait; so a partner that has had its share waits for the next turn of the event loop, and of
 * its connections that wait one goes on in each.
 */
export class FairTurns {
  readonly #taken = new Map<string, { bytes: number; ms: number }>()
  readonly #waiting = new Map<string, Set<Reading>>()
  #isNextAwaited = false
  #isAlone = false
  readonly #onNext = (): void => this.#begin()

  onRead(partner: string, connection: Reading, { bytes, ms, isAlone }: ReadPiece): void {
    let taken = this.#taken.get(partner)
    if (taken === undefined) {
      taken = { bytes: 0, ms: 0 }
      this.#taken.set(partner, taken)
    }
    taken.bytes += bytes + BYTES_OF_A_PIECE
    if (!isAlone) taken.ms += ms
    this.#awaitNext(isAlone)
    if (taken.bytes < BYTES_PER_TURN && taken.ms < MS_PER_TURN) return
    const others = this.#waiting.get(partner)
    if (others === undefined) this.#waiting.set(partner, new Set([connection]))
    else others.add(connection)
    connection.waitForTurn(true)
  }

  #awaitNext(isAlone: boolean): void {
    if (this.#isNextAwaited) return
    this.#isNextAwaited = true
    this.#isAlone = isAlone
    if (isAlone) setImmediate(this.#onNext)
    else setTimeout(this.#onNext, TURN_BESIDE_MS)
  }

  #begin(): void {
    this.#isNextAwaited = false
    this.#taken.clear()
    const next: Reading[] = []
    for (const [partner, waiting] of this.#waiting) {
      const [first] = waiting
      if (first !== undefined) next.push(first)
      if (first !== undefined) waiting.delete(first)
      if (waiting.size === 0) this.#waiting.delete(partner)
    }
    if (this.#waiting.size > 0) this.#awaitNext(this.#isAlone)
    // They read on at once what has come already, and may wait again at the end of it.
    for (const one of next) one.waitForTurn(false)
  }
}
