import { Element } from 'ltx'
import { latin1Bytes, latin1Text, utf8Text } from '@stox/kernel'
import { ILLEGAL, endOfName, isSpace } from './characters.ts'
import type { XmlCondition, XmlFailure } from './failure.ts'
import type { XmlLimits } from './limits.ts'
import { OUTERMOST, declareIn } from './namespaces.ts'
import type { Scope } from './namespaces.ts'
import { expandReferences } from './references.ts'

export type XmlEvent =
  /** The root's start tag: name and attributes (with `xmlns`), no children. */
  | { readonly kind: 'stream-start'; readonly element: Element }
  /** A complete first-level child, self-contained: every prefix it uses, and its default namespace, is declared on it. */
  | { readonly kind: 'element'; readonly element: Element; readonly bytes: number }
  | { readonly kind: 'stream-end' }
  /** The last event ever. */
  | { readonly kind: 'failure'; readonly failure: XmlFailure }

type Token = 'undecided' | 'text' | 'tag' | 'cdata' | 'declaration' | 'comment' | 'instruction'

const NONE: readonly XmlEvent[] = []
const LT = 60
const GT = 62
const SLASH = 47
const BANG = 33
const QUESTION = 63
const EQUALS = 61
const DOUBLE_QUOTE = 34
const SINGLE_QUOTE = 39

const CDATA_START = '<![CDATA['
const COMMENT_START = '<!--'
const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:'1\.0'|"1\.0")(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:'([A-Za-z][\w.-]*)'|"([A-Za-z][\w.-]*)"))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:'(?:yes|no)'|"(?:yes|no)"))?[ \t\r\n]*\?>$/

/** What may ask for more than taking the bytes as they are: UTF-8, references, line ends, controls, `]]>`. */
const SPECIAL = /[\0-\x1f&\]\x80-\xff]/g
const WIDE = /[\x80-\xff]/

/**
 * Strict and incremental: bytes in, trees out, no options. A chunk is looked at as latin1, one character a byte, cut
 * into whole tokens, and only then decoded; so each check falls on the same byte however the bytes were cut, and a
 * token that comes in pieces is not scanned anew. The first error ends it. @see RFC 6120 §11, docs/adr/0002
 */
export class XmlStreamReader {
  readonly #isDocument: boolean
  #limits: XmlLimits
  #state: 'prolog' | 'inside' | 'ended' = 'prolog'
  #events: XmlEvent[] = []

  /** Nothing read yet: the only place for an XML declaration. */
  #fresh = true
  /** Bytes taken of the header, or of the first-level element under way. */
  #used = 0
  /** The token under way, as far as it came. */
  #pending = ''
  #token: Token = 'undecided'
  /** The quote that the pending tag stands in, or 0. */
  #quote = 0

  #rootName = ''
  #rootNamespace: string | undefined
  #rootScope: Scope = OUTERMOST
  /** The innermost open element below the root, the first-level one around it, and what each depth has in scope. */
  #open: Element | null = null
  #first: Element | null = null
  #depth = 0
  #scopes: Scope[] = [OUTERMOST]
  #elements = 0

  /** A `document` is one element with comments and instructions around and in it, instead of a stream's root. */
  constructor(limits: XmlLimits, grammar: 'stream' | 'document' = 'stream') {
    this.#limits = limits
    this.#isDocument = grammar === 'document'
  }

  setLimits(limits: XmlLimits): void {
    this.#limits = limits
  }

  /** Bytes of an unfinished element or token. Not zero behind `<proceed/>` means injected plain text. */
  get pendingBytes(): number {
    return this.#state === 'ended' ? 0 : this.#used + this.#pending.length
  }

  /** Events in order, whatever the chunks. After a failure or the stream's end nothing more comes. */
  push(bytes: Uint8Array): readonly XmlEvent[] {
    if (this.#state === 'ended' || bytes.length === 0) return NONE
    this.#read(latin1Text(bytes))
    if (this.#events.length === 0) return NONE
    const events = this.#events
    this.#events = []
    return events
  }

  #read(chunk: string): void {
    let text = chunk
    let at = 0
    if (this.#pending !== '' && this.#token === 'undecided') {
      text = this.#pending + chunk
      this.#pending = ''
    } else if (this.#pending !== '') {
      at = this.#endInNext(chunk)
      if (at < 0) return this.#hold(chunk)
      const token = this.#pending + chunk.slice(0, at)
      this.#pending = ''
      this.#take(token, 0, token.length, nextSpecial(token, 0) < token.length)
    }
    let special = nextSpecial(text, at)
    for (;;) {
      if (this.#depth === 0 && this.#state !== 'ended') at = this.#skipSpace(text, at)
      if (this.#state === 'ended' || at >= text.length) return
      const end = this.#endOfToken(text, at)
      if (end < 0) return this.#hold(text.slice(at))
      if (special < at) special = nextSpecial(text, at)
      this.#take(text, at, end, special < end)
      at = end
    }
  }

  /** Only white space may stand between first-level elements. */
  #skipSpace(text: string, from: number): number {
    let at = from
    while (at < text.length && isSpace(text.charCodeAt(at))) at += 1
    if (at > from) {
      this.#fresh = false
      if (this.#state === 'prolog') this.#used += at - from
    }
    if (at < text.length && text.charCodeAt(at) !== LT) this.#refuseOuterText(text.charCodeAt(at))
    else if (this.#used > this.#limit) this.#refuseSize()
    return at
  }

  #refuseOuterText(code: number): void {
    const otherEncoding = this.#fresh && (code === 0 || code === 0xfe || code === 0xff)
    if (otherEncoding) this.#refuse(1, 'unsupported-encoding', 'not UTF-8')
    else if (this.#isDocument || this.#state === 'prolog') this.#refuse(1, 'not-well-formed', 'text outside the root')
    else this.#refuse(1, 'invalid-xml', 'text between first-level elements')
  }

  /** Behind the last byte of the token that begins at `at`; -1 when it is not all there. Sets `#token`. */
  #endOfToken(text: string, at: number): number {
    if (text.charCodeAt(at) !== LT) {
      this.#token = 'text'
      return text.indexOf('<', at)
    }
    if (at + 1 >= text.length) {
      this.#token = 'undecided'
      return -1
    }
    const next = text.charCodeAt(at + 1)
    if (next === BANG || next === QUESTION) return this.#endOfSpecial(text, at, next)
    if (this.#isDocument && this.#state === 'inside' && this.#depth === 0) {
      this.#refuse(2, 'not-well-formed', 'a second root')
      return -1
    }
    this.#token = 'tag'
    this.#quote = 0
    return this.#endOfTag(text, at + 1)
  }

  #endOfTag(text: string, from: number): number {
    let quote = this.#quote
    let at = from
    while (at < text.length) {
      if (quote !== 0) {
        at = text.indexOf(quote === DOUBLE_QUOTE ? '"' : "'", at) + 1
        if (at === 0) break
        quote = 0
        continue
      }
      const code = text.charCodeAt(at)
      at += 1
      if (code === GT) return at
      if (code === DOUBLE_QUOTE || code === SINGLE_QUOTE) quote = code
    }
    this.#quote = quote
    return -1
  }

  /** What begins with `<!` or `<?`: nearly all of it is forbidden. @see RFC 6120 §11.1 */
  #endOfSpecial(text: string, at: number, next: number): number {
    if (next === QUESTION) {
      if (this.#fresh) return this.#endOf('declaration', text, at + 2)
      if (this.#isDocument) return this.#endOf('instruction', text, at + 2)
      this.#refuse(2, 'restricted-xml', 'a processing instruction')
      return -1
    }
    const head = text.slice(at, at + CDATA_START.length)
    const mayBe = (opening: string): boolean =>
      (opening === CDATA_START ? this.#depth > 0 : this.#isDocument) && opening.startsWith(head.slice(0, seen))
    let seen = 2
    while (seen <= head.length && (mayBe(CDATA_START) || mayBe(COMMENT_START))) {
      if (seen === CDATA_START.length) return this.#endOf('cdata', text, at + seen)
      if (seen === COMMENT_START.length && mayBe(COMMENT_START)) return this.#endOf('comment', text, at + seen)
      seen += 1
    }
    if (seen > head.length) this.#token = 'undecided'
    else this.#refuse(seen, 'restricted-xml', 'a comment, a DTD or the like')
    return -1
  }

  #endOf(token: Exclude<Token, 'undecided' | 'text' | 'tag'>, text: string, from: number): number {
    this.#token = token
    const terminator = this.#terminator
    const found = text.indexOf(terminator, from)
    return found < 0 ? -1 : found + terminator.length
  }

  /** Where in a new chunk the pending token ends. */
  #endInNext(chunk: string): number {
    switch (this.#token) {
      case 'text':
        return chunk.indexOf('<')
      case 'tag':
        return this.#endOfTag(chunk, 0)
      default:
        return this.#endAcross(chunk, this.#terminator)
    }
  }

  /** The terminator may have begun in what is pending, but not in the token's own opening. */
  #endAcross(chunk: string, terminator: string): number {
    const opening = this.#token === 'cdata' ? CDATA_START.length : this.#token === 'comment' ? COMMENT_START.length : 2
    const tail = this.#pending.slice(Math.max(opening, this.#pending.length - terminator.length + 1))
    const found = (tail + chunk).indexOf(terminator)
    return found < 0 ? -1 : found + terminator.length - tail.length
  }

  get #terminator(): string {
    if (this.#token === 'cdata') return ']]>'
    if (this.#token === 'comment') return '-->'
    return this.#isDocument ? '?>' : '>' // a stream has no instruction that could hold a `>`
  }

  #hold(piece: string): void {
    if (this.#state === 'ended') return
    this.#pending += piece
    if (this.#used + this.#pending.length > this.#limit) this.#refuseSize()
  }

  get #limit(): number {
    return this.#state === 'prolog' ? this.#limits.maxHeaderBytes : this.#limits.maxStanzaBytes
  }

  /** A whole token, `text` from `start` to `end`; not `special` means it can be taken as it stands. */
  #take(text: string, start: number, end: number, special: boolean): void {
    this.#used += end - start
    if (this.#used > this.#limit) return this.#refuseSize()
    this.#fresh = false
    switch (this.#token) {
      case 'tag':
        if (!special) return this.#takeTag(text, start, end, false)
        return this.#takeCleanTag(text.slice(start, end))
      case 'text':
        return this.#takeText(text.slice(start, end), special)
      case 'cdata':
        return this.#takeCdata(text.slice(start + CDATA_START.length, end - 3))
      case 'declaration':
        return this.#takeDeclaration(text.slice(start, end))
      default:
        return this.#skipAside(text.slice(start, end))
    }
  }

  /** From bytes to characters: strict UTF-8, and no character that XML forbids. Undefined when refused. */
  #decode(raw: string): string | undefined {
    const text = WIDE.test(raw) ? utf8Text(latin1Bytes(raw)) : raw
    if (text === undefined) this.#refuse(0, 'not-well-formed', 'invalid UTF-8')
    else if (ILLEGAL.test(text)) this.#refuse(0, 'not-well-formed', 'an illegal character')
    else return text
    return undefined
  }

  #takeText(raw: string, special: boolean): void {
    if (!special) return this.#addText(raw)
    if (raw.includes(']]>')) return this.#refuse(0, 'not-well-formed', 'the end of a CDATA section in text')
    const decoded = this.#decode(raw)
    if (decoded === undefined) return
    const expanded = expandReferences(normaliseLineEnds(decoded))
    if (typeof expanded === 'string') this.#addText(expanded)
    else this.#refuse(0, expanded.condition, expanded.detail)
  }

  #takeCdata(raw: string): void {
    const decoded = this.#decode(raw)
    if (decoded !== undefined && decoded !== '') this.#addText(normaliseLineEnds(decoded))
  }

  #addText(text: string): void {
    const children = this.#open!.children
    const last = children.at(-1)
    if (typeof last === 'string') children[children.length - 1] = last + text
    else children.push(text)
  }

  #takeDeclaration(raw: string): void {
    const match = DECLARATION.exec(raw)
    const encoding = match?.[1] ?? match?.[2] ?? 'UTF-8'
    if (match === null) {
      const isDeclaration = /^<\?xml[ \t\r\n]/.test(raw)
      if (this.#isDocument && !isDeclaration) return this.#skipAside(raw)
      if (isDeclaration) this.#refuse(0, 'not-well-formed', 'a malformed XML declaration')
      else this.#refuse(0, 'restricted-xml', 'a processing instruction')
    } else if (encoding.toUpperCase() !== 'UTF-8') this.#refuse(0, 'unsupported-encoding', 'a declared encoding')
  }

  /** Comments and instructions of a document. */
  #skipAside(raw: string): void {
    if (this.#state === 'inside' && this.#depth === 0) this.#used = 0
    const inner = this.#token === 'comment' ? raw.slice(4, -3) : raw.slice(2, -2)
    if (this.#decode(inner) === undefined) return
    if (this.#token === 'comment') {
      if (inner.includes('--') || inner.endsWith('-')) this.#refuse(0, 'not-well-formed', 'two hyphens in a comment')
      return
    }
    const nameEnd = endOfName(inner, 0, inner.length)
    if (nameEnd < 0 || (nameEnd < inner.length && !isSpace(inner.charCodeAt(nameEnd)))) {
      this.#refuse(0, 'not-well-formed', 'an instruction without a name')
    } else if (inner.slice(0, nameEnd).toLowerCase() === 'xml') {
      this.#refuse(0, 'not-well-formed', 'an XML declaration that is not at the start')
    }
  }

  #takeCleanTag(raw: string): void {
    const decoded = this.#decode(raw)
    if (decoded !== undefined) this.#takeTag(decoded, 0, decoded.length, true)
  }

  #takeTag(text: string, start: number, end: number, special: boolean): void {
    const nextLt = text.indexOf('<', start + 1)
    if (nextLt >= 0 && nextLt < end) return this.#refuse(0, 'not-well-formed', 'a less-than sign in a tag')
    if (text.charCodeAt(start + 1) === SLASH) return this.#takeEndTag(text, start + 2, end - 1)
    const empty = text.charCodeAt(end - 2) === SLASH
    const element = this.#parseStartTag(text, start + 1, empty ? end - 2 : end - 1, special)
    if (element === undefined) return
    if (this.#state === 'prolog') return this.#openRoot(element, empty)
    if (empty) this.#closeElement()
  }

  #openRoot(element: Element, empty: boolean): void {
    this.#state = 'inside'
    this.#used = 0
    if (this.#isDocument) return empty ? this.#closeElement() : undefined
    this.#rootName = element.name
    this.#rootNamespace = element.attrs.xmlns as string | undefined
    this.#rootScope = this.#scopes[1]!
    this.#open = null
    this.#first = null
    this.#depth = 0
    this.#elements = 0
    this.#events.push({ kind: 'stream-start', element })
    if (empty) this.#endStream()
  }

  #takeEndTag(text: string, start: number, stop: number): void {
    const name = this.#open?.name ?? this.#rootName
    let at = start + name.length
    if (name === '' || !text.startsWith(name, start)) return this.#refuse(0, 'not-well-formed', 'a wrong end tag')
    while (at < stop && isSpace(text.charCodeAt(at))) at += 1
    if (at !== stop) this.#refuse(0, 'not-well-formed', 'a wrong end tag')
    else if (this.#depth > 0) this.#closeElement()
    else this.#endStream()
  }

  #closeElement(): void {
    const element = this.#open!
    this.#depth -= 1
    this.#open = element.parent
    if (this.#depth > 0) return
    this.#first = null
    if (this.#rootNamespace !== undefined && element.attrs.xmlns === undefined)
      element.attrs.xmlns = this.#rootNamespace
    this.#events.push({ kind: 'element', element, bytes: this.#used })
    this.#used = 0
    this.#elements = 0
  }

  #endStream(): void {
    this.#events.push({ kind: 'stream-end' })
    this.#state = 'ended'
  }

  /** The tag's text without its brackets and closing slash. The element joins the tree and the path. */
  #parseStartTag(text: string, start: number, stop: number, special: boolean): Element | undefined {
    const limits = this.#limits
    let at = endOfName(text, start, stop)
    if (at < 0) return this.#refuseTag('a bad element name')
    if (at - start > limits.maxNameLength) return this.#refuseLimit('a name too long')
    const element = new Element(nameIn(text, start, at))
    const attrs = element.attrs
    let qualified: string[] | undefined
    let count = 0
    for (;;) {
      const from = at
      while (at < stop && isSpace(text.charCodeAt(at))) at += 1
      if (at === stop) break
      const nameEnd = at === from ? -1 : endOfName(text, at, stop)
      if (nameEnd < 0) return this.#refuseTag('a bad attribute name')
      if (nameEnd - at > limits.maxNameLength) return this.#refuseLimit('a name too long')
      const name = nameIn(text, at, nameEnd)
      at = nameEnd
      while (at < stop && isSpace(text.charCodeAt(at))) at += 1
      if (text.charCodeAt(at) !== EQUALS) return this.#refuseTag('an attribute without a value')
      at += 1
      while (at < stop && isSpace(text.charCodeAt(at))) at += 1
      const quote = text.charCodeAt(at)
      if (at >= stop || (quote !== DOUBLE_QUOTE && quote !== SINGLE_QUOTE))
        return this.#refuseTag('a value without quotes')
      const close = text.indexOf(quote === DOUBLE_QUOTE ? '"' : "'", at + 1)
      let value: string | XmlFailure = text.slice(at + 1, close)
      at = close + 1
      if (special) value = expandReferences(normaliseSpace(value))
      if (typeof value !== 'string') return this.#reject(value)
      if (attrs[name] !== undefined && Object.hasOwn(attrs, name)) return this.#refuseTag('an attribute given twice')
      count += 1
      if (count > limits.maxAttributes) return this.#refuseLimit('too many attributes')
      // The prefix xml is always bound, and no other can be bound to its namespace.
      if (name.includes(':') && !name.startsWith('xml:')) (qualified ??= []).push(name)
      if (name === '__proto__')
        Object.defineProperty(attrs, name, { value, enumerable: true, writable: true, configurable: true })
      else attrs[name] = value
    }
    return this.#place(element, qualified) ? element : undefined
  }

  /** Namespaces, then the tree. */
  #place(element: Element, qualified: readonly string[] | undefined): true | undefined {
    const parent = this.#open
    const outer = this.#scopes[this.#depth]!
    const scope = declareIn(outer, element.attrs, qualified)
    if (typeof scope === 'string') return this.#refuseTag(scope)
    const first = parent === null ? element : this.#first!
    const colon = element.name.indexOf(':')
    if (colon >= 0 && this.#resolve(element.name.slice(0, colon), scope, first) === undefined) return undefined
    if (qualified !== undefined && !this.#checkAttributes(qualified, scope, first)) return undefined

    this.#elements += 1
    if (this.#elements > this.#limits.maxElements) return this.#refuseLimit('too many elements')
    if (this.#depth >= this.#limits.maxDepth) return this.#refuseLimit('too deep')
    if (parent === null) this.#first = element
    else {
      parent.children.push(element)
      element.parent = parent
    }
    this.#open = element
    this.#depth += 1
    this.#scopes[this.#depth] = scope
    return true
  }

  /** Prefixes bound, and no attribute twice under two prefixes of one namespace. */
  #checkAttributes(qualified: readonly string[], scope: Scope, first: Element): true | undefined {
    const expanded = qualified.length > 1 ? new Set<string>() : undefined
    for (const name of qualified) {
      if (name.startsWith('xmlns:')) continue
      const colon = name.indexOf(':')
      const uri = this.#resolve(name.slice(0, colon), scope, first)
      if (uri === undefined) return undefined
      const key = expanded === undefined ? '' : `${uri} ${name.slice(colon + 1)}`
      if (expanded?.has(key)) return this.#refuseTag('an attribute given twice')
      expanded?.add(key)
    }
    return true
  }

  /** A prefix that only the stream header binds is declared on the first-level element too. */
  #resolve(prefix: string, scope: Scope, first: Element): string | undefined {
    const uri = scope[prefix]
    if (uri !== undefined) return uri
    const inherited = this.#rootScope[prefix]
    if (inherited !== undefined) {
      first.attrs[`xmlns:${prefix}`] = inherited
      return inherited
    }
    const known = prefix === 'stream' || prefix === 'db'
    return this.#reject({ condition: known ? 'bad-namespace-prefix' : 'not-well-formed', detail: 'an unbound prefix' })
  }

  #refuseTag(detail: string): undefined {
    return this.#reject({ condition: 'not-well-formed', detail })
  }

  #refuseLimit(detail: string): undefined {
    return this.#reject({ condition: 'policy-violation', detail })
  }

  /** For a token that is taken already. */
  #reject(failure: XmlFailure): undefined {
    this.#end(failure)
  }

  #refuseSize(): void {
    const detail = this.#state === 'prolog' ? 'a stream header too long' : 'an element too long'
    this.#end({ condition: 'policy-violation', detail })
  }

  /** `seen` counts the bytes of the token, not yet taken, that show the fault: the size limit may have come before. */
  #refuse(seen: number, condition: XmlCondition, detail: string): void {
    if (this.#used + seen > this.#limit) this.#refuseSize()
    else this.#end({ condition, detail })
  }

  #end(failure: XmlFailure): void {
    this.#state = 'ended'
    this.#pending = ''
    this.#events.push({ kind: 'failure', failure })
  }
}

function nextSpecial(text: string, from: number): number {
  SPECIAL.lastIndex = from
  return SPECIAL.test(text) ? SPECIAL.lastIndex - 1 : text.length
}

/** Names met lately: the same few come again and again. Longer ones would keep hold of the chunk they are slices of. */
const NAMES: string[] = Array.from({ length: 256 }, () => '')

function nameIn(text: string, start: number, end: number): string {
  const slot = (end - start + text.charCodeAt(start) * 5 + text.charCodeAt(end - 1) * 11) & 255
  const known = NAMES[slot]!
  if (known.length === end - start && text.startsWith(known, start)) return known
  const name = text.slice(start, end)
  if (name.length <= 12) NAMES[slot] = name
  return name
}

const normaliseLineEnds = (text: string): string => (text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text)
/** @see XML §2.11, §3.3.3 */
const normaliseSpace = (text: string): string => text.replace(/\r\n|[\t\n\r]/g, ' ')
