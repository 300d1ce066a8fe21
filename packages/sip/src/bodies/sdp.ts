import { fail, ok, utf8Text, type Result } from '@stox/kernel'
import { isToken, parseDigits } from '../grammar.ts'

/** `a=name:value`, or `a=name`. */
export type SdpAttribute = readonly [name: string, value: string | undefined]

export interface SdpMedia {
  /** `message`, `audio`: as written. */
  readonly type: string
  /** 0: refused. @see RFC 3264 §6 */
  readonly port: number
  readonly protocol: string
  readonly formats: readonly string[]
  readonly attributes: readonly SdpAttribute[]
}

/** What a session is made of, as far as messaging looks at it. @see RFC 8866 §5 */
export interface Sdp {
  /** The value of `o=`. */
  readonly origin: string
  readonly name: string
  /** The value of the session's `c=`. */
  readonly connection: string | undefined
  readonly attributes: readonly SdpAttribute[]
  readonly media: readonly SdpMedia[]
}

export interface SdpFailure {
  readonly kind: 'sdp'
  readonly detail: string
}

export const SDP_TYPE = 'application/sdp'

const MAX_LINES = 1000
const MAX_MEDIA = 32
const MAX_PORT = 65_535

const broken = (detail: string): Result<never, SdpFailure> => fail({ kind: 'sdp', detail })

/** What may stand where: version, origin and name first, then the rest of the session, then each medium. @see RFC 8866 §5 */
const OF_SESSION = 'iuepcbtrzka'
const OF_MEDIA = 'icbka'

/** Lines end in CRLF; a lone LF is taken too, as a parser should. @see RFC 8866 §5 */
export function parseSdp(body: Uint8Array): Result<Sdp, SdpFailure> {
  const text = utf8Text(body)
  if (text === undefined) return broken('not UTF-8')
  const lines = text.replace(/(?:\r?\n)+$/, '').split(/\r?\n/)
  if (lines.length > MAX_LINES) return broken('too many lines')
  if (lines[0] !== 'v=0') return broken('it does not begin with v=0')
  const [origin, name] = [valueOf(lines[1], 'o'), valueOf(lines[2], 's')]
  if (origin === undefined || !/^\S+ \d+ \d+ \S+ \S+ \S+$/.test(origin)) return broken('no proper o=')
  if (name === undefined) return broken('no s=')
  let connection: string | undefined
  const attributes: SdpAttribute[] = []
  const media: (SdpMedia & { readonly attributes: SdpAttribute[] })[] = []
  for (const line of lines.slice(3)) {
    const [type, value] = [line.slice(0, 1), line.slice(2)]
    const current = media.at(-1)
    if (line[1] !== '=' || value === '' || hasControl(value)) return broken(`a line that is none: ${line.slice(0, 20)}`)
    if (type === 'm') {
      const one = mediaOf(value)
      if (one === undefined || media.length === MAX_MEDIA) return broken('no proper m=')
      media.push(one)
    } else if (!(current === undefined ? OF_SESSION : OF_MEDIA).includes(type)) {
      return broken(`${type}= has no place there`)
    } else if (type === 'a') {
      const attribute = attributeOf(value)
      if (attribute === undefined) return broken('no proper a=')
      ;(current?.attributes ?? attributes).push(attribute)
    } else if (type === 'c' && current === undefined) connection = value
  }
  return ok({ origin, name, connection, attributes, media })
}

const hasControl = (text: string): boolean => /[\0-\x08\x0a-\x1f\x7f]/.test(text)

const valueOf = (line: string | undefined, type: string): string | undefined =>
  line?.startsWith(`${type}=`) === true && !hasControl(line) ? line.slice(2) : undefined

/** `m=<media> <port>["/" count] <proto> <fmt> ...`. @see RFC 8866 §5.14 */
function mediaOf(value: string): (SdpMedia & { readonly attributes: SdpAttribute[] }) | undefined {
  const [type = '', ports = '', protocol = '', ...formats] = value.trimEnd().split(/ +/)
  const port = parseDigits(ports.split('/')[0] ?? '', MAX_PORT)
  if (!isToken(type) || port === undefined || !/^[!-~]+$/.test(protocol) || formats.length === 0) return undefined
  return { type, port, protocol, formats, attributes: [] }
}

function attributeOf(value: string): SdpAttribute | undefined {
  const colon = value.indexOf(':')
  const name = colon === -1 ? value : value.slice(0, colon)
  return isToken(name) ? [name, colon === -1 ? undefined : value.slice(colon + 1)] : undefined
}

/** Throws a RangeError for what no line may hold. */
export function formatSdp({ origin, name, connection, attributes, media }: Sdp): string {
  const written = (list: readonly SdpAttribute[]): readonly string[] =>
    list.map(([key, value]) => (value === undefined ? `a=${key}` : `a=${key}:${value}`))
  const lines = [
    'v=0',
    `o=${origin}`,
    `s=${name}`,
    ...(connection === undefined ? [] : [`c=${connection}`]),
    't=0 0',
    ...written(attributes),
    ...media.flatMap((one) => [
      `m=${one.type} ${one.port} ${one.protocol} ${one.formats.join(' ')}`,
      ...written(one.attributes),
    ]),
  ]
  const bad = lines.find(hasControl)
  if (bad !== undefined) throw new RangeError(`a control character in ${JSON.stringify(bad)}`)
  return lines.map((line) => `${line}\r\n`).join('')
}
