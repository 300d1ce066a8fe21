import { write, writeSync } from 'node:fs'

/** Lines are written together, some hundreds where there are so many: to wake the thread that writes is dear. */
const CHUNK_BYTES = 131_072
const LATEST_MS = 100
/** What waits for a reader that does not read; beyond it lines are dropped. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024
/** A pipe that is full: when it is asked again, and how often at the very end. */
const AGAIN_MS = 10
const LAST_TRIES = 100

/**
 * Lines to a file descriptor, in the background and in pieces. The one that comes with pino looks at all that it holds
 * with each new line, which was a seventh of the time of a busy edge (sonic-boom 4.2). Here a line is bytes at once: as
 * the text that it was put together as, it is five times as large and outlives the next garbage collection.
 */
export class LineWriter {
  readonly #fd: number
  #bytes: Buffer = Buffer.allocUnsafeSlow(2 * CHUNK_BYTES)
  #length = 0
  /** The one that was written last, to be used again. */
  #spare: Buffer | undefined
  #isWriting = false
  #timer: NodeJS.Timeout | undefined

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    if (this.#length >= MOST_WAITING_BYTES) return
    // Three bytes a character at most.
    const needed = this.#length + line.length * 3
    if (needed > this.#bytes.length) this.#grow(2 * needed)
    this.#length += this.#bytes.write(line, this.#length)
    this.#next()
  }

  /** What still waits, at once: for the end of the process. */
  flush(): void {
    // It may be under way.
    this.#spare = undefined
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

  #grow(length: number): void {
    const larger = Buffer.allocUnsafeSlow(length)
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }

  #next(): void {
    if (this.#isWriting || this.#length === 0) return
    if (this.#length >= CHUNK_BYTES) this.#begin()
    else this.#timer ??= setTimeout(() => this.#begin(), LATEST_MS).unref()
  }

  #begin(): void {
    if (this.#isWriting || this.#length === 0) return
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
    const taken = this.#bytes
    const length = this.#length
    this.#bytes = this.#spare ?? Buffer.allocUnsafeSlow(2 * CHUNK_BYTES)
    this.#length = 0
    // Free again when the next one is taken: only one is under way.
    this.#spare = taken.length === 2 * CHUNK_BYTES ? taken : undefined
    return taken.subarray(0, length)
  }
}

const isBusy = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'EAGAIN'
