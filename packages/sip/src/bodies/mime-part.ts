import { bytesOfBase64, concatBytes, fail, latin1Text, ok, utf8Bytes, utf8Text, type Result } from '@stox/kernel'
import { isToken, unquote } from '../grammar.ts'
import { parseMediaType, parseTokenWithParams, type MediaType } from '../header-values.ts'

/** One body within another: of a multipart, or what CPIM wraps. */
export interface MimePart {
  readonly kind: 'part'
  readonly headers: readonly MimeHeader[]
  readonly body: Uint8Array
}

/** Names as written; they are asked for in any case. */
export type MimeHeader = readonly [name: string, value: string]

export interface MimeFailure {
  readonly kind: 'mime'
  readonly detail: string
}

export const mimeFailure = (detail: string): Result<never, MimeFailure> => fail({ kind: 'mime', detail })

const MAX_HEAD_BYTES = 8192
const MAX_HEADERS = 32

/** Where this text of ASCII stands in the bytes at or after `from`; -1 when it does not. */
export const indexOfBytes = (bytes: Uint8Array, text: string, from = 0, to = bytes.length): number => {
  const index = latin1Text(bytes, from, to).indexOf(text)
  return index === -1 ? -1 : from + index
}

/**
 * Header lines, an empty line, the body: all of the bytes. Lines end in CRLF, and a line that starts in white space goes
 * on with the one before it. A part that opens with the empty line has no headers. @see RFC 2045 §3, RFC 2046 §5.1
 */
export function parseMimePart(bytes: Uint8Array): Result<MimePart, MimeFailure> {
  if (bytes[0] === 13 && bytes[1] === 10) return ok({ kind: 'part', headers: [], body: bytes.subarray(2) })
  const headEnd = indexOfBytes(bytes, '\r\n\r\n', 0, Math.min(bytes.length, MAX_HEAD_BYTES))
  if (headEnd === -1) return mimeFailure('the headers of a part do not end')
  const head = utf8Text(bytes.subarray(0, headEnd))
  if (head === undefined) return mimeFailure('the headers of a part are not UTF-8')
  const lines = head.replace(/\r\n(?=[ \t])/g, '').split('\r\n')
  if (lines.length > MAX_HEADERS) return mimeFailure('too many headers in a part')
  const headers: MimeHeader[] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).trimEnd()
    const value = line.slice(colon + 1).trim()
    if (!isToken(name) || HAS_CONTROL.test(value)) return mimeFailure('a part has a line that is no header')
    // Which of two would count is nowhere said.
    if (/^content-/i.test(name) && headers.some(([other]) => sameName(other, name))) {
      return mimeFailure(`a part has two ${name}`)
    }
    headers.push([name, value])
  }
  return ok({ kind: 'part', headers, body: bytes.subarray(headEnd + 4) })
}

const HAS_CONTROL = /[\0-\x08\x0a-\x1f\x7f]/
const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

/** Throws a RangeError for a header that no part may hold: only we can cause that. */
export function formatMimePart(part: MimePart): Uint8Array {
  let head = ''
  for (const [name, value] of part.headers) {
    if (!isToken(name) || HAS_CONTROL.test(value))
      throw new RangeError(`not a header: ${JSON.stringify([name, value])}`)
    head += `${name}: ${value}\r\n`
  }
  return concatBytes([utf8Bytes(`${head}\r\n`), part.body])
}

export const newMimePart = (
  contentType: string,
  body: string | Uint8Array,
  headers: readonly MimeHeader[] = [],
): MimePart => ({
  kind: 'part',
  headers: [['Content-Type', contentType], ...headers],
  body: typeof body === 'string' ? utf8Bytes(body) : body,
})

export const mimeHeader = (part: Pick<MimePart, 'headers'>, name: string): string | undefined =>
  part.headers.find(([other]) => sameName(other, name))?.[1]

/** Without a Content-Type it is plain text; in SIP that is UTF-8. @see RFC 2046 §5.2, RFC 3261 §7.4.1 */
export function mediaTypeOf(part: Pick<MimePart, 'headers'>): Result<MediaType, MimeFailure> {
  const parsed = parseMediaType(mimeHeader(part, 'Content-Type') ?? 'text/plain')
  return parsed.ok ? parsed : mimeFailure('no proper Content-Type in a part')
}

/** Whether a recipient that cannot use the part may pass over it; by default it may not. @see RFC 3261 §20.11 */
export function isOptionalPart(part: Pick<MimePart, 'headers'>): boolean {
  const disposition = parseTokenWithParams(mimeHeader(part, 'Content-Disposition') ?? '')
  return unquote(disposition?.params.get('handling') ?? '').toLowerCase() === 'optional'
}

/** The body with its transfer encoding undone. @see RFC 2045 §6 */
export function transferDecoded(part: MimePart): Result<Uint8Array, MimeFailure> {
  const encoding = (mimeHeader(part, 'Content-Transfer-Encoding') ?? 'binary').toLowerCase()
  switch (encoding) {
    case '7bit':
    case '8bit':
    case 'binary':
      return ok(part.body)
    case 'base64': {
      const bytes = bytesOfBase64(latin1Text(part.body).replace(/[\r\n\t ]+/g, ''))
      return bytes === undefined ? mimeFailure('a part is not the base64 it says') : ok(bytes)
    }
    case 'quoted-printable':
      return decodeQuotedPrintable(latin1Text(part.body))
    default:
      return mimeFailure('a transfer encoding we do not know')
  }
}

/** @see RFC 2045 §6.7 */
function decodeQuotedPrintable(text: string): Result<Uint8Array, MimeFailure> {
  const lines = text.split('\r\n').map(trimEndOfLine).join('\r\n').replaceAll('=\r\n', '')
  const bytes = new Uint8Array(lines.length)
  let length = 0
  for (let at = 0; at < lines.length; at += 1) {
    let code = lines.charCodeAt(at)
    if (code === 61) {
      const pair = lines.slice(at + 1, at + 3)
      if (!/^[0-9A-Fa-f]{2}$/.test(pair)) return mimeFailure('a part is not the quoted-printable it says')
      code = Number.parseInt(pair, 16)
      at += 2
    }
    bytes[length++] = code
  }
  return ok(bytes.subarray(0, length))
}

/** White space at the end of a line came on the way. Not a regular expression: those look at long runs again and again. */
function trimEndOfLine(line: string): string {
  let end = line.length
  while (end > 0 && (line.charCodeAt(end - 1) === 32 || line.charCodeAt(end - 1) === 9)) end -= 1
  return line.slice(0, end)
}
