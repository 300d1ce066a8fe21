/** What XML 1.0 (fifth edition) and Namespaces in XML 1.0 let stand where. */

/** Not of the production Char, among what strict UTF-8 can give. @see XML §2.2 */
export const ILLEGAL = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/

export const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9

export const isChar = (code: number): boolean =>
  code >= 0x20
    ? code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff)
    : code === 9 || code === 10 || code === 13

const OTHER = 0
const START = 1
const LATER = 2
const COLON = 3
const WIDE = 4

const CLASS = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code)
  if (/[A-Za-z_]/.test(char)) return START
  if (/[-.0-9]/.test(char)) return LATER
  return char === ':' ? COLON : OTHER
})

const NAME_START =
  'A-Z_a-z\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c\\u200d\\u2070-\\u218f' +
  '\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
const NC_NAME = `[${NAME_START}][${NAME_START}\\-.0-9\\xb7\\u0300-\\u036f\\u203f\\u2040]*`
const Q_NAME = new RegExp(`^${NC_NAME}(?::${NC_NAME})?$`, 'u')

/** Where the name that begins at `start` ends; -1 when no qualified name stands there. @see XML Names §4 */
export function endOfName(text: string, start: number, stop: number): number {
  let fresh = true
  let colon = false
  let wide = false
  let at = start
  for (; at < stop; at += 1) {
    const code = text.charCodeAt(at)
    const kind = code < 128 ? CLASS[code] : WIDE
    if (kind === OTHER) break
    if (kind === COLON) {
      if (fresh || colon) return -1
      colon = true
      fresh = true
      continue
    }
    if (kind === WIDE) wide = true
    if (fresh && kind === LATER) return -1
    fresh = false
  }
  if (fresh || (wide && !Q_NAME.test(text.slice(start, at)))) return -1
  return at
}

export const isQName = (name: string): boolean => name.length > 0 && endOfName(name, 0, name.length) === name.length
