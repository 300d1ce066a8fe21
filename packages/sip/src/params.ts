import { DIGIT, HOST, PARAM_VALUE, TOKEN, hasClass, isAll, isToken, quotedEnd, runEnd, skipSpace } from './grammar.ts'

/**
 * Parameters of a URI or of a header value, in their order: names in lower case, values as written (a quoted string
 * keeps its quotes, see `unquote`; an escape stays an escape), undefined for a parameter without `=`.
 */
export type SipParams = ReadonlyMap<string, string | undefined>

export const NO_PARAMS: SipParams = new Map()

/** A place in a header value that is being read from left to right. */
export class Cursor {
  readonly text: string
  at: number

  constructor(text: string, at = 0) {
    this.text = text
    this.at = at
  }

  /** The code of the next character that is no space; -1 at the end. */
  peek(): number {
    this.at = skipSpace(this.text, this.at)
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1
  }

  /** Takes this character, spaces before it allowed. */
  take(code: number): boolean {
    if (this.peek() !== code) return false
    this.at += 1
    return true
  }

  /** The token that comes next; empty when there is none. */
  token(): string {
    this.at = skipSpace(this.text, this.at)
    const start = this.at
    this.at = runEnd(this.text, start, TOKEN)
    return this.text.slice(start, this.at)
  }

  /**
   * `*( SEMI generic-param )`, or why not. An empty parameter and a repeated name are refused.
   * @see RFC 3261 §7.3.1, §25.1; RFC 4475 §3.1.2.1
   */
  params(): SipParams | string {
    if (this.peek() !== 59) return NO_PARAMS
    const params = new Map<string, string | undefined>()
    while (this.take(59)) {
      const name = this.token().toLowerCase()
      if (name === '') return 'empty parameter'
      if (params.has(name)) return `parameter ${name} given twice`
      if (this.take(61)) {
        this.at = skipSpace(this.text, this.at)
        const start = this.at
        this.at =
          this.text.charCodeAt(start) === 34 ? quotedEnd(this.text, start) : runEnd(this.text, start, PARAM_VALUE)
        if (this.at <= start) return `parameter ${name} without a proper value`
        params.set(name, this.text.slice(start, this.at))
      } else params.set(name, undefined)
    }
    return params
  }

  /** `host [ COLON port ]` with the host in lower case, or why not. */
  hostPort(): { readonly host: string; readonly port: number | undefined } | string {
    const found = takeHost(this.text, skipSpace(this.text, this.at))
    if (found === undefined) return 'no proper host'
    const { host } = found
    this.at = found.end
    if (!this.take(58)) return { host, port: undefined }
    this.at = skipSpace(this.text, this.at)
    const portEnd = runEnd(this.text, this.at, DIGIT)
    const port = parsePort(this.text.slice(this.at, portEnd))
    this.at = portEnd
    return port === undefined ? 'no proper port' : { host, port }
  }
}

export function parsePort(text: string): number | undefined {
  const port = text.length > 0 && text.length <= 5 ? Number(text) : 0
  return port > 0 && port <= 65_535 ? port : undefined
}

/** Lower case, without the dot of the root; the three colons of an old grammar become two. @see RFC 5118 §4.10 */
const normalHost = (host: string): string => {
  const lower = host.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower.startsWith('[') ? lower.replace(':::', '::') : lower
}

/** The index behind the host that starts at `at`, or -1 when there is no proper one. @see RFC 3261 §25.1 host */
export function hostEnd(text: string, at: number): number {
  if (text.charCodeAt(at) === 91) {
    const close = text.indexOf(']', at)
    return close !== -1 && close - at <= 46 && isIpv6(text.slice(at + 1, close)) ? close + 1 : -1
  }
  const end = runEnd(text, at, HOST)
  return end > at && isHostName(text, at, end) ? end : -1
}

/** The host that starts at `at`, as we keep it. */
export const takeHost = (text: string, at: number): { readonly host: string; readonly end: number } | undefined => {
  const end = hostEnd(text, at)
  return end === -1 ? undefined : { host: normalHost(text.slice(at, end)), end }
}

/** Labels that are not empty and do not start or end in a hyphen; a last label of digits means an IPv4 address. */
function isHostName(text: string, start: number, end: number): boolean {
  if (end - start > 254) return false
  const last = text.charCodeAt(end - 1) === 46 ? end - 1 : end
  let labelStart = start
  let onlyDigits = true
  for (let at = start; at <= last; at += 1) {
    const code = at === last ? 46 : text.charCodeAt(at)
    if (code === 46) {
      if (at === labelStart || text.charCodeAt(labelStart) === 45 || text.charCodeAt(at - 1) === 45) return false
      if (at === last) break
      labelStart = at + 1
      onlyDigits = true
    } else if (!hasClass(code, DIGIT)) onlyDigits = false
  }
  return !onlyDigits || isIpv4(text.slice(start, end))
}

const isIpv4 = (text: string): boolean => {
  const parts = text.split('.')
  return parts.length === 4 && parts.every((part) => part.length <= 3 && isAll(part, DIGIT) && Number(part) <= 255)
}

/** @see RFC 4291 §2.2; `:::` before an IPv4 tail is RFC 5118 §4.10. */
function isIpv6(text: string): boolean {
  const halves = text.replace(':::', '::').split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  const tail = groups.at(-1)
  const withIpv4 = tail !== undefined && tail.includes('.')
  if (withIpv4 && (!isIpv4(tail) || text.endsWith(':'))) return false
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
