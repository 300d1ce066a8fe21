/** One value of the distinguished encoding. @see X.690 §8.1, §10 */
export interface DerValue {
  /** The identifier octet: class, constructed bit and number, which is below 31. */
  readonly tag: number
  readonly content: Uint8Array
  /** Header and content. */
  readonly whole: Uint8Array
}

export const DER = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const

/** The tag `[number]`, constructed or primitive. */
export const contextTag = (number: number, form: 'constructed' | 'primitive'): number =>
  (form === 'constructed' ? 0xa0 : 0x80) | number

/** The value that begins at `at`; undefined where there is none in the encoding. Nothing is read behind the end. */
export function derAt(bytes: Uint8Array, at: number): DerValue | undefined {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined
  let from = at + 2
  let length = first
  if (first >= 0x80) {
    const octets = first & 0x7f
    if (octets === 0 || octets > 3 || bytes[from] === 0) return undefined
    length = 0
    for (const end = from + octets; from < end; from += 1) length = length * 256 + (bytes[from] ?? 0)
    if (length < 0x80) return undefined
  }
  const end = from + length
  if (end > bytes.length) return undefined
  return { tag, content: bytes.subarray(from, end), whole: bytes.subarray(at, end) }
}

/** The only value of these bytes. */
export function onlyDer(bytes: Uint8Array, tag: number): DerValue | undefined {
  const value = derAt(bytes, 0)
  return value?.tag === tag && value.whole.length === bytes.length ? value : undefined
}

/** The values one after the other, or undefined where they do not fill the bytes, or are more than `limit`. */
export function derValues(bytes: Uint8Array, limit = 4_096): readonly DerValue[] | undefined {
  const values: DerValue[] = []
  for (let at = 0; at < bytes.length;) {
    const value = values.length < limit ? derAt(bytes, at) : undefined
    if (value === undefined) return undefined
    values.push(value)
    at += value.whole.length
  }
  return values
}

/** What is in the only value of these bytes, a SEQUENCE. */
export function derSequence(bytes: Uint8Array): readonly DerValue[] | undefined {
  const sequence = onlyDer(bytes, DER.sequence)
  return sequence && derValues(sequence.content)
}

/** In dots. @see X.690 §8.19 */
export function oidText(content: Uint8Array): string | undefined {
  if (content.length === 0 || content.length > 64 || content.at(-1)! >= 0x80) return undefined
  const arcs: number[] = []
  let arc = 0
  for (const [index, octet] of content.entries()) {
    if (arc === 0 && octet === 0x80 && (content[index - 1] ?? 0) < 0x80) return undefined
    arc = arc * 128 + (octet & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 256) return undefined
    if (octet >= 0x80) continue
    if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)), arc - 40 * Math.min(2, Math.floor(arc / 40)))
    else arcs.push(arc)
    arc = 0
  }
  return arcs.join('.')
}

export const oidOf = (value: DerValue | undefined): string | undefined =>
  value?.tag === DER.oid ? oidText(value.content) : undefined

export function derBoolean(value: DerValue): boolean | undefined {
  const octet = value.tag === DER.boolean && value.content.length === 1 ? value.content[0] : undefined
  return octet === 0xff ? true : octet === 0 ? false : undefined
}

/** A whole number that is not negative and fits in 31 bits. */
export function derCount(value: DerValue): number | undefined {
  const { tag, content } = value
  if (tag !== DER.integer || content.length === 0 || content.length > 4 || content[0]! >= 0x80) return undefined
  if (content.length > 1 && content[0] === 0 && content[1]! < 0x80) return undefined
  return content.reduce((number, octet) => number * 256 + octet, 0)
}

/** Bits without the count of unused ones that stands before them; undefined where it lies. */
export function derBits(value: DerValue): Uint8Array | undefined {
  const unused = value.tag === DER.bitString ? value.content[0] : undefined
  if (unused === undefined || unused > 7 || (unused > 0 && value.content.length === 1)) return undefined
  return value.content.subarray(1)
}

/** Epoch ms of a time in the two forms that certificates have, both in UTC with seconds. @see RFC 5280 §4.1.2.5 */
export function derTimeMs(value: DerValue): number | undefined {
  const text = String.fromCharCode(...value.content.subarray(0, 16))
  const isShort = value.tag === DER.utcTime
  if (!(isShort ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text) || (!isShort && value.tag !== DER.generalizedTime))
    return undefined
  const long = !isShort ? text : `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}`
  const [year, month, day, hour, minute, second] = [
    long.slice(0, 4),
    ...[4, 6, 8, 10, 12].map((from) => long.slice(from, from + 2)),
  ].map(Number) as [number, number, number, number, number, number]
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  date.setUTCHours(hour, minute, second)
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour
  return isReal && minute < 60 && second < 60 ? date.getTime() : undefined
}
