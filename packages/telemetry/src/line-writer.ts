import { write, writeSync } from 'node:fs'

/** Lines are written together: one system call for each would cost a tenth of the time of a busy process. */
const CHUNK_CHARACTERS = 32_768
const LATEST_MS = 100
const AGAIN_MS = 10
/** A reader that has stopped must not cost us the memory: lines beyond this are dropped. */
const MOST_CHARACTERS = 16_777_216

/** Writes lines to a file descriptor, many at a time, in their order, without making anybody wait. */
export class LineWriter {
  readonly #fd: number
  #lines: string[] = []
  #characters = 0
  /** Being written, and how far. */
  #bytes: Buffer | undefined
  #offset = 0
  #timer: NodeJS.Timeout | undefined
  #broken = false

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    if (this.#broken || this.#characters > MOST_CHARACTERS) return
    this.#lines.push(line)
    this.#characters += line.length
    if (this.#bytes !== undefined) return
    if (this.#characters >= CHUNK_CHARACTERS) this.#start()
    else this.#timer ??= setTimeout(() => this.#start(), LATEST_MS).unref()
  }

  /** Everything, now: for the end of the process. */
  flushSync(): void {
    try {
      // What is under way may be in the file already: rather twice than never.
      for (this.#take(); this.#bytes !== undefined; this.#take())
        this.#wrote(writeSync(this.#fd, this.#bytes, this.#offset))
    } catch {
      this.#broken = true
    }
  }

  #start(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#take()
    if (this.#bytes !== undefined) this.#writeOn(this.#bytes)
  }

  #take(): void {
    if (this.#bytes !== undefined || this.#lines.length === 0) return
    this.#bytes = Buffer.from(this.#lines.join(''))
    this.#offset = 0
    this.#lines = []
    this.#characters = 0
  }

  #writeOn(bytes: Buffer): void {
    write(this.#fd, bytes, this.#offset, (error, written) => {
      // Written meanwhile, by the last flush.
      if (this.#bytes !== bytes) return
      if (error?.code === 'EAGAIN') setTimeout(() => this.#writeOn(bytes), AGAIN_MS)
      // Nobody reads any more: there is nobody to tell.
      else if (error !== null) this.#broken = true
      else {
        this.#wrote(written)
        if (this.#bytes !== undefined) this.#writeOn(bytes)
        else if (this.#characters >= CHUNK_CHARACTERS) this.#start()
        else if (this.#lines.length > 0) this.#timer ??= setTimeout(() => this.#start(), LATEST_MS).unref()
      }
    })
  }

  #wrote(count: number): void {
    this.#offset += count
    if (this.#bytes !== undefined && this.#offset === this.#bytes.length) this.#bytes = undefined
  }
}
