/** How much is being done; whoever stops waits for it. */
export class UnderWay {
  #count = 0

  get count(): number {
    return this.#count
  }

  async counted<T>(work: Promise<T>): Promise<T> {
    this.#count += 1
    try {
      return await work
    } finally {
      this.#count -= 1
    }
  }
}
