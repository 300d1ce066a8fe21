import { fail } from '@stox/kernel'

/** Why a piece of a message does not follow the grammar: a URI, an address, a Via, any header value. */
export interface SipGrammarFailure {
  readonly kind: 'sip-grammar'
  readonly detail: string
}

export const grammarFailure = (detail: string): { readonly ok: false; readonly failure: SipGrammarFailure } =>
  fail({ kind: 'sip-grammar', detail })

/** Character classes of RFC 3261 §25.1, one bit each. */
export const TOKEN = 1
export const USER = 2
export const PASSWORD = 4
export const URI_PARAM = 8
export const URI_HEADER = 16
export const HOST = 32
export const DIGIT = 64
export const PARAM_VALUE = 128
export const IPV6 = 256

const ALPHANUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const MARK = "-_.!~*'()"
const CLASSES = new Uint16Array(256)
const addClass = (bit: number, characters: string): void => {
  for (const character of characters) CLASSES[character.charCodeAt(0)]! |= bit
}
addClass(TOKEN, `${ALPHANUM}-.!%*_+\`'~`)
addClass(USER, `${ALPHANUM}${MARK}&=+$,;?/`)
addClass(PASSWORD, `${ALPHANUM}${MARK}&=+$,`)
// COMPAT: '=' is not in `paramchar`; proxies put base64 into the parameters of their Record-Route.
addClass(URI_PARAM, `${ALPHANUM}${MARK}[]/:&+$=`)
addClass(URI_HEADER, `${ALPHANUM}${MARK}[]/?:+$&=`)
// COMPAT: '_' is not in `hostname`; container networks have such names.
addClass(HOST, `${ALPHANUM}-_.`)
addClass(DIGIT, '0123456789')
addClass(IPV6, '0123456789abcdefABCDEF:.')
// `gen-value` is a token, a host or a quoted string. COMPAT: base64 tags, and an address or a resource after `gr=`.
addClass(PARAM_VALUE, `${ALPHANUM}-.!%*_+\`'~[]:/=@&$?#|`)

export const hasClass = (code: number, bit: number): boolean => (CLASSES[code]! & bit) !== 0

/** The end of the run of characters of a class that starts at `at`. */
export function runEnd(text: string, at: number, bit: number, stop = text.length): number {
  let end = at
  while (end < stop && (CLASSES[text.charCodeAt(end)]! & bit) !== 0) end += 1
  return end
}

export const isAll = (text: string, bit: number): boolean => text !== '' && runEnd(text, 0, bit) === text.length

/** @see RFC 3261 §25.1 token */
export const isToken = (text: string): boolean => isAll(text, TOKEN)

export const isSpace = (code: number): boolean => code === 32 || code === 9

export function skipSpace(text: string, at: number, stop = text.length): number {
  let end = at
  while (end < stop && isSpace(text.charCodeAt(end))) end += 1
  return end
}

const isHexDigit = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102)

/** Like `runEnd`, with escapes of two hex digits in the run. @see RFC 3261 §25.1 escaped */
export function escapedRunEnd(text: string, at: number, bit: number, stop = text.length): number {
  let end = at
  while (end < stop) {
    const code = text.charCodeAt(end)
    if ((CLASSES[code]! & bit) !== 0) end += 1
    else if (
      code === 37 &&
      end + 2 < stop &&
      isHexDigit(text.charCodeAt(end + 1)) &&
      isHexDigit(text.charCodeAt(end + 2))
    ) {
      end += 3
    } else break
  }
  return end
}

/** Whether the text, which may be empty, is all of a class or escapes. */
export const isAllOrEscaped = (text: string, bit: number): boolean => escapedRunEnd(text, 0, bit) === text.length

/**
 * The index behind the quoted string that opens at `at`, or -1 when it does not close or holds a control character that
 * is not escaped. @see RFC 3261 §25.1 quoted-string
 */
export function quotedEnd(text: string, at: number, stop = text.length): number {
  for (let index = at + 1; index < stop; index += 1) {
    const code = text.charCodeAt(index)
    if (code === 34) return index + 1
    if (code === 92) index += 1
    else if ((code < 32 && code !== 9) || code === 127) return -1
  }
  return -1
}

/** A quoted string without its quotes and escapes; anything else as it is. */
export function unquote(value: string): string {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value
  const inner = value.slice(1, -1)
  return inner.includes('\\') ? inner.replace(/\\([^])/g, '$1') : inner
}

/** Free text made fit for one header value: line breaks and other controls become spaces, runs of spaces one. */
export const headerText = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replace(/[\u0000-\u0020\u007f\u0085\u2028\u2029]+/g, ' ').trim()

/** Text as a quoted string; what a quoted string cannot hold (CR, LF, other controls) becomes a space. */
export const quote = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  `"${text.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/["\\]/g, '\\$&')}"`

/** @see RFC 3261 §25.1 callid */
export const isCallId = (text: string): boolean =>
  /^[\w\-.!%*+`'~()<>:\\"/[\]?{}]+(@[\w\-.!%*+`'~()<>:\\"/[\]?{}]+)?$/.test(text)

/** A part of a text in lower case. */
export function lowerSlice(text: string, start: number, end: number): string {
  const slice = text.slice(start, end)
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at)
    if (code >= 65 && code <= 90) return slice.toLowerCase()
  }
  return slice
}

/** Digits as a number not above `most`; undefined for anything else. Leading zeros are legal. */
export function parseDigits(text: string, most: number): number | undefined {
  if (!isAll(text, DIGIT)) return undefined
  const number = Number(text)
  return number <= most ? number : undefined
}

/**
 * Where the entry of a comma list that starts at `at` ends: the index of its comma, or the length.
 * Commas within quotes and angle brackets do not count.
 */
export function listEntryEnd(text: string, at: number): number {
  let bracketed = false
  for (let index = at; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case 34: {
        if (bracketed) break
        const end = quotedEnd(text, index)
        if (end === -1) return text.length
        index = end - 1
        break
      }
      case 60:
        bracketed = true
        break
      case 62:
        bracketed = false
        break
      case 44:
        if (!bracketed) return index
        break
      default:
    }
  }
  return text.length
}

/** The entries of a comma list, trimmed, empty ones left out. */
export function listEntries(text: string): string[] {
  const entries: string[] = []
  for (let at = 0; at < text.length;) {
    const end = listEntryEnd(text, at)
    const entry = text.slice(at, end).trim()
    if (entry !== '') entries.push(entry)
    at = end + 1
  }
  return entries
}
