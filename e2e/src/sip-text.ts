/**
 * SIP as the tests read and write it: plain text, none of the product's code, so that the two cannot share a mistake.
 */
export interface SipText {
  readonly start: string
  /** Names in lower case, compact forms spelled out. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: Buffer
}

const COMPACT: Readonly<Record<string, string>> = {
  v: 'via',
  f: 'from',
  t: 'to',
  i: 'call-id',
  m: 'contact',
  l: 'content-length',
  c: 'content-type',
  o: 'event',
  s: 'subject',
  k: 'supported',
}

export function readSip(bytes: Buffer): SipText {
  const end = bytes.indexOf('\r\n\r\n')
  const [start = '', ...lines] = bytes
    .toString('utf8', 0, end < 0 ? bytes.length : end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const written = line.slice(0, colon).trim().toLowerCase()
    const name = COMPACT[written] ?? written
    const values = headers.get(name) ?? []
    values.push(line.slice(colon + 1).trim())
    headers.set(name, values)
  }
  return { start, headers, body: end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4) }
}

export function writeSip(
  start: string,
  headers: readonly (readonly [string, string])[],
  body: Buffer | string = '',
): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  const head = [
    start,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${bytes.length}`,
    '',
    '',
  ]
  return Buffer.concat([Buffer.from(head.join('\r\n')), bytes])
}

export const headerOf = (message: SipText, name: string): string | undefined =>
  message.headers.get(name.toLowerCase())?.[0]
export const statusOf = (message: SipText): number =>
  Number(/^SIP\/2\.0 (\d{3})/.exec(message.start)?.[1] ?? Number.NaN)
export const methodOf = (message: SipText): string => message.start.split(' ')[0] ?? ''
export const paramOf = (value: string | undefined, name: string): string | undefined =>
  new RegExp(`[;?&]\\s*${name}\\s*=\\s*"?([^;>"\\s]*)`, 'i').exec(value ?? '')?.[1]
export const uriOf = (value: string | undefined): string =>
  /<([^>]*)>/.exec(value ?? '')?.[1] ?? (value ?? '').split(';')[0] ?? ''

/** Cuts a byte stream into messages by Content-Length. */
export class SipCutter {
  #pending: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): Buffer[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    const messages: Buffer[] = []
    for (;;) {
      while (this.#pending[0] === 13 || this.#pending[0] === 10) this.#pending = this.#pending.subarray(1)
      const end = this.#pending.indexOf('\r\n\r\n')
      if (end < 0) return messages
      const length = /^(?:content-length|l)[ \t]*:[ \t]*(\d+)/im.exec(this.#pending.toString('latin1', 0, end + 2))
      const size = end + 4 + Number(length?.[1] ?? 0)
      if (this.#pending.length < size) return messages
      messages.push(this.#pending.subarray(0, size))
      this.#pending = this.#pending.subarray(size)
    }
  }
}
