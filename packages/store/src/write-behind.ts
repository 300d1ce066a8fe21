import type { Log, Timer, Timers } from '@stox/kernel'
import { messageOf } from './caught.ts'

/** How the last write went; shared by everything that writes to one medium. */
export class WriteHealth {
  #problem: string | undefined

  get problem(): string | undefined {
    return this.#problem
  }

  /** Runs a write and remembers how it went. */
  run<T>(write: () => T): T {
    try {
      const value = write()
      this.#problem = undefined
      return value
    } catch (error) {
      this.#problem = messageOf(error)
      throw error
    }
  }
}

const RETRY_MS = 1000
const NEXT_BATCH_MS = 1

/** Puts off writing, so that much is written at once and nobody waits for it. What could not be written is tried again. */
export class WriteBehind {
  readonly #name: string
  readonly #afterMs: number
  readonly #write: () => boolean
  readonly #deps: { readonly timers: Timers; readonly log: Log }
  #timer: Timer | undefined
  #closed = false

  /** `write` takes a batch and says whether more is waiting; it throws when it could not, and keeps what it has. */
  constructor(
    name: string,
    afterMs: number,
    deps: { readonly timers: Timers; readonly log: Log },
    write: () => boolean,
  ) {
    this.#name = name
    this.#afterMs = afterMs
    this.#deps = deps
    this.#write = write
  }

  /** Something is waiting. */
  note(): void {
    if (this.#timer === undefined) this.#arm(this.#afterMs)
  }

  /** Writes everything now; throws when that fails. */
  flush(): void {
    this.#disarm()
    try {
      while (this.#write());
    } catch (error) {
      this.#arm(RETRY_MS)
      throw error
    }
  }

  /** After a last flush; what cannot be written then is lost, and said to be. */
  close(): void {
    this.#closed = true
    try {
      this.flush()
    } catch (error) {
      this.#deps.log.error('store-write-failed', { what: this.#name, detail: messageOf(error), lost: true })
    }
  }

  #arm(afterMs: number): void {
    if (this.#closed) return
    this.#timer = this.#deps.timers.arm(afterMs, () => {
      this.#timer = undefined
      try {
        if (this.#write()) this.#arm(NEXT_BATCH_MS)
      } catch (error) {
        this.#deps.log.error('store-write-failed', { what: this.#name, detail: messageOf(error), lost: false })
        this.#arm(RETRY_MS)
      }
    })
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
