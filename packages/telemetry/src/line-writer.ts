import { write, writeSync } from 'node:fs'

/** Lines are written together: one system call for each would cost a tenth of the time of a busy process. */
const CHUNK_CHARACTERS = 32_768
const LATEST_MS = 100
/** What waits for a reader that does not read; beyond it lines are dropped. */
const MOST_WAITING_CHARACTERS = 16 * 1024 * 1024
/** A pipe that is full: when it is asked again, and how often at the very end. */
const AGAIN_MS = 10
const LAST_TRIES = 100

/**
 * Lines to a file descriptor, in the background and in pieces. The one that comes with pino looks at all that it holds
 * with each new line, which was a seventh of the time of a busy edge (sonic-boom 4.2).
 */
export class LineWriter {
  readonly #fd: number
  #lines: string[] = []
  #characters = 0
  #isWriting = false
  #timer: NodeJS.Timeout | undefined

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    if (this.#characters >= MOST_WAITING_CHARACTERS) return
    this.#lines.push(line)
    this.#characters += line.length
    this.#next()
  }

  /** What still waits, at once: for the end of the process. */
  flush(): void {
    let bytes = this.#takeAll()
    for (let tries = 0; bytes.length > 0 && tries < LAST_TRIES;) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes))
      } catch (error) {
        if (!isBusy(error)) return
        tries += 1
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS)
      }
    }
  }

  #next(): void {
    if (this.#isWriting || this.#characters === 0) return
    if (this.#characters < CHUNK_CHARACTERS) {
      this.#timer ??= setTimeout(() => this.#begin(), LATEST_MS).unref()
      return
    }
    this.#begin()
  }

  #begin(): void {
    if (this.#isWriting || this.#characters === 0) return
    this.#isWriting = true
    this.#write(this.#takeAll())
  }

  #write(bytes: Buffer): void {
    write(this.#fd, bytes, (error, written) => {
      if (error !== null && isBusy(error)) {
        setTimeout(() => this.#write(bytes), AGAIN_MS)
        return
      }
      // Nobody can be told that the log itself cannot be written.
      if (error === null && written < bytes.length) return this.#write(bytes.subarray(written))
      this.#isWriting = false
      this.#next()
    })
  }

  #takeAll(): Buffer {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const bytes = Buffer.from(this.#lines.join(''), 'utf8')
    this.#lines = []
    this.#characters = 0
    return bytes
  }
}

const isBusy = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'EAGAIN'
