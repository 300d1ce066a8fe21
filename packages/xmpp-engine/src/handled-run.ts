/**
 * The stanzas of one stream that have been taken from it, and how many from its beginning have their outcome without a gap.
 * Only those may be acknowledged: what is acknowledged is no longer the peer's to send again. @see XEP-0198 §4
 */
export class HandledRun {
  #taken = 0
  #handled = 0
  /** Those behind the gap. */
  readonly #ahead = new Set<number>()

  get taken(): number {
    return this.#taken
  }

  get handled(): number {
    return this.#handled
  }

  /** One more; its place is for `settle`. */
  take(): number {
    const place = this.#taken
    this.#taken += 1
    return place
  }

  /** This one has its outcome: once for each place. */
  settle(place: number): void {
    if (place !== this.#handled) {
      this.#ahead.add(place)
      return
    }
    do this.#handled += 1
    while (this.#ahead.delete(this.#handled))
  }
}
