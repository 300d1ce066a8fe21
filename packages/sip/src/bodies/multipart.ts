import { concatBytes, latin1Bytes, latin1Text, ok, type Result } from '@stox/kernel'
import { unquote } from '../grammar.ts'
import type { MediaType } from '../header-values.ts'
import {
  formatMimePart,
  indexOfBytes,
  mediaTypeOf,
  mimeFailure,
  mimeHeader,
  parseMimePart,
  type MimeFailure,
  type MimeHeader,
  type MimePart,
} from './mime-part.ts'

/** `alternative`: the last that can be used is the best; `related`: the root counts; any other is taken as `mixed`. */
export interface Multipart {
  readonly kind: 'multipart'
  readonly type: MediaType
  /** As a part of another; none for the body itself. */
  readonly headers: readonly MimeHeader[]
  /** At least one. */
  readonly parts: readonly (MimePart | Multipart)[]
}

/** Multiparts within one another, the outermost counted. */
const MAX_DEPTH = 3
/** Over all levels. */
const MAX_PARTS = 32

/** 1 to 70 characters, the last no space. @see RFC 2046 §5.1.1 */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/

export const isMultipart = (type: MediaType): boolean => type.type.startsWith('multipart/')

/**
 * Strict, so that two readers cannot see two bodies: every line that starts with the delimiter must be one, the last one
 * must be there, lines end in CRLF. What stands before and after is passed over. @see RFC 2046 §5.1.1
 */
export const parseMultipart = (body: Uint8Array, type: MediaType): Result<Multipart, MimeFailure> =>
  readMultipart(body, type, [], 1, { partsLeft: MAX_PARTS })

/** One for all levels. */
interface Budget {
  partsLeft: number
}

function readMultipart(
  body: Uint8Array,
  type: MediaType,
  headers: readonly MimeHeader[],
  depth: number,
  budget: Budget,
): Result<Multipart, MimeFailure> {
  const boundary = unquote(type.params.get('boundary') ?? '')
  if (!isMultipart(type) || !BOUNDARY.test(boundary)) return mimeFailure('no multipart with a proper boundary')
  if (depth > MAX_DEPTH) return mimeFailure('multiparts too deep in one another')
  const slices = cut(body, boundary, budget)
  if (!slices.ok) return slices
  const parts: (MimePart | Multipart)[] = []
  for (const slice of slices.value) {
    const part = parseMimePart(slice)
    if (!part.ok) return part
    const media = mediaTypeOf(part.value)
    if (!media.ok) return media
    if (!isMultipart(media.value)) {
      parts.push(part.value)
      continue
    }
    // What is cut into parts cannot be encoded as a whole. @see RFC 2045 §6.4
    const encoding = mimeHeader(part.value, 'Content-Transfer-Encoding') ?? 'binary'
    if (!/^(?:7bit|8bit|binary)$/i.test(encoding)) return mimeFailure('a multipart with a transfer encoding')
    const nested = readMultipart(part.value.body, media.value, part.value.headers, depth + 1, budget)
    if (!nested.ok) return nested
    parts.push(nested.value)
  }
  return ok({ kind: 'multipart', type, headers, parts })
}

/** The bytes between the delimiters. The line end before a delimiter belongs to it. */
function cut(body: Uint8Array, boundary: string, budget: Budget): Result<readonly Uint8Array[], MimeFailure> {
  const delimiter = `\r\n--${boundary}`
  const text = latin1Text(body)
  const slices: Uint8Array[] = []
  // The first may stand at the very start, without a line end before it.
  let at = text.startsWith(delimiter.slice(2)) ? -2 : text.indexOf(delimiter)
  for (let partStart = -1; at !== -1;) {
    if (partStart !== -1) {
      if (budget.partsLeft === 0) return mimeFailure('too many parts')
      budget.partsLeft -= 1
      slices.push(body.subarray(partStart, Math.max(at, partStart)))
    }
    let end = at + delimiter.length
    const isLast = text.startsWith('--', end)
    if (isLast) end += 2
    while (text.charCodeAt(end) === 32 || text.charCodeAt(end) === 9) end += 1
    if (isLast && (end === text.length || text.startsWith('\r\n', end))) {
      return slices.length === 0 ? mimeFailure('a multipart without parts') : ok(slices)
    }
    if (!text.startsWith('\r\n', end)) return mimeFailure('a line that starts as the delimiter but is none')
    partStart = end + 2
    // The line end of one delimiter may be the one that opens the next: an empty part, refused as no part at all.
    at = text.indexOf(delimiter, end)
  }
  return mimeFailure(slices.length === 0 ? 'no delimiter' : 'no closing delimiter')
}

/**
 * The body of a multipart with this boundary; a part may be one itself, its body made here before. Throws a RangeError
 * when the boundary is none, or stands in a part: draw another. @see RFC 2046 §5.1.1
 */
export function formatMultipart(parts: readonly MimePart[], boundary: string): Uint8Array {
  if (!BOUNDARY.test(boundary)) throw new RangeError(`not a boundary: ${JSON.stringify(boundary)}`)
  if (parts.length === 0) throw new RangeError('a multipart has parts')
  const pieces: Uint8Array[] = []
  for (const part of parts) {
    const bytes = formatMimePart(part)
    if (indexOfBytes(bytes, `--${boundary}`) !== -1) throw new RangeError('the boundary stands in a part')
    pieces.push(latin1Bytes(`${pieces.length === 0 ? '' : '\r\n'}--${boundary}\r\n`), bytes)
  }
  return concatBytes([...pieces, latin1Bytes(`\r\n--${boundary}--\r\n`)])
}

/** The part of a `multipart/related` that the others serve: the one `start` names, else the first. @see RFC 2387 §3.2 */
export function rootPartOf(multipart: Multipart): MimePart | Multipart {
  const start = multipart.type.params.get('start')
  const named =
    start === undefined ? undefined : multipart.parts.find((part) => mimeHeader(part, 'Content-ID') === unquote(start))
  return named ?? multipart.parts[0]!
}
