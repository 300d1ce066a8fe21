/**
 * A door of its own (`@stox/xmpp/xhtml-im`): who does not translate HTML, the edge above all, does not load the parser.
 */
import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { attrOf, childOf, el, escapeAttribute, escapeText, localNameOf, namespaceOf, sanitizeText } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { Parser } from 'htmlparser2'
import { NS_XHTML, NS_XHTML_IM } from '../namespaces.ts'

/** What may be written: the elements of the recommended profile, without `img`, and their attributes. @see XEP-0071 §7 */
const KEPT: ReadonlyMap<string, readonly string[]> = new Map([
  ['a', ['href', 'style']],
  ['blockquote', ['cite', 'style']],
  ['br', []],
  ['cite', ['style']],
  ['em', []],
  ['li', ['style']],
  ['ol', ['style']],
  ['p', ['style']],
  ['span', ['style']],
  ['strong', []],
  ['ul', ['style']],
])

const words = (text: string): string[] => text.split(/\s+/)
const UNDERLINE = 'text-decoration: underline'
const LINE_THROUGH = 'text-decoration: line-through'

/** Old and new words for the same: what they become, and with which style. */
const ALIASES: ReadonlyMap<string, readonly [name: string, style?: string]> = new Map<string, [string, string?]>([
  ['b', ['strong']],
  ['i', ['em']],
  ['u', ['span', UNDERLINE]],
  ['ins', ['span', UNDERLINE]],
  ['s', ['span', LINE_THROUGH]],
  ['strike', ['span', LINE_THROUGH]],
  ['del', ['span', LINE_THROUGH]],
  ['hr', ['br']],
  ...words('address article aside dd div dt fieldset figure footer header main nav pre section tr').map(
    (name): [string, [string]] => [name, ['p']],
  ),
  ...words('h1 h2 h3 h4 h5 h6').map((name): [string, [string, string]] => [name, ['p', 'font-weight: bold']]),
])

/** Left out with all they hold. Anything else unknown is left out alone: what it holds stays. */
const DROPPED: ReadonlySet<string> = new Set(
  words(`applet audio button canvas embed form frame frameset head iframe img input link math meta noembed noframes noscript
  object script select style svg template textarea title video xmp`),
)

/** Elements that stand on lines of their own. */
const BLOCKS: ReadonlySet<string> = new Set(
  words(`address article aside blockquote dd div dl dt fieldset figure footer h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre
  section table tr ul`),
)

/** @see XEP-0071 §7.9 */
const STYLES: ReadonlySet<string> = new Set(
  words(`background-color color font-family font-size font-style font-weight margin-left margin-right text-align
  text-decoration`),
)

/** Words, lengths, colours, quoted names; of functions only those that make a colour. No `url()`, no escapes. */
const STYLE_VALUE = /^(?:[\w\s#%.,'"-]|(?<=\b(?:rgb|rgba|hsl|hsla))\([\d\s.,%]*\))+$/
const MAX_VALUE_LENGTH = 256

const URL = /^(?:https?|mailto|xmpp|sip|tel):[^\s<>"\\]+$/i
const MAX_URL_LENGTH = 2048

const MAX_HTML_LENGTH = 65_536
const MAX_DEPTH = 48
const MAX_ELEMENTS = 2000
const CHUNK_LENGTH = 4096

export interface Formatted {
  /** `<html xmlns='http://jabber.org/protocol/xhtml-im'/>`, for a message. */
  readonly xhtml: XmlElement
  /** The same in words alone, for its body. */
  readonly text: string
}

export interface HtmlFailure {
  readonly kind: 'html'
  readonly detail: string
}

/**
 * HTML as XHTML-IM and as plain text. Nothing of the HTML passes but what is on the lists here: elements are made anew,
 * so there is no way for markup to come through as text or text as markup. @see RFC 7572 §7, XEP-0071 §8
 */
export function htmlToXhtmlIm(html: string): Result<Formatted, HtmlFailure> {
  if (html.length > MAX_HTML_LENGTH) return fail({ kind: 'html', detail: `longer than ${MAX_HTML_LENGTH} characters` })
  const body = el('body', { xmlns: NS_XHTML })
  const text = newTextWriter()
  /** What is open, the innermost last: what is made of it, if anything, and where its content goes. */
  const open: { name: string; element: XmlElement | undefined; into: XmlElement; dropped: boolean }[] = []
  /** Text that came in pieces. */
  let pending = ''
  let elements = 0
  let failure: HtmlFailure | undefined
  const takeText = (): void => {
    const into = open.at(-1)?.into ?? body
    const isDropped = open.at(-1)?.dropped === true
    const clean = isDropped ? '' : sanitizeText(pending)
    pending = ''
    const lines = open.some(({ name }) => name === 'pre') ? clean.split('\n') : [clean]
    lines.forEach((line, index) => {
      if (index > 0) {
        append(into, el('br'))
        text.lineBreak()
      }
      const spaced = line.replace(WHITE_SPACE, ' ')
      append(into, spaced)
      text.write(spaced)
    })
  }
  const parser = new Parser({
    onopentag(name, attributes) {
      takeText()
      elements += 1
      if (elements > MAX_ELEMENTS) failure ??= { kind: 'html', detail: `more than ${MAX_ELEMENTS} elements` }
      if (open.length >= MAX_DEPTH) failure ??= { kind: 'html', detail: `deeper than ${MAX_DEPTH} elements` }
      const outer = open.at(-1)
      const into = outer?.into ?? body
      const dropped = outer?.dropped === true || DROPPED.has(name)
      const element = dropped ? undefined : keptElement(name, (attribute) => attributes[attribute])
      if (!dropped) {
        text.open(name)
        // Cells of a table stand apart.
        if (name === 'td' || name === 'th') append(into, ' ')
        if (element !== undefined) append(into, element)
      }
      open.push({ name, element, into: element ?? into, dropped })
    },
    ontext(data) {
      pending += data
    },
    onclosetag() {
      takeText()
      const closed = open.pop()
      if (closed !== undefined && !closed.dropped) text.close(closed.name, closed.element)
    },
  })
  // In pieces, so that what is too much is not read to its end.
  for (let at = 0; at < html.length && failure === undefined; at += CHUNK_LENGTH) {
    parser.write(html.slice(at, at + CHUNK_LENGTH))
  }
  if (failure !== undefined) return fail(failure)
  parser.end()
  takeText()
  return ok({ xhtml: el('html', { xmlns: NS_XHTML_IM }, body), text: text.end() })
}

/** HTML's own white space; a no-break space is not among it. */
const WHITE_SPACE = /[\t\n\f\r ]+/g

/** A child at the end of its parent; text joins text. */
function append(parent: XmlElement, child: XmlElement | string): void {
  const last = parent.children.at(-1)
  if (typeof child !== 'string') {
    child.parent = parent
    parent.children.push(child)
  } else if (typeof last === 'string') parent.children[parent.children.length - 1] = last + child
  else if (child !== '') parent.children.push(child)
}

/** The element that may stand for this one; undefined when only its content may. */
function keptElement(name: string, attribute: (name: string) => string | undefined): XmlElement | undefined {
  const [kept = name, ownStyle] = ALIASES.get(name) ?? []
  const allowed = KEPT.get(kept)
  if (allowed === undefined) return undefined
  const attrs: Record<string, string | undefined> = {}
  for (const key of allowed) {
    const value = attribute(key)
    if (key === 'style') attrs[key] = safeStyle(ownStyle === undefined ? value : `${ownStyle}; ${value ?? ''}`)
    else attrs[key] = value === undefined ? undefined : safeUrl(value)
  }
  // Without a target it is no link.
  return kept === 'a' && attrs['href'] === undefined ? undefined : el(kept, attrs)
}

function safeUrl(value: string): string | undefined {
  const url = value.trim()
  return url.length <= MAX_URL_LENGTH && URL.test(url) && sanitizeText(url) === url ? url : undefined
}

/** The declarations that may stay, in their order; undefined when none does. */
function safeStyle(style: string | undefined): string | undefined {
  if (style === undefined || style.length > 4 * MAX_VALUE_LENGTH) return undefined
  const kept: string[] = []
  for (const declaration of style.split(';')) {
    const colon = declaration.indexOf(':')
    const property = declaration.slice(0, Math.max(colon, 0)).trim().toLowerCase()
    const value = declaration.slice(colon + 1).trim()
    if (STYLES.has(property) && value.length <= MAX_VALUE_LENGTH && STYLE_VALUE.test(value)) {
      kept.push(`${property}: ${value}`)
    }
  }
  return kept.length === 0 ? undefined : kept.join('; ')
}

/** Plain text from the same events: blocks on lines of their own, bullets and numbers, the target of a link after it. */
function newTextWriter() {
  let text = ''
  /** Whether a space is due before the next word. */
  let spaceDue = false
  /** How the text ends, so as not to look. */
  let ending: 'nothing' | 'line' | 'space' | 'word' = 'nothing'
  /** Where the links that are open began. */
  const links: number[] = []
  /** The number of the next item, 0 for bullets, of every list that is open. */
  const lists: number[] = []
  const lineBreak = (): void => {
    spaceDue = false
    ending = 'line'
    text += '\n'
  }
  const newLine = (): void => {
    spaceDue = false
    if (ending === 'word' || ending === 'space') lineBreak()
  }
  /** Words with single spaces between, before and after. */
  const write = (line: string): void => {
    line.split(' ').forEach((word, index) => {
      if (index > 0) spaceDue = true
      if (word === '') return
      text += spaceDue && ending === 'word' ? ` ${word}` : word
      spaceDue = false
      ending = 'word'
    })
  }
  return {
    write,
    lineBreak,
    open(name: string): void {
      if (BLOCKS.has(name)) newLine()
      if (name === 'ol') lists.push(1)
      else if (name === 'ul') lists.push(0)
      else if (name === 'a') links.push(text.length)
      else if (name === 'li') {
        const number = lists.at(-1) ?? 0
        if (number > 0) lists[lists.length - 1] = number + 1
        text += number > 0 ? `${number}. ` : '- '
        ending = 'space'
      } else if (name === 'td' || name === 'th') spaceDue = true
    },
    close(name: string, element: XmlElement | undefined): void {
      if (name === 'br') lineBreak()
      if (name === 'ol' || name === 'ul') lists.pop()
      if (name === 'a') {
        const start = links.pop()
        const href = element && attrOf(element, 'href')
        if (href !== undefined && !saysWhere(text.slice(start).trim(), href)) write(` <${href}>`)
      }
      if (BLOCKS.has(name)) newLine()
    },
    end: (): string => text.trim(),
  }
}

/** Whether the words of a link are its target. */
const saysWhere = (name: string, href: string): boolean =>
  name === href || name === href.replace(/^[a-z]+:(?:\/\/)?/i, '').replace(/\/$/, '')

/**
 * The XHTML-IM of a message as a small HTML document, by the same lists; undefined when it has none, or none with words
 * in it. Where there are several languages the first counts. @see XEP-0071 §6
 */
export function xhtmlImToHtml(message: XmlElement): string | undefined {
  const html = childOf(message, 'html', NS_XHTML_IM)
  const body = html === undefined ? undefined : childOf(html, 'body', NS_XHTML)
  const content = body === undefined ? '' : htmlOf(body)
  return content.trim() === '' ? undefined : `<!DOCTYPE html><html><body>${content}</body></html>`
}

/** The tree came through the limits of a stanza, so it is not deep. */
function htmlOf(parent: XmlElement): string {
  let html = ''
  for (const child of parent.children) {
    if (typeof child === 'string') {
      html += escapeText(child)
      continue
    }
    const name = localNameOf(child)
    if (namespaceOf(child) !== NS_XHTML || DROPPED.has(name)) continue
    const kept = keptElement(name, (attribute) => attrOf(child, attribute))
    if (kept === undefined) html += htmlOf(child)
    else if (kept.name === 'br') html += '<br>'
    else html += `${openTag(kept)}${htmlOf(child)}</${kept.name}>`
  }
  return html
}

function openTag(element: XmlElement): string {
  let tag = `<${element.name}`
  for (const [name, value] of Object.entries(element.attrs)) tag += ` ${name}='${escapeAttribute(String(value))}'`
  return `${tag}>`
}
