import { concatBytes, fail, ok, utf8Bytes, utf8Text, type Result } from '@stox/kernel'

/**
 * The frames of a Connect stream: a byte of flags, the length in four bytes, the message.
 * @see https://connectrpc.com/docs/protocol#streaming-rpcs
 */
export const FRAME_HEAD_BYTES = 5
const COMPRESSED = 1
const END_OF_STREAM = 2

/** Fills in the head of a frame that carries a message. */
export function sealFrame(frame: Uint8Array, flags = 0): Uint8Array {
  const length = frame.length - FRAME_HEAD_BYTES
  frame[0] = flags
  frame[1] = length >>> 24
  frame[2] = length >>> 16
  frame[3] = length >>> 8
  frame[4] = length
  return frame
}

/** Why a stream was refused or broken off, in the protocol's own words. */
export interface StreamError {
  readonly code: 'permission_denied' | 'unavailable'
  readonly message: string
}

/** The last frame of a server. */
export function endFrame(error?: StreamError): Uint8Array {
  const head = new Uint8Array(FRAME_HEAD_BYTES)
  return sealFrame(concatBytes([head, utf8Bytes(JSON.stringify(error === undefined ? {} : { error }))]), END_OF_STREAM)
}

export type Frame =
  | { readonly kind: 'message'; readonly message: Uint8Array }
  /** The server is done, and with what problem if any. */
  | { readonly kind: 'end'; readonly problem: string | undefined }

/** Cuts what comes, in whatever pieces, into frames. It holds no more than one of them. */
export class FrameReader {
  readonly #maxBytes: number
  #held: Uint8Array[] = []
  #heldBytes = 0
  /** Of the frame that is being collected; 0 while not even its head is here. */
  #frameBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A failure is for good. */
  push(chunk: Uint8Array): Result<readonly Frame[], string> {
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    const enough = this.#frameBytes === 0 ? FRAME_HEAD_BYTES : this.#frameBytes
    return this.#heldBytes < enough ? NOTHING_YET : this.#cut(concatOf(this.#held))
  }

  #cut(bytes: Uint8Array): Result<readonly Frame[], string> {
    const frames: Frame[] = []
    let at = 0
    this.#frameBytes = 0
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const length = lengthAt(bytes, at + 1)
      if (length > this.#maxBytes) return fail(`a message of ${length} bytes, where ${this.#maxBytes} are allowed`)
      const end = at + FRAME_HEAD_BYTES + length
      if (end > bytes.length) {
        this.#frameBytes = end - at
        break
      }
      const frame = frameOf(bytes[at] ?? 0, bytes.subarray(at + FRAME_HEAD_BYTES, end))
      if (!frame.ok) return frame
      frames.push(frame.value)
      at = end
    }
    this.#held = at === bytes.length ? [] : [bytes.subarray(at)]
    this.#heldBytes = bytes.length - at
    return ok(frames)
  }
}

const NOTHING_YET = ok<readonly Frame[]>([])

const concatOf = (parts: readonly Uint8Array[]): Uint8Array =>
  parts.length === 1 && parts[0] !== undefined ? parts[0] : concatBytes(parts)

const lengthAt = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0)

function frameOf(flags: number, message: Uint8Array): Result<Frame, string> {
  if (flags === 0) return ok({ kind: 'message', message })
  if ((flags & COMPRESSED) !== 0) return fail('a compressed message, which nobody asked for')
  if (flags === END_OF_STREAM) return ok({ kind: 'end', problem: problemIn(utf8Text(message) ?? '') })
  return fail(`a frame with the flags ${flags}`)
}

/** The sentence in the JSON of an end. @see https://connectrpc.com/docs/protocol#error-end-stream */
function problemIn(json: string): string | undefined {
  try {
    const error = memberOf(JSON.parse(json), 'error')
    if (error === undefined) return undefined
    return String(memberOf(error, 'message') ?? memberOf(error, 'code') ?? 'an error without a name')
  } catch {
    return `an end that cannot be read: ${json.slice(0, 64)}`
  }
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined
