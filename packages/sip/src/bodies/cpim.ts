import { concatBytes, fail, ok, utf8Bytes, utf8Text, type Result } from '@stox/kernel'
import { formatMimePart, indexOfBytes, mimeHeader, parseMimePart, type MimePart } from './mime-part.ts'

/** A header by the namespace its prefix stood for. @see RFC 3862 §2.5 */
export interface CpimHeader {
  readonly namespace: string
  /** Case counts. */
  readonly name: string
  readonly lang?: string
  /** As written, escapes and all: see `cpimText`, `cpimValue`, `parseCpimAddress`. */
  readonly value: string
}

export interface CpimMessage {
  /** Those whose prefix was declared; `NS` and `Require` themselves are not among them. */
  readonly headers: readonly CpimHeader[]
  readonly content: MimePart
}

export interface ParsedCpim extends CpimMessage {
  /** Headers the sender wants understood; a prefix without a declaration gives the namespace ''. @see RFC 3862 §4.7 */
  readonly required: readonly { readonly namespace: string; readonly name: string }[]
}

export interface CpimFailure {
  readonly kind: 'cpim'
  readonly detail: string
}

export interface CpimAddress {
  readonly name: string | undefined
  readonly uri: string
}

export const CPIM_TYPE = 'message/cpim'
/** The namespace of the headers of RFC 3862 itself, and of names without a prefix. @see RFC 3862 §3.4 */
export const CPIM_HEADERS = 'urn:ietf:params:cpim-headers:'

const MAX_HEAD_BYTES = 16_384
const MAX_HEADERS = 64

const NAME = "[!#-'*+\\-^-`|~A-Za-z0-9]+"
const HEADER = new RegExp(`^(?:(${NAME})\\.)?(${NAME}):((?:;[^ ;"]+(?:"(?:[^"\\\\]|\\\\.)*")?)*)(?: (.*))?$`, 'su')
const NS_VALUE = new RegExp(`^(?:(${NAME}) )?<([^<>\\s]+)>$`)
const QUOTED = /"(?:[^"\\]|\\.)*"/gsu
const LANG = /;lang=([A-Za-z0-9-]+)/
const CONTROL = /[\0-\x1f\x7f]/
const REQUIRED = new RegExp(`^(?:(${NAME})\\.)?(${NAME})$`)
const NAME_ALONE = new RegExp(`^${NAME}$`)

const refused = (detail: string): Result<never, CpimFailure> => fail({ kind: 'cpim', detail })

/** Message headers, an empty line, the wrapped part. One header a line, no folding. @see RFC 3862 §2, §3 */
export function parseCpim(bytes: Uint8Array): Result<ParsedCpim, CpimFailure> {
  const start = skipOwnHeaders(bytes)
  const headEnd = indexOfBytes(bytes, '\r\n\r\n', start, Math.min(bytes.length, start + MAX_HEAD_BYTES))
  if (headEnd === -1) return refused('the message headers do not end')
  const head = utf8Text(bytes.subarray(start, headEnd))
  if (head === undefined) return refused('the message headers are not UTF-8')
  const lines = head.split('\r\n')
  if (lines.length > MAX_HEADERS) return refused('too many message headers')

  const namespaces = new Map<string, string>([['', CPIM_HEADERS]])
  const headers: CpimHeader[] = []
  const required: { namespace: string; name: string }[] = []
  for (const line of lines) {
    const match = HEADER.exec(line)
    if (match === null || CONTROL.test(line)) return refused('a line that is no message header')
    const [, prefix = '', name = '', params = '', value = ''] = match
    const namespace = namespaces.get(prefix)
    // A prefix nobody declared names a header nobody can know.
    if (namespace === undefined) continue
    const isOwn = namespace === CPIM_HEADERS || prefix === ''
    if (isOwn && name === 'NS') {
      const declared = NS_VALUE.exec(value)
      if (declared === null) return refused('no proper NS')
      namespaces.set(declared[1] ?? '', declared[2]!)
    } else if (isOwn && name === 'Require') {
      for (const word of value.split(',')) {
        const asked = REQUIRED.exec(word.trim())
        if (asked === null) return refused('no proper Require')
        required.push({ namespace: namespaces.get(asked[1] ?? '') ?? '', name: asked[2]! })
      }
    } else {
      const lang = LANG.exec(params.replace(QUOTED, '""'))?.[1]
      headers.push({ namespace, name, ...(lang === undefined ? {} : { lang }), value })
    }
  }

  const content = parseMimePart(bytes.subarray(headEnd + 4))
  if (!content.ok) return refused(content.failure.detail)
  if (mimeHeader(content.value, 'Content-Type') === undefined) return refused('the wrapped part has no Content-Type')
  return ok({ headers, content: content.value, required })
}

/** COMPAT: some write the header that says this is CPIM once more into the body, as the figures of RFC 3862 do. */
function skipOwnHeaders(bytes: Uint8Array): number {
  const end = indexOfBytes(bytes, '\r\n\r\n', 0, Math.min(bytes.length, 256))
  const line = end === -1 ? undefined : utf8Text(bytes.subarray(0, end))
  return line !== undefined && /^content-type: *message\/cpim *(?:;[^\r\n]*)?$/i.test(line) ? end + 4 : 0
}

/** Prefixes are ours to choose; receivers may have learnt this one by heart. */
const PREFIXES: ReadonlyMap<string, string> = new Map([['urn:ietf:params:imdn', 'imdn']])

/** Throws a RangeError for what no message may hold: only we can cause that. */
export function formatCpim(message: CpimMessage): Uint8Array {
  const prefixes = new Map<string, string>()
  let head = ''
  for (const { namespace, name, lang, value } of message.headers) {
    if (!NAME_ALONE.test(name) || CONTROL.test(value) || (lang !== undefined && !/^[A-Za-z0-9-]+$/.test(lang))) {
      throw new RangeError(`not a CPIM header: ${JSON.stringify({ name, lang, value })}`)
    }
    let prefix = ''
    if (namespace !== CPIM_HEADERS) {
      let known = prefixes.get(namespace)
      if (known === undefined) {
        known = PREFIXES.get(namespace) ?? `ns${prefixes.size + 1}`
        if (!NS_VALUE.test(`<${namespace}>`)) throw new RangeError(`not a namespace: ${JSON.stringify(namespace)}`)
        prefixes.set(namespace, known)
        head += `NS: ${known} <${namespace}>\r\n`
      }
      prefix = `${known}.`
    } else if (name === 'NS' || name === 'Require') throw new RangeError(`${name} is not for the caller to write`)
    head += `${prefix}${name}:${lang === undefined ? '' : `;lang=${lang}`} ${value}\r\n`
  }
  if (mimeHeader(message.content, 'Content-Type') === undefined) {
    throw new RangeError('the wrapped part needs a Content-Type')
  }
  return concatBytes([utf8Bytes(`${head}\r\n`), formatMimePart(message.content)])
}

/** The value of the first such header, escapes undone. */
export function cpimHeader(message: CpimMessage, name: string, namespace = CPIM_HEADERS): string | undefined {
  const header = message.headers.find((other) => other.name === name && other.namespace === namespace)
  return header === undefined ? undefined : cpimText(header.value)
}

const ESCAPED: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', r: '\r' }
const NAMES_OF_ESCAPED: Readonly<Record<string, string>> = { '\b': '\\b', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

/** A value with its escapes undone; halves of a surrogate pair that stand alone become U+FFFD. @see RFC 3862 §2.3 */
export const cpimText = (value: string): string =>
  value.includes('\\')
    ? value
        .replace(/\\(?:u([0-9A-Fa-f]{4})|(.))/gsu, (_all, hex: string | undefined, character: string) =>
          hex === undefined ? (ESCAPED[character] ?? character) : String.fromCharCode(Number.parseInt(hex, 16)),
        )
        .replace(/\p{Surrogate}/gu, '\ufffd')
    : value

/** Text as a value: controls and backslashes escaped. @see RFC 3862 §2.3 */
export const cpimValue = (text: string): string =>
  text
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .replace(
      /[\0-\x1f\x7f\\]/g,
      (character) =>
        NAMES_OF_ESCAPED[character] ??
        (character === '\\' ? '\\\\' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`),
    )

/** `From`, `To`, `cc`: a name that may be quoted, and a URI in angle brackets. @see RFC 3862 §4.1 */
export function parseCpimAddress(value: string): CpimAddress | undefined {
  const open = value.lastIndexOf('<')
  const uri = value.slice(open + 1, -1)
  if (open === -1 || !value.endsWith('>') || uri === '' || /[\s<>"]/.test(uri)) return undefined
  const name = value.slice(0, open).trim()
  if (!name.startsWith('"')) return { name: cpimText(name) || undefined, uri }
  return /^"(?:[^"\\]|\\.)*"$/su.test(name) ? { name: cpimText(name.slice(1, -1)) || undefined, uri } : undefined
}

/** Throws a RangeError for what is no URI between angle brackets. */
export function formatCpimAddress({ name, uri }: CpimAddress): string {
  if (uri === '' || /[\s<>"]/.test(uri)) throw new RangeError(`not a URI: ${JSON.stringify(uri)}`)
  return name === undefined ? `<${uri}>` : `"${cpimValue(name).replaceAll('"', '\\"')}" <${uri}>`
}
