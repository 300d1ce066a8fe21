import { fail, latin1Text, ok, utf8Text, type Result } from '@stox/kernel'

export type CharsetFailure =
  /** Answer 415: we have no table for it. */
  | { readonly kind: 'unknown-charset'; readonly charset: string }
  /** Answer 400: the bytes are not what the label says. */
  | { readonly kind: 'not-in-charset'; readonly charset: string }

/** Bytes 0x80 to 0x9f of windows-1252; five of them mean nothing. */
const WINDOWS_1252 =
  '\u20ac\ufffd\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\ufffd\u017d\ufffd' +
  '\ufffd\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\ufffd\u017e\u0178'

const wide = (bytes: Uint8Array): string =>
  latin1Text(bytes).replace(/[\x80-\x9f]/g, (character) => WINDOWS_1252[character.charCodeAt(0) - 0x80]!)

/** UTF-8 without the byte order mark that some put before it. @see RFC 3629 §6 */
function utf8(bytes: Uint8Array): string | undefined {
  const text = utf8Text(bytes)
  return text?.startsWith('\ufeff') === true ? text.slice(1) : text
}

const ascii = (bytes: Uint8Array): string | undefined =>
  bytes.every((byte) => byte < 0x80) ? latin1Text(bytes) : undefined

/** By the names of the registry and the aliases in use. */
const DECODERS: ReadonlyMap<string, (bytes: Uint8Array) => string | undefined> = new Map([
  ['utf-8', utf8],
  ['utf8', utf8],
  ['us-ascii', ascii],
  ['ascii', ascii],
  ['ansi_x3.4-1968', ascii],
  ['iso-8859-1', latin1Text],
  ['iso_8859-1', latin1Text],
  ['iso8859-1', latin1Text],
  ['latin1', latin1Text],
  ['windows-1252', wide],
  ['cp1252', wide],
])

/** The text of a body; without a charset it is UTF-8. @see RFC 3261 §7.4.1 */
export function decodeText(bytes: Uint8Array, charset = 'utf-8'): Result<string, CharsetFailure> {
  const decode = DECODERS.get(charset.toLowerCase())
  if (decode === undefined) return fail({ kind: 'unknown-charset', charset })
  const text = decode(bytes)
  return text === undefined ? fail({ kind: 'not-in-charset', charset }) : ok(text)
}
