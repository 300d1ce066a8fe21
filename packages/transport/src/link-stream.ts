import { constants, type Http2Stream } from 'node:http2'
import { FrameReader, Link } from '@stox/link'

/** The stream of a link, in the words of HTTP and Connect. @see https://connectrpc.com/docs/protocol#streaming-rpcs */
export const ATTACH_PATH = `/${Link.typeName}/${Link.method.attach.name}`
export const STREAM_TYPE = 'application/connect+proto'

/** With the 64 KiB that HTTP/2 begins with, a full window of stanzas would come in sips. @see RFC 9113 §6.9.2 */
export const STREAM_WINDOW_BYTES = 4_194_304
export const CONNECTION_WINDOW_BYTES = 8_388_608

export interface LinkStreamOptions {
  readonly stream: Http2Stream
  readonly readMaxBytes: number
  /** A server's last frame. */
  readonly farewell?: Uint8Array
  /** The next frame, while there is one. */
  take(): Uint8Array | undefined
  /** After this nothing more will come from `take`. */
  isOver(): boolean
  heard(message: Uint8Array): void
  /** Nothing more is heard, and why; told once. */
  ended(problem: string): void
}

/**
 * One side of the stream of a link. Everything that was said in one turn of the event loop leaves as one frame: a
 * message for each stanza costs 40 to 80 times as much. While the other side does not read, nothing is taken, so that
 * what waits here is one frame.
 */
export class LinkStream {
  readonly #options: LinkStreamOptions
  readonly #stream: Http2Stream
  readonly #frames: FrameReader
  #isDue = false
  #isFull = false
  #isFinished = false
  #hasEnded = false

  constructor(options: LinkStreamOptions) {
    this.#options = options
    this.#stream = options.stream
    this.#frames = new FrameReader(options.readMaxBytes)
    this.#stream.on('data', (chunk: Buffer) => this.#onData(chunk))
    this.#stream.on('drain', () => this.#onRoom())
    this.#stream.on('end', () => this.#onEnd('the other side has closed the stream'))
    this.#stream.on('error', (error: Error) => this.#onEnd(error.message))
    this.#stream.on('close', () => this.#onEnd('the connection is gone'))
  }

  /** Something is to be said, or it is over. */
  poke(): void {
    if (this.#isDue || this.#isFull || this.#isFinished) return
    this.#isDue = true
    setImmediate(this.#flush)
  }

  /** Whatever the other side thinks. */
  close(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL)
  }

  readonly #flush = (): void => {
    this.#isDue = false
    if (this.#isFinished) return
    while (!this.#isFull) {
      const frame = this.#options.take()
      if (frame === undefined) break
      this.#isFull = !this.#stream.write(frame)
    }
    if (this.#isFull || !this.#options.isOver()) return
    this.#isFinished = true
    this.#stream.end(this.#options.farewell)
  }

  #onRoom(): void {
    this.#isFull = false
    this.poke()
  }

  #onData(chunk: Buffer): void {
    if (this.#hasEnded) return
    const frames = this.#frames.push(chunk)
    if (!frames.ok) return this.#onEnd(frames.failure)
    for (const frame of frames.value) {
      if (frame.kind === 'message') this.#options.heard(frame.message)
      else this.#onEnd(frame.problem ?? 'the other side has closed the stream')
    }
  }

  #onEnd(problem: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#options.ended(problem)
  }
}
