/**
 * What a link wants to say, as an async iterable. Everything that was said in one turn of the event loop leaves as one
 * batch: a message for each stanza costs 40 to 80 times as much.
 */
export class LinkOutbox<Batch> implements AsyncIterable<Batch> {
  readonly #take: () => Batch | undefined
  readonly #isOver: () => boolean
  #due = false
  #wake: (() => void) | undefined

  /** `take` gives the next batch while there is one; after `isOver` nothing more will come. */
  constructor(take: () => Batch | undefined, isOver: () => boolean) {
    this.#take = take
    this.#isOver = isOver
  }

  /** Something was said, or it is over. */
  poke(): void {
    if (this.#due) return
    this.#due = true
    setImmediate(() => {
      this.#due = false
      this.#wake?.()
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    for (;;) {
      if (!this.#due) {
        const batch = this.#take()
        if (batch !== undefined) {
          yield batch
          continue
        }
        if (this.#isOver()) return
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
