import type { Ids } from './ids.ts'

/** Drawn once for each table. */
export interface HashSeed {
  readonly low: number
  readonly high: number
}

/** Behind those of the words, and alike. */
const FINAL_ROUNDS = 3

/**
 * HalfSipHash-1-3 with 32 bits, as Linux has it for its tables: who chooses the keys of a table but does not know its seed
 * cannot choose keys that meet in it. `words` holds the bytes in the order of a little-endian machine, and zeros up to a
 * whole word behind them: `length >> 2` words and one more are read.
 */
export function halfSipHash({ low, high }: HashSeed, words: Int32Array, length: number): number {
  let v0 = low
  let v1 = high
  let v2 = low ^ 0x6c796765
  let v3 = high ^ 0x74656462
  const whole = length >>> 2
  for (let at = 0; at <= whole + FINAL_ROUNDS; at += 1) {
    const word = at < whole ? (words[at] ?? 0) : at === whole ? (words[whole] ?? 0) | (length << 24) : 0
    if (at === whole + 1) v2 ^= 0xff
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return v1 ^ v3
}

export function newHashSeed(ids: Ids): HashSeed {
  const token = ids.token()
  const words = Int32Array.from(token, (unit) => unit.charCodeAt(0))
  const seedFrom = (low: number): number => halfSipHash({ low, high: 0 }, words, words.length * 4)
  return { low: seedFrom(0), high: seedFrom(1) }
}
