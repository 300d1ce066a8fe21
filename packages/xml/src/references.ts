import { isChar } from './characters.ts'
import type { XmlFailure } from './failure.ts'

const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])
const CHARACTER = /^#(?:x([0-9a-fA-F]+)|([0-9]+))$/
const ENTITY = /^[\p{L}_:][\p{L}\p{N}\p{M}_:.\-\xb7]*$/u

/** Text with its references replaced; no entity but the five is known. @see XML §4.1, §4.6, RFC 6120 §11.1 */
export function expandReferences(text: string): string | XmlFailure {
  let expanded = ''
  let from = 0
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', from)) {
    const end = text.indexOf(';', at)
    if (end < 0) return { condition: 'not-well-formed', detail: 'an ampersand that begins no reference' }
    const name = text.slice(at + 1, end)
    const replacement = PREDEFINED.get(name) ?? characterOf(name)
    if (typeof replacement !== 'string') return replacement
    expanded += text.slice(from, at) + replacement
    from = end + 1
  }
  return expanded + text.slice(from)
}

function characterOf(name: string): string | XmlFailure {
  const digits = CHARACTER.exec(name)
  if (digits === null) {
    return ENTITY.test(name)
      ? { condition: 'restricted-xml', detail: 'an entity that is not predefined' }
      : { condition: 'not-well-formed', detail: 'an ampersand that begins no reference' }
  }
  const code = digits[1] === undefined ? Number.parseInt(digits[2]!, 10) : Number.parseInt(digits[1], 16)
  if (!isChar(code)) return { condition: 'not-well-formed', detail: 'a reference to an illegal character' }
  return String.fromCodePoint(code)
}
