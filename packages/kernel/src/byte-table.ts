import { halfSipHash } from './half-sip-hash.ts'
import type { HashSeed } from './half-sip-hash.ts'
import { isWellFormed, roomFor, writeUtf8 } from './text-codec.ts'

/** 256 KiB. Of a place the lower half is a word of a chunk. */
const CHUNK_WORDS = 0x1_0000
/** How long the key is, and how long the value. */
const HEAD_WORDS = 2
const FEWEST_SLOTS = 64
/** What one character of a key takes at most. */
const CHARACTER_BYTES = 3

/**
 * Room outside of the heap: the same bytes one by one and in words. Shared with nobody; but V8 counts what is not shared as
 * growth of the heap, and collected all of it every second or two while a table was growing.
 */
interface Chunk {
  readonly bytes: Uint8Array
  readonly words: Int32Array
}

function newChunk(words: number): Chunk {
  const buffer = new SharedArrayBuffer(words * 4)
  return { bytes: new Uint8Array(buffer), words: new Int32Array(buffer) }
}

/** The host writes text faster into room of its own. */
function roomForKey(least: number): Chunk {
  const bytes = roomFor(wordsFor(least) * 4)
  return { bytes, words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4) }
}

const wordsFor = (bytes: number): number => (bytes + 3) >>> 2
export const bytesInTable = (keyLength: number, valueLength: number): number =>
  (HEAD_WORDS + wordsFor(keyLength) + wordsFor(valueLength)) * 4

/** The chunks that no table has now. What was not wanted between two calls of `trim` is let go of. */
export class SpareChunks {
  readonly #chunks: Chunk[] = []
  #unwanted = 0

  take(): Chunk {
    const chunk = this.#chunks.pop() ?? newChunk(CHUNK_WORDS)
    this.#unwanted = Math.min(this.#unwanted, this.#chunks.length)
    return chunk
  }

  give(chunk: Chunk): void {
    if (chunk.words.length === CHUNK_WORDS) this.#chunks.push(chunk)
  }

  trim(): void {
    this.#chunks.splice(0, this.#unwanted)
    this.#unwanted = this.#chunks.length
  }
}

/** A key in bytes: written once to be looked for in several tables. */
export class WrittenKey {
  readonly #seed: HashSeed
  #room = roomForKey(CHARACTER_BYTES * 128)
  length = 0
  hash = 0

  constructor(seed: HashSeed) {
    this.#seed = seed
  }

  get words(): Int32Array {
    return this.#room.words
  }

  write(key: string): void {
    // No byte of UTF-8 is 0xff: a key that it cannot write, with half a pair of surrogates, is never taken for one it can.
    const isPlain = isWellFormed(key)
    const text = isPlain ? key : JSON.stringify(key)
    const most = text.length * CHARACTER_BYTES + 4
    if (most > this.#room.bytes.length) this.#room = roomForKey(most)
    const { bytes, words } = this.#room
    bytes[0] = 0xff
    const start = isPlain ? 0 : 1
    const length = start + writeUtf8(text, bytes, start)
    // Up to a whole word there are zeros behind it.
    for (let at = length; at < length + 4; at += 1) bytes[at] = 0
    this.length = length
    this.hash = halfSipHash(this.#seed, words, length)
  }
}

/**
 * Texts and the bytes that belong to them, outside of the heap: entries stand one behind the other in chunks, and an index
 * by open addressing has a hash and a place for each. Of a hundred thousand entries the garbage collector sees a few dozen
 * objects. Nothing is taken out; the table is let go of as a whole.
 */
export class ByteTable {
  readonly #spare: SpareChunks
  readonly #chunks: Chunk[] = []
  /** In the last chunk. */
  #usedWords = CHUNK_WORDS
  /** Two words a slot: the hash, and the place or 0. */
  #slots: Int32Array
  #size = 0
  #bytes = 0

  constructor(spare: SpareChunks, expected: number) {
    this.#spare = spare
    let slots = FEWEST_SLOTS
    while (slots < expected * 2) slots *= 2
    this.#slots = new Int32Array(slots * 2)
  }

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  has(key: WrittenKey): boolean {
    return this.#placeOf(key) !== 0
  }

  /** A copy. */
  get(key: WrittenKey): Uint8Array | undefined {
    const place = this.#placeOf(key)
    if (place === 0) return undefined
    const chunk = this.#chunkAt(place)
    const head = place & 0xffff
    const start = (head + HEAD_WORDS + wordsFor(key.length)) * 4
    return chunk?.bytes.slice(start, start + (chunk.words[head + 1] ?? 0))
  }

  /** What this key had before stays where it is, and is not found any more. */
  set(key: WrittenKey, value: Uint8Array): void {
    if ((this.#size + 1) * 4 > this.#slots.length) this.#grow()
    const slot = this.#slotOf(key)
    if (this.#slots[slot + 1] === 0) this.#size += 1
    this.#slots[slot] = key.hash
    this.#slots[slot + 1] = this.#write(key, value)
    this.#bytes += bytesInTable(key.length, value.length)
  }

  release(): void {
    for (const chunk of this.#chunks.splice(0)) this.#spare.give(chunk)
  }

  #chunkAt(place: number): Chunk | undefined {
    return this.#chunks[(place >>> 16) - 1]
  }

  #placeOf(key: WrittenKey): number {
    return this.#slots[this.#slotOf(key) + 1] ?? 0
  }

  /** Where it stands, or may be put. */
  #slotOf(key: WrittenKey): number {
    const slots = this.#slots
    const last = slots.length - 1
    let slot = (key.hash << 1) & last
    for (;;) {
      const place = slots[slot + 1] ?? 0
      if (place === 0 || (slots[slot] === key.hash && this.#isAt(place, key))) return slot
      slot = (slot + 2) & last
    }
  }

  #isAt(place: number, key: WrittenKey): boolean {
    const words = this.#chunkAt(place)?.words
    const head = place & 0xffff
    if (words === undefined || words[head] !== key.length) return false
    const start = head + HEAD_WORDS
    for (let at = wordsFor(key.length) - 1; at >= 0; at -= 1) if (words[start + at] !== key.words[at]) return false
    return true
  }

  #write(key: WrittenKey, value: Uint8Array): number {
    const { bytes, words } = this.#chunkFor(bytesInTable(key.length, value.length) >>> 2)
    const head = this.#usedWords
    words[head] = key.length
    words[head + 1] = value.length
    const start = head + HEAD_WORDS
    const keyWords = wordsFor(key.length)
    for (let at = 0; at < keyWords; at += 1) words[start + at] = key.words[at] ?? 0
    bytes.set(value, (start + keyWords) * 4)
    this.#usedWords = start + keyWords + wordsFor(value.length)
    return (this.#chunks.length << 16) | head
  }

  #chunkFor(words: number): Chunk {
    const last = this.#chunks.at(-1)
    if (last !== undefined && this.#usedWords + words <= last.words.length) return last
    const chunk = words > CHUNK_WORDS ? newChunk(words) : this.#spare.take()
    this.#chunks.push(chunk)
    this.#usedWords = 0
    return chunk
  }

  #grow(): void {
    const before = this.#slots
    this.#slots = new Int32Array(before.length * 2)
    const last = this.#slots.length - 1
    for (let from = 0; from < before.length; from += 2) {
      const place = before[from + 1] ?? 0
      if (place === 0) continue
      const hash = before[from] ?? 0
      let slot = (hash << 1) & last
      while (this.#slots[slot + 1] !== 0) slot = (slot + 2) & last
      this.#slots[slot] = hash
      this.#slots[slot + 1] = place
    }
  }
}
