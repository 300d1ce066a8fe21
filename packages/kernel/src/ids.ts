/** Chance is handed in. */
export interface Ids {
  /** A token of at least 128 random bits in `[a-z0-9]`, safe in every header, attribute and file name. */
  token(): string
  /** A number in [0, 1), for jitter and weights; not for secrets. */
  fraction(): number
}

/** The same chance on every run (mulberry32): for tests of machines under virtual time. */
export function chanceFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** The hashes the engines and maps need, handed in so that floors 0–2 stay without a host library. */
export interface Hashes {
  /** Lower-case hex. */
  sha256Hex(text: string): string
  /** Lower-case hex; `key` and `text` are taken as UTF-8. */
  hmacSha256Hex(key: string, text: string): string
}
