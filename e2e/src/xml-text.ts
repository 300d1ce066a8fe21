/**
 * XML as the raw partner reads it: cut into first-level elements and searched as text. It trusts what it reads, it is
 * a test's ear and not a parser; none of the product's code is in it.
 */
export class XmlCutter {
  #pending = ''
  #scanned = 0
  #depth = 0
  #start = 0

  /** Gives the stream's own start tag, then each complete first-level element, then `</stream:stream>`. */
  push(text: string): string[] {
    this.#pending += text
    const pieces: string[] = []
    for (;;) {
      const open = this.#pending.indexOf('<', this.#scanned)
      const close = open < 0 ? -1 : tagEnd(this.#pending, open)
      if (close < 0) break
      const tag = this.#pending.slice(open, close + 1)
      this.#scanned = close + 1
      if (tag.startsWith('<?') || tag.startsWith('<!')) continue
      if (this.#depth <= 1 && !tag.startsWith('</')) this.#start = open
      if (tag.startsWith('</')) this.#depth -= 1
      else if (this.#depth === 0 || !tag.endsWith('/>')) this.#depth += 1
      const isHeader = this.#depth === 1 && tag.startsWith('<stream:stream')
      const isEnd = this.#depth === 0
      const isElement = this.#depth === 1 && (tag.startsWith('</') || tag.endsWith('/>'))
      if (isHeader || isEnd) pieces.push(tag)
      else if (isElement) pieces.push(this.#pending.slice(this.#start, close + 1))
      if (this.#depth <= 1) {
        this.#pending = this.#pending.slice(close + 1)
        this.#scanned = 0
      }
    }
    return pieces
  }
}

function tagEnd(text: string, from: number): number {
  let quote = ''
  for (let at = from; at < text.length; at += 1) {
    const char = text[at] ?? ''
    if (quote !== '') {
      if (char === quote) quote = ''
    } else if (char === '"' || char === "'") quote = char
    else if (char === '>') return at
  }
  return -1
}

export const attrOf = (xml: string, name: string): string | undefined => {
  const found = new RegExp(`^<[^>]*?\\s${name}=(?:"([^"]*)"|'([^']*)')`).exec(xml)
  return found === null ? undefined : unescapeXml(found[1] ?? found[2] ?? '')
}

export const textOfChild = (xml: string, name: string): string | undefined => {
  const found = new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`).exec(xml)?.[1]
  return found === undefined ? undefined : unescapeXml(found)
}

export const isElement = (xml: string, name: string): boolean => new RegExp(`^<${name}[\\s/>]`).test(xml)

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

export const unescapeXml = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (_all, hex?: string, decimal?: string, name?: string) =>
    name === undefined
      ? String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16))
      : (NAMED[name] ?? '?'),
  )
