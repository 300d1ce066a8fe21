import { latin1Text, utf8Text } from '@stox/kernel'

/** A text of so many bytes or fewer is looked at here, a longer one by the platform. */
const SHORT_TEXT = 64

/**
 * Reads protobuf by hand, for the frames that come by the ten thousand each second. A reader that has met nonsense
 * stays at its end with a `problem`: whoever reads asks for it once, when done.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtoReader {
  readonly #bytes: Uint8Array
  #at = 0
  /** Of the message that is being read. */
  #end: number
  #problem: string | undefined

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#end = bytes.length
  }

  get problem(): string | undefined {
    return this.#problem
  }

  get at(): number {
    return this.#at
  }

  /** The tag of the next field; 0 at the end of the message. */
  tag(): number {
    if (this.#at >= this.#end) return 0
    const tag = this.uint32()
    if (tag >>> 3 === 0) return this.#fail('a field without a number')
    return tag
  }

  /** The low 32 bits, as the encoding wants it. */
  uint32(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) return this.#fail('a number ends too early')
      const byte = this.#bytes[this.#at++] as number
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    return this.#fail('a number of more than ten bytes')
  }

  double(): number {
    if (!this.#has(8)) return 0
    const at = this.#bytes.byteOffset + this.#at
    this.#at += 8
    return new DataView(this.#bytes.buffer, at, 8).getFloat64(0, true)
  }

  /** Most often what stood there the last time: then it is that very string. */
  text(last = ''): string {
    const length = this.uint32()
    if (length === 0 || !this.#has(length)) return ''
    const start = this.#at
    this.#at += length
    if (length === last.length && this.#stands(last, start)) return last
    if (length <= SHORT_TEXT && this.#isAscii(start, this.#at)) return latin1Text(this.#bytes, start, this.#at)
    const text = utf8Text(this.#bytes, start, this.#at)
    if (text === undefined) this.#fail('a text that is not UTF-8')
    return text ?? ''
  }

  /** Into the message that stands here; what is given back is for `leave`. */
  enter(): number {
    const outer = this.#end
    const length = this.uint32()
    if (this.#has(length)) this.#end = this.#at + length
    return outer
  }

  leave(outer: number): void {
    this.#end = outer
    if (this.#problem !== undefined) this.#at = outer
  }

  /** Past a field whose tag has just been read. */
  skip(tag: number): void {
    const type = tag & 7
    if (type === 0) this.uint32()
    else if (type === 1) this.#pass(8)
    else if (type === 2) this.#pass(this.uint32())
    else if (type === 5) this.#pass(4)
    else this.#fail(`wire type ${type}`)
  }

  /** The bytes from there to where we are. */
  since(at: number): Uint8Array {
    return this.#bytes.subarray(at, this.#at)
  }

  #pass(length: number): void {
    if (this.#has(length)) this.#at += length
  }

  #has(length: number): boolean {
    if (length <= this.#end - this.#at) return true
    this.#fail('a field ends behind its message')
    return false
  }

  /** Whether the text stands there, if it is ASCII. */
  #stands(text: string, start: number): boolean {
    for (let index = 0; index < text.length; index += 1) {
      const byte = this.#bytes[start + index] as number
      if (byte > 0x7f || byte !== text.charCodeAt(index)) return false
    }
    return true
  }

  #isAscii(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) if ((this.#bytes[at] as number) > 0x7f) return false
    return true
  }

  #fail(problem: string): 0 {
    this.#problem ??= problem
    this.#at = this.#end
    return 0
  }
}
