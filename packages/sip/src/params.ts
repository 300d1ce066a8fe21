import {
  DIGIT,
  HOST,
  IPV6,
  PARAM_VALUE,
  TOKEN,
  hasClass,
  isAll,
  isToken,
  lowerSlice,
  quotedEnd,
  runEnd,
  skipSpace,
} from './grammar.ts'

/**
 * Parameters of a URI or of a header value, in their order: names in lower case, values as written (a quoted string
 * keeps its quotes, see `unquote`; an escape stays an escape), undefined for a parameter without `=`.
 */
export type SipParams = ReadonlyMap<string, string | undefined>

export const NO_PARAMS: SipParams = new Map()

/** A place in a header value that is being read from left to right, up to `end`. */
export class Cursor {
  readonly text: string
  readonly end: number
  at: number

  constructor(text: string, at = 0, end = text.length) {
    this.text = text
    this.at = at
    this.end = end
  }

  /** The code of the next character that is no space; -1 at the end. */
  peek(): number {
    this.at = skipSpace(this.text, this.at, this.end)
    return this.at < this.end ? this.text.charCodeAt(this.at) : -1
  }

  /** Takes this character, spaces before it allowed. */
  take(code: number): boolean {
    if (this.peek() !== code) return false
    this.at += 1
    return true
  }

  /** The token that comes next; empty when there is none. */
  token(): string {
    const start = skipSpace(this.text, this.at, this.end)
    this.at = runEnd(this.text, start, TOKEN, this.end)
    return this.text.slice(start, this.at)
  }

  /**
   * `*( SEMI generic-param )`, or why not. An empty parameter and a repeated name are refused.
   * @see RFC 3261 §7.3.1, §25.1; RFC 4475 §3.1.2.1
   */
  params(): SipParams | string {
    if (this.peek() !== 59) return NO_PARAMS
    const { text, end } = this
    const params = new Map<string, string | undefined>()
    do {
      const nameStart = skipSpace(text, this.at + 1, end)
      const nameEnd = runEnd(text, nameStart, TOKEN, end)
      if (nameEnd === nameStart) return 'empty parameter'
      const name = lowerSlice(text, nameStart, nameEnd)
      this.at = nameEnd
      let value: string | undefined
      if (this.peek() === 61) {
        const start = skipSpace(text, this.at + 1, end)
        this.at = text.charCodeAt(start) === 34 ? quotedEnd(text, start, end) : runEnd(text, start, PARAM_VALUE, end)
        if (this.at <= start) return `parameter ${name} without a proper value`
        value = text.slice(start, this.at)
      }
      const before = params.size
      if (params.set(name, value).size === before) return `parameter ${name} given twice`
    } while (this.peek() === 59)
    return params
  }

  /** The host that comes next, as we keep it; undefined when there is no proper one. */
  host(): string | undefined {
    const start = skipSpace(this.text, this.at, this.end)
    const end = hostEnd(this.text, start, this.end)
    if (end === -1) return undefined
    this.at = end
    return normalHost(lowerSlice(this.text, start, end))
  }

  /** The port that comes next, 1 to 65535; undefined when it is not one. */
  port(): number | undefined {
    const start = skipSpace(this.text, this.at, this.end)
    this.at = runEnd(this.text, start, DIGIT, this.end)
    return this.at - start <= 5 ? portWithin(this.text, start, this.at) || undefined : undefined
  }
}

/** The number these few digits make; 0 when there are none or it is no port. */
function portWithin(text: string, start: number, end: number): number {
  let number = 0
  for (let at = start; at < end; at += 1) number = number * 10 + text.charCodeAt(at) - 48
  return number <= 65_535 ? number : 0
}

/** A host as we keep it, given in lower case: without the dot of the root; the three colons of an old grammar become two. @see RFC 5118 §4.10 */
function normalHost(lower: string): string {
  if (lower.charCodeAt(0) === 91) return lower.replace(':::', '::')
  return lower.charCodeAt(lower.length - 1) === 46 ? lower.slice(0, -1) : lower
}

/**
 * The index behind the host that starts at `at`, or -1 when there is no proper one. Labels are not empty and do not start
 * or end in a hyphen; a last label of digits means an IPv4 address. @see RFC 3261 §25.1 host
 */
export function hostEnd(text: string, at: number, stop = text.length): number {
  if (text.charCodeAt(at) === 91) {
    const close = runEnd(text, at + 1, IPV6, Math.min(stop, at + 47))
    return text.charCodeAt(close) === 93 && close < stop && isIpv6(text.slice(at + 1, close)) ? close + 1 : -1
  }
  let labelStart = at
  let onlyDigits = true
  let end = at
  for (; end < stop; end += 1) {
    const code = text.charCodeAt(end)
    if (code === 46) {
      if (end === labelStart || !isLabel(text, labelStart, end)) return -1
      // The dot of the root closes the last label, it does not open one.
      if (end + 1 >= stop || !hasClass(text.charCodeAt(end + 1), HOST)) return onlyDigits ? -1 : end + 1
      labelStart = end + 1
      onlyDigits = true
    } else if (code < 48 || code > 57) {
      if (!hasClass(code, HOST)) break
      onlyDigits = false
    }
  }
  if (end === labelStart || end - at > 254 || !isLabel(text, labelStart, end)) return -1
  return !onlyDigits || isIpv4(text, at, end) ? end : -1
}

const isLabel = (text: string, start: number, end: number): boolean =>
  text.charCodeAt(start) !== 45 && text.charCodeAt(end - 1) !== 45

function isIpv4(text: string, start: number, end: number): boolean {
  let parts = 0
  for (let at = start; at <= end; at += 1) {
    const partStart = at
    let part = 0
    while (at < end && hasClass(text.charCodeAt(at), DIGIT)) part = part * 10 + text.charCodeAt(at++) - 48
    if (at === partStart || at - partStart > 3 || part > 255 || (at < end && text.charCodeAt(at) !== 46)) return false
    parts += 1
  }
  return parts === 4
}

/** @see RFC 4291 §2.2; `:::` before an IPv4 tail is RFC 5118 §4.10. */
function isIpv6(text: string): boolean {
  const halves = text.replace(':::', '::').split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  const tail = groups.at(-1)
  const withIpv4 = tail !== undefined && tail.includes('.')
  if (withIpv4 && (!isIpv4(tail, 0, tail.length) || text.endsWith(':'))) return false
  const words = withIpv4 ? groups.slice(0, -1) : groups
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) return false
  const count = words.length + (withIpv4 ? 2 : 0)
  return halves.length === 2 ? count <= 7 : count === 8
}

const isParamValue = (value: string): boolean =>
  value.startsWith('"') ? quotedEnd(value, 0) === value.length : isAll(value, PARAM_VALUE)

/** Header parameters as text. What is no parameter is our own mistake. */
export function formatParams(params: SipParams): string {
  let text = ''
  for (const [name, value] of params) {
    if (!isToken(name)) throw new RangeError(`not a parameter name: ${JSON.stringify(name)}`)
    if (value !== undefined && !isParamValue(value)) {
      throw new RangeError(`not a value for parameter ${name}: ${JSON.stringify(value)}`)
    }
    text += value === undefined ? `;${name}` : `;${name}=${value}`
  }
  return text
}
