import type { Element } from 'ltx'
import { isQName } from './characters.ts'

/** A tree deeper than this is a mistake of ours (a cycle, say). */
const MAX_DEPTH = 10_000

const UNSAFE_TEXT = /[&<>\0-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]/
const UNSAFE_VALUE = /[&<>'\0-\x1f\ud800-\udfff\ufffe\uffff]/
const UNSAFE_CHARACTER = /[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/
const ESCAPABLE_IN_TEXT = /[&<>\r]|[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu
const ESCAPABLE_IN_VALUE = /[&<>'\t\n\r]|[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu
const NO_CHARACTER = /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ["'", '&apos;'],
  ['\t', '&#9;'],
  ['\n', '&#10;'],
  ['\r', '&#13;'],
])
const REPLACEMENT = '\ufffd'
const escape = (character: string): string => ESCAPES.get(character) ?? REPLACEMENT

/** Only characters of XML 1.0, others become U+FFFD; line ends become LF. For text that enters from elsewhere. @see XML §2.2, §2.11 */
export function sanitizeText(text: string): string {
  const safe = UNSAFE_CHARACTER.test(text) ? text.replace(NO_CHARACTER, REPLACEMENT) : text
  return safe.includes('\r') ? safe.replace(/\r\n?/g, '\n') : safe
}

/** For element content. What XML cannot carry becomes U+FFFD: one bad character would end a stream that many share. */
export const escapeText = (text: string): string =>
  UNSAFE_TEXT.test(text) ? text.replace(ESCAPABLE_IN_TEXT, escape) : text

/** For a value in single quotes. White space is kept by references. @see XML §3.3.3 */
export const escapeAttribute = (text: string): string =>
  UNSAFE_VALUE.test(text) ? text.replace(ESCAPABLE_IN_VALUE, escape) : text

/** Throws a RangeError for a bad name or a tree without end: only we can cause that. */
export function serializeXml(element: Element): string {
  if (element.children.length === 0) return `${openTag(element)}/>`
  let text = `${openTag(element)}>`
  const path: Element[] = [element]
  const next: number[] = [0]
  for (;;) {
    const depth = path.length - 1
    const parent = path[depth]!
    const at = next[depth]!
    const child = parent.children[at] as Element | string | number | null | undefined
    if (at >= parent.children.length) {
      text += `</${parent.name}>`
      path.pop()
      next.pop()
      if (depth === 0) return text
      continue
    }
    next[depth] = at + 1
    if (typeof child === 'string') text += escapeText(child)
    else if (typeof child === 'number') text += String(child)
    else if (child === null || child === undefined) continue
    else if (child.children.length === 0) text += `${openTag(child)}/>`
    else {
      if (path.length >= MAX_DEPTH) throw new RangeError('an XML tree too deep to write')
      text += `${openTag(child)}>`
      path.push(child)
      next.push(0)
    }
  }
}

/** `<name …>`, for a stream's root. */
export const serializeStartTag = (element: Element): string => `${openTag(element)}>`

function openTag(element: Element): string {
  if (!isQName(element.name)) throw new RangeError(`not an XML name: ${JSON.stringify(element.name)}`)
  let tag = `<${element.name}`
  const attrs = element.attrs as Record<string, unknown>
  for (const name in attrs) {
    const value = attrs[name]
    if (value === undefined || value === null) continue
    if (!isQName(name)) throw new RangeError(`not an XML name: ${JSON.stringify(name)}`)
    tag += ` ${name}='${escapeAttribute(typeof value === 'string' ? value : String(value))}'`
  }
  return tag
}
