/**
 * Bytes and text. The one place where floors 0–2 meet the host's text codecs (no I/O in them): the platform's
 * `Buffer` decodes and measures three to five times faster than `TextDecoder` (`docs/adr`).
 */
interface HostBytes extends Uint8Array {
  latin1Slice(start: number, end: number): string
  utf8Slice(start: number, end: number): string
  utf8Write(text: string, at: number): number
  latin1Write(text: string, at: number): number
}
/** Of ES2024. */
interface HostText {
  isWellFormed(): boolean
}
interface Host {
  readonly Buffer: {
    from(buffer: ArrayBufferLike, byteOffset: number, length: number): HostBytes
    from(text: string, encoding: 'latin1' | 'utf8' | 'base64'): Uint8Array
    allocUnsafe(length: number): HostBytes
    allocUnsafeSlow(length: number): HostBytes
    byteLength(text: string): number
    concat(parts: readonly Uint8Array[]): Uint8Array
  }
  readonly TextDecoder: new (
    label: string,
    options: { fatal: boolean; ignoreBOM: boolean },
  ) => { decode(bytes: Uint8Array): string }
}
const host = globalThis as unknown as Host
const strict = new host.TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** What comes from a socket is a Buffer already. */
const view = (bytes: Uint8Array): HostBytes =>
  'latin1Slice' in bytes ? (bytes as HostBytes) : host.Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** One character a byte, so that offsets in the text are offsets in the bytes. */
export const latin1Text = (bytes: Uint8Array, start = 0, end = bytes.length): string =>
  view(bytes).latin1Slice(start, end)

/** Strict UTF-8; undefined when the bytes are not (overlong, surrogate, truncated). A BOM is kept as U+FEFF. */
export function utf8Text(bytes: Uint8Array, start = 0, end = bytes.length): string | undefined {
  const text = view(bytes).utf8Slice(start, end)
  // What is not UTF-8 has become U+FFFD. A text without that character is what stood there.
  if (!text.includes('\ufffd')) return text
  try {
    return strict.decode(bytes.subarray(start, end))
  } catch {
    return undefined
  }
}

/** UTF-8 with U+FFFD for what is not: for logs and display only. */
export const lossyUtf8Text = (bytes: Uint8Array): string => view(bytes).utf8Slice(0, bytes.length)

/** Room for bytes to be written, with whatever stands in it. */
export const roomFor = (length: number): Uint8Array => host.Buffer.allocUnsafeSlow(length)

/** Writes the text as UTF-8; how many bytes that took. There must be room for three bytes a character. */
export const writeUtf8 = (text: string, into: Uint8Array, at: number): number => view(into).utf8Write(text, at)

/** Without a lone surrogate, so that it can be written as UTF-8. */
export const isWellFormed = (text: string): boolean => (text as unknown as HostText).isWellFormed()

export const utf8Bytes = (text: string): Uint8Array => host.Buffer.from(text, 'utf8')
export const latin1Bytes = (text: string): Uint8Array => host.Buffer.from(text, 'latin1')

/** The text with one byte a character, and what follows it. */
export function latin1BytesThen(text: string, rest: Uint8Array): Uint8Array {
  const bytes = host.Buffer.allocUnsafe(text.length + rest.length)
  bytes.latin1Write(text, 0)
  bytes.set(rest, text.length)
  return bytes
}
export const utf8Length = (text: string): number => host.Buffer.byteLength(text)
export const concatBytes = (parts: readonly Uint8Array[]): Uint8Array => host.Buffer.concat(parts)

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/** Undefined when it is not base64, padded to whole groups; white space is not allowed. @see RFC 4648 §4 */
export const bytesOfBase64 = (text: string): Uint8Array | undefined =>
  text.length % 4 === 0 && BASE64.test(text) ? host.Buffer.from(text, 'base64') : undefined
