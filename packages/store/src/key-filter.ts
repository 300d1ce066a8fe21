/**
 * Tells whether a key may be among many, without keeping them: never no for one that is, yes for about one in a hundred
 * that are not. @see Bloom, Space/Time Trade-offs in Hash Coding with Allowable Errors (1970)
 */
export const FILTER_BYTES = 8192
const BITS = FILTER_BYTES * 8
const PROBES = 4

const { imul } = Math

export function addKey(filter: Uint8Array, key: string): void {
  const { start, step } = hashOf(key)
  for (let probe = 0, at = start; probe < PROBES; probe += 1, at += step) {
    const bit = (at >>> 0) % BITS
    filter[bit >> 3] = (filter[bit >> 3] ?? 0) | (1 << (bit & 7))
  }
}

export function mayHoldKey(filter: Uint8Array, key: string): boolean {
  const { start, step } = hashOf(key)
  for (let probe = 0, at = start; probe < PROBES; probe += 1, at += step) {
    const bit = (at >>> 0) % BITS
    if (((filter[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0) return false
  }
  return true
}

/** FNV-1a twice, with two offsets; not for secrets. What is stored depends on it: it never changes. */
function hashOf(key: string): { readonly start: number; readonly step: number } {
  let start = 0x811c9dc5
  let step = 0x9e3779b9
  for (let at = 0; at < key.length; at += 1) {
    const unit = key.charCodeAt(at)
    start = imul(start ^ unit, 0x01000193)
    step = imul(step ^ unit, 0x85ebca6b)
    step ^= step >>> 13
  }
  start ^= start >>> 15
  return { start: imul(start, 0x2c1b3c6d) >>> 0, step: (step | 1) >>> 0 }
}
