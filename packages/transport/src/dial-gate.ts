interface Attempt {
  readonly partner: string
  readonly hasFailed: boolean
  readonly start: (leave: () => void) => void
}

/**
 * Who may try to connect now: one attempt at a time for each partner, and so many in all. Those that have failed before
 * take at most half of the places, so that the dead slow down none of the living.
 */
export class DialGate {
  readonly #atOnce: number
  readonly #partners = new Set<string>()
  #failing = 0
  /** At most one for each pair of domains. */
  #waiting: Attempt[] = []

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** `start` is called when it may begin, at once perhaps, and calls `leave` when it is over. */
  enter(partner: string, hasFailed: boolean, start: Attempt['start']): void {
    const attempt = { partner, hasFailed, start }
    if (this.#isFree(attempt)) this.#begin(attempt)
    else this.#waiting.push(attempt)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  #isFree({ partner, hasFailed }: Attempt): boolean {
    if (this.#partners.has(partner) || this.#partners.size >= this.#atOnce) return false
    return !hasFailed || this.#failing < Math.max(1, this.#atOnce / 2)
  }

  #begin({ partner, hasFailed, start }: Attempt): void {
    this.#partners.add(partner)
    if (hasFailed) this.#failing += 1
    let isOver = false
    start(() => {
      if (isOver) return
      isOver = true
      this.#partners.delete(partner)
      if (hasFailed) this.#failing -= 1
      this.#next()
    })
  }

  #next(): void {
    const next = this.#waiting.find((attempt) => this.#isFree(attempt))
    if (next === undefined) return
    this.#waiting = this.#waiting.filter((attempt) => attempt !== next)
    this.#begin(next)
  }
}
