import { latin1Bytes, latin1Text, utf8Bytes, utf8Length, utf8Text } from '@stox/kernel'
import { isToken, listEntries } from './grammar.ts'

/** What is known of a header name. */
export interface HeaderName {
  readonly name: string
  /** Not 0: may be there once only, and this is its bit in a set of those seen. @see RFC 3261 §7.3.1, §20 */
  readonly singleBit: number
}

const words = (text: string): string[] => text.split(/\s+/)
const SINGLE = words('From To Call-ID CSeq Max-Forwards Content-Length Content-Type Event Expires Subscription-State')
const OTHERS =
  words(`Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info
  Authorization Call-Info Contact Content-Disposition Content-Encoding Content-Language Date Error-Info History-Info
  Identity In-Reply-To MIME-Version Min-Expires Organization P-Asserted-Identity P-Preferred-Identity Path Priority
  Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck RSeq Reason Record-Route Refer-To Referred-By
  Reject-Contact Reply-To Request-Disposition Require Retry-After Route SIP-ETag SIP-If-Match Server Service-Route
  Session-Expires Subject Supported Timestamp Unsupported User-Agent Via WWW-Authenticate Warning`)
/** @see RFC 3261 §7.3.3; RFC 3841 a d j, RFC 3892 b, RFC 6665 o u, RFC 3515 r, RFC 4028 x, RFC 8224 y */
const COMPACT =
  words(`a Accept-Contact b Referred-By c Content-Type d Request-Disposition e Content-Encoding f From i Call-ID
  j Reject-Contact k Supported l Content-Length m Contact o Event r Refer-To s Subject t To u Allow-Events v Via
  x Session-Expires y Identity`)

const KNOWN = new Map<string, HeaderName>()
const know = (known: HeaderName, ...forms: readonly string[]): void => {
  for (const form of forms) KNOWN.set(form, known).set(form.toLowerCase(), known)
}
SINGLE.forEach((name, index) => know({ name, singleBit: 1 << index }, name))
for (const name of OTHERS) know({ name, singleBit: 0 }, name)
for (let at = 0; at < COMPACT.length; at += 2) {
  know(KNOWN.get(COMPACT[at + 1]!)!, COMPACT[at]!, COMPACT[at]!.toUpperCase())
}

/** What is known of this name, in whatever case or form; undefined for a name we have no word for. */
export const knownHeader = (name: string): HeaderName | undefined => KNOWN.get(name) ?? KNOWN.get(name.toLowerCase())

/** Names as they are usually written, by their length. */
const USUAL: HeaderName[][] = []
for (const [form, known] of KNOWN) if (form === known.name) (USUAL[form.length] ??= []).push(known)

/** @internal The same for a name within a text: in its usual spelling it is neither cut out nor looked up. */
export function knownHeaderAt(text: string, start: number, end: number): HeaderName | undefined {
  for (const known of USUAL[end - start] ?? []) if (text.startsWith(known.name, start)) return known
  return knownHeader(text.slice(start, end))
}

/** The usual spelling of a known header name, whatever its case or form; others as written. @see RFC 3261 §7.3.3 */
export const canonicalHeaderName = (name: string): string => knownHeader(name)?.name ?? name

const keyOf = (name: string): string => knownHeader(name)?.name ?? name.toLowerCase()

/** One field as it stands on the wire: `raw` has one character a byte, no line breaks, no spaces around it. */
export interface Field {
  readonly key: string
  readonly name: string
  readonly raw: string
}

/** The platform counts faster than a loop here does. */
const hasHighBytes = (raw: string): boolean => utf8Length(raw) !== raw.length

/** The text of a raw value: UTF-8 where it is, else one character a byte. */
export const rawToText = (raw: string): string => (hasHighBytes(raw) ? (utf8Text(latin1Bytes(raw)) ?? raw) : raw)

const textToRaw = (text: string): string => (hasHighBytes(text) ? latin1Text(utf8Bytes(text)) : text)

/** Visible ASCII at both ends and spaces at most between: it stands on the wire as it is. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/

function rawOf(name: string, value: string): string {
  // oxlint-disable-next-line no-control-regex
  if (/[\r\n\0]/.test(value)) throw new RangeError(`a line break in the value of ${name}`)
  return textToRaw(value).trim()
}

/** @internal A field of a name in its usual spelling and a value that can stand on the wire as it is. */
export const plainField = (name: string, raw: string): Field => ({ key: name, name, raw })

/** @internal */
export function newField(name: string, value: string): Field {
  const known = knownHeader(name)
  if (known === undefined && !isToken(name)) throw new RangeError(`not a header name: ${JSON.stringify(name)}`)
  const raw = PLAIN.test(value) ? value : rawOf(name, value)
  return known === undefined ? { key: name.toLowerCase(), name, raw } : { key: known.name, name: known.name, raw }
}

// A loop: `Array.from` with a function takes four times as long.
/** @internal */
export function newFields(entries: Iterable<readonly [name: string, value: string]>): Field[] {
  const fields: Field[] = []
  for (const [name, value] of entries) fields.push(newField(name, value))
  return fields
}

const lineOf = ({ key, name, raw }: Field): string => (key === 'Content-Length' ? '' : `${name}: ${raw}\r\n`)

/**
 * Header fields: immutable, in their order, as they came. Names are asked for in any case or compact form and come back
 * in their usual spelling. Values are text (UTF-8 read where there are high bytes) but are kept, copied and written
 * byte for byte.
 */
export class SipHeaders {
  static readonly empty: SipHeaders = new SipHeaders([])
  readonly #fields: readonly Field[]
  /** Once somebody has asked: a request is measured, given its Via and written. */
  #lines: string | undefined

  /** @internal: for the parser and for new requests. Others use `of`. */
  constructor(fields: readonly Field[]) {
    this.#fields = fields
  }

  /** Throws a RangeError for a name that is no token or a value with CR, LF or NUL: only we can cause that. */
  static of(entries: Iterable<readonly [name: string, value: string]>): SipHeaders {
    return new SipHeaders(newFields(entries))
  }

  get size(): number {
    return this.#fields.length
  }

  /** The value of the first such field. */
  get(name: string): string | undefined {
    const key = keyOf(name)
    for (const field of this.#fields) if (field.key === key) return rawToText(field.raw)
    return undefined
  }

  /** One value a field. */
  all(name: string): readonly string[] {
    const key = keyOf(name)
    const values: string[] = []
    for (const field of this.#fields) if (field.key === key) values.push(rawToText(field.raw))
    return values
  }

  /** One value a list entry: fields split at their commas. Only for headers that are lists. */
  list(name: string): readonly string[] {
    const values = this.all(name)
    return values.length === 1 && !values[0]!.includes(',') && values[0] !== '' ? values : values.flatMap(listEntries)
  }

  has(name: string): boolean {
    const key = keyOf(name)
    for (const field of this.#fields) if (field.key === key) return true
    return false
  }

  /** Replaces every such field by one, in the place of the first; adds it at the end when there is none. */
  with(name: string, value: string): SipHeaders {
    const field = newField(name, value)
    const index = this.#fields.findIndex((other) => other.key === field.key)
    if (index === -1) return new SipHeaders([...this.#fields, field])
    return new SipHeaders(
      this.#fields.with(index, field).filter((other, place) => other.key !== field.key || place === index),
    )
  }

  /** @internal Rewrites the first such field as it stands on the wire; `edit` must not bring in line breaks. */
  withEdited(name: string, edit: (raw: string) => string): SipHeaders {
    const key = keyOf(name)
    const index = this.#fields.findIndex((field) => field.key === key)
    const field = this.#fields[index]
    return field === undefined ? this : new SipHeaders(this.#fields.with(index, { ...field, raw: edit(field.raw) }))
  }

  append(name: string, value: string): SipHeaders {
    return new SipHeaders([...this.#fields, newField(name, value)])
  }

  prepend(name: string, value: string): SipHeaders {
    const field = newField(name, value)
    const headers = new SipHeaders([field, ...this.#fields])
    if (this.#lines !== undefined) headers.#lines = lineOf(field) + this.#lines
    return headers
  }

  without(name: string): SipHeaders {
    const key = keyOf(name)
    return new SipHeaders(this.#fields.filter((field) => field.key !== key))
  }

  /** Adds the fields of these names from another message, byte for byte: name after name, each in the other's order. */
  appendFrom(other: SipHeaders, names: readonly string[]): SipHeaders {
    const fields = [...this.#fields]
    for (const name of names) {
      const key = keyOf(name)
      for (const field of other.#fields) if (field.key === key) fields.push(field)
    }
    return new SipHeaders(fields)
  }

  appendAll(entries: Iterable<readonly [name: string, value: string]>): SipHeaders {
    return new SipHeaders([...this.#fields, ...newFields(entries)])
  }

  *entries(): IterableIterator<readonly [name: string, value: string]> {
    for (const field of this.#fields) yield [field.name, rawToText(field.raw)]
  }

  /** @internal The lines of all fields but Content-Length, one character a byte: the writer knows the length. */
  toRawLines(): string {
    if (this.#lines !== undefined) return this.#lines
    let lines = ''
    for (const field of this.#fields) lines += lineOf(field)
    this.#lines = lines
    return lines
  }
}
