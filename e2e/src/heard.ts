import { inspect } from 'node:util'

interface Waiter<T> {
  readonly wanted: (event: T) => boolean
  readonly give: (event: T) => void
}

/** What somebody heard, in order. `next` takes the first fitting event that nobody took yet, or waits for it. */
export class Heard<T> {
  readonly #owner: string
  readonly #show: (event: T) => string
  #untaken: T[] = []
  #waiters: Waiter<T>[] = []
  readonly all: T[] = []

  constructor(owner: string, show: (event: T) => string = (event) => inspect(event, { breakLength: 200, depth: 3 })) {
    this.#owner = owner
    this.#show = show
  }

  push(event: T): void {
    this.all.push(event)
    const index = this.#waiters.findIndex((waiter) => waiter.wanted(event))
    if (index < 0) {
      this.#untaken.push(event)
      return
    }
    const [waiter] = this.#waiters.splice(index, 1)
    waiter?.give(event)
  }

  next(what: string, wanted: (event: T) => boolean, timeoutMs = 10_000): Promise<T> {
    const index = this.#untaken.findIndex(wanted)
    if (index >= 0) return Promise.resolve(this.#untaken.splice(index, 1)[0] as T)
    const { stack } = new Error('here')
    return new Promise((resolve, reject) => {
      const waiter: Waiter<T> = {
        wanted,
        give: (event) => {
          clearTimeout(timer)
          resolve(event)
        },
      }
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        const last = this.#untaken.slice(-12).map((event) => `  ${this.#show(event).slice(0, 600)}`)
        const heard = last.length === 0 ? 'nothing' : `only\n${last.join('\n')}`
        const error = new Error(`${this.#owner} waited ${timeoutMs} ms for ${what} and heard ${heard}`)
        error.stack = `${error.message}\n${stack?.split('\n').slice(2).join('\n')}`
        reject(error)
      }, timeoutMs)
      this.#waiters.push(waiter)
    })
  }

  /** Fails when a fitting event is there or comes within `quietMs`. */
  async never(what: string, unwanted: (event: T) => boolean, quietMs = 500): Promise<void> {
    const came = await this.next(what, unwanted, quietMs).then(
      (event) => event,
      () => undefined,
    )
    if (came !== undefined) throw new Error(`${this.#owner} should not hear ${what}: ${this.#show(came)}`)
  }

  /** Forgets what was heard so far. */
  forget(): void {
    this.#untaken = []
  }
}

/** Asks again and again until the answer is not undefined or false. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
  everyMs = 50,
): Promise<T> {
  const endMs = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      last = error
    }
    if (performance.now() > endMs) {
      const why = last === undefined ? '' : `: ${last instanceof Error ? last.message : inspect(last)}`
      throw new Error(`waited ${timeoutMs} ms for ${what}${why}`)
    }
    await pause(everyMs)
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
