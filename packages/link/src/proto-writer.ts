import { roomFor, writeUtf8 } from '@stox/kernel'

const SLAB_BYTES = 65_536
/** A text of so many characters or fewer is written here, a longer one by the platform. */
const SHORT_TEXT = 48

export const varintTag = (field: number): number => field << 3
export const doubleTag = (field: number): number => (field << 3) | 1
export const lengthTag = (field: number): number => (field << 3) | 2

/**
 * Writes protobuf by hand, for the frames that come by the ten thousand each second. Memory is used from front to back
 * and never again: what `finish` gave away stays as it is. Fields above 15 are not written here.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtoWriter {
  #bytes = roomFor(SLAB_BYTES)
  #view = viewOf(this.#bytes)
  #start = 0
  #at = 0

  /** A new message, behind `head` bytes that its owner fills in. */
  begin(head: number): void {
    if (this.#bytes.length > SLAB_BYTES) this.#use(roomFor(SLAB_BYTES), 0)
    this.#start = this.#at
    this.#need(head)
    this.#at += head
  }

  /** What was written since `begin`, the head included. */
  finish(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#at)
  }

  /** A field that is whole already, or several. */
  raw(bytes: Uint8Array): void {
    this.#need(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** A zero is what a field is that does not stand there. */
  uint32(tag: number, value: number): void {
    if (value !== 0) this.someUint32(tag, value)
  }

  /** The same for a field whose zero says something. */
  someUint32(tag: number, value: number): void {
    this.#need(6)
    this.#bytes[this.#at++] = tag
    this.#varint(value)
  }

  double(tag: number, value: number): void {
    if (value === 0) return
    this.#need(9)
    this.#bytes[this.#at++] = tag
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  text(tag: number, text: string): void {
    if (text === '') return
    // Three bytes a character at most, and five for the length.
    this.#need(text.length * 3 + 6)
    this.#bytes[this.#at++] = tag
    const room = sizeOfVarint(text.length)
    this.#at += room
    const start = this.#at
    this.#at += this.#shortAscii(text) ? text.length : writeUtf8(text, this.#bytes, start)
    this.#closeLength(start, room)
  }

  /** A message inside this one begins; what is given back is for `leave`, and counts from `begin`. */
  enter(tag: number): number {
    this.#need(1 + NESTED_ROOM)
    this.#bytes[this.#at++] = tag
    this.#at += NESTED_ROOM
    return this.#at - this.#start
  }

  leave(start: number): void {
    this.#need(5)
    this.#closeLength(this.#start + start, NESTED_ROOM)
  }

  /** Written at the place where it belongs, whole or not at all. */
  #shortAscii(text: string): boolean {
    if (text.length > SHORT_TEXT) return false
    const bytes = this.#bytes
    const at = this.#at
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) return false
      bytes[at + index] = code
    }
    return true
  }

  /** The length of what stands from `start` on, into the `room` bytes before it; what stands there moves when it must. */
  #closeLength(start: number, room: number): void {
    const end = this.#at
    const length = end - start
    const size = sizeOfVarint(length)
    if (size !== room) this.#bytes.copyWithin(start - room + size, start, end)
    this.#at = start - room
    this.#varint(length)
    this.#at += length
  }

  #varint(value: number): void {
    let left = value
    while (left > 0x7f) {
      this.#bytes[this.#at++] = (left & 0x7f) | 0x80
      left >>>= 7
    }
    this.#bytes[this.#at++] = left
  }

  #need(bytes: number): void {
    const used = this.#at - this.#start
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = roomFor(Math.max(SLAB_BYTES, bytes + Math.ceil(used * 1.5)))
    larger.set(this.#bytes.subarray(this.#start, this.#at))
    this.#use(larger, used)
  }

  #use(bytes: Uint8Array, at: number): void {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#start = 0
    this.#at = at
  }
}

/** What a stanza takes as a rule; an outcome is moved by a byte. */
const NESTED_ROOM = 2

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

const sizeOfVarint = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5
