/** What happened, in its order: for tests that wait for the next thing, or for one of a kind. */
export class AsyncQueue<T> {
  /** Everything so far, taken or not. */
  readonly log: T[] = []
  readonly #waiting: { readonly wants: (value: T) => boolean; readonly take: (value: T) => void }[] = []
  #untaken: T[] = []

  push(value: T): void {
    this.log.push(value)
    const index = this.#waiting.findIndex(({ wants }) => wants(value))
    const [waiter] = index === -1 ? [] : this.#waiting.splice(index, 1)
    if (waiter === undefined) this.#untaken.push(value)
    else waiter.take(value)
  }

  /** Untaken values. */
  get length(): number {
    return this.#untaken.length
  }

  /** The next value that is wanted; others stay for later. Rejects when none comes in time. */
  next(wants: (value: T) => boolean = () => true, timeoutMs = 10_000): Promise<T> {
    const index = this.#untaken.findIndex(wants)
    const [value] = index === -1 ? [] : this.#untaken.splice(index, 1)
    if (value !== undefined) return Promise.resolve(value)
    return new Promise((resolve, reject) => {
      const waiter = {
        wants,
        take: (taken: T) => {
          clearTimeout(timeout)
          resolve(taken)
        },
      }
      const timeout = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(new Error(`nothing of the kind in ${timeoutMs} ms, but: ${summary(this.log)}`))
      }, timeoutMs)
      this.#waiting.push(waiter)
    })
  }

  /** What is untaken, taken. */
  drain(): T[] {
    const values = this.#untaken
    this.#untaken = []
    return values
  }
}

const summary = (values: readonly unknown[]): string =>
  JSON.stringify(values.slice(-10), (_key, value: unknown) =>
    value instanceof Uint8Array ? `${value.length} bytes` : value,
  ).slice(0, 2000)
