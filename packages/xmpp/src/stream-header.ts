import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { el, namespaceOf, serializeStartTag } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { parseDomain } from './domain.ts'
import type { DomainName } from './domain.ts'
import { NS_DIALBACK, NS_SERVER, NS_STREAMS } from './namespaces.ts'
import type { StreamErrorInfo } from './stream-error.ts'

export interface StreamVersion {
  readonly major: number
  readonly minor: number
}

export interface StreamHeader {
  readonly from: DomainName | undefined
  readonly to: DomainName | undefined
  readonly id: string | undefined
  /** Undefined: before 1.0, so no features. @see RFC 6120 §4.7.5 */
  readonly version: StreamVersion | undefined
  readonly lang: string | undefined
  /** `xmlns:db='jabber:server:dialback'` stands in the header. */
  readonly declaresDialback: boolean
}

export const STREAM_END = '</stream:stream>'

const refused = (condition: StreamErrorInfo['condition'], text: string): Result<never, StreamErrorInfo> =>
  fail({ condition, text })

/** The root of a peer's stream. @see RFC 6120 §4.7, §4.8 */
export function parseStreamHeader(element: XmlElement): Result<StreamHeader, StreamErrorInfo> {
  const attrs = element.attrs as Record<string, string | undefined>
  if (namespaceOf(element) !== NS_STREAMS) return refused('invalid-namespace', 'not a stream')
  // The prefix is to be taken literally, as servers do. @see RFC 6120 §4.8.5
  if (!element.name.startsWith('stream:')) return refused('bad-namespace-prefix', 'the prefix must be stream')
  if (element.name !== 'stream:stream') return refused('bad-format', 'not a stream')
  if (attrs.xmlns !== NS_SERVER) return refused('invalid-namespace', 'not between servers')
  // @see XEP-0220 §2.1
  if (attrs['xmlns:db'] !== undefined && attrs['xmlns:db'] !== NS_DIALBACK) {
    return refused('invalid-namespace', 'the prefix db is not of dialback')
  }
  const from = attrs.from === undefined ? ok(undefined) : parseDomain(attrs.from)
  if (!from.ok) return refused('improper-addressing', 'from is no domain')
  const to = attrs.to === undefined ? ok(undefined) : parseDomain(attrs.to)
  if (!to.ok) return refused('improper-addressing', 'to is no domain')
  const version = attrs.version === undefined ? undefined : /^(\d{1,4})\.(\d{1,4})$/.exec(attrs.version)
  if (version === null) return refused('unsupported-version', 'not a version')
  return ok({
    from: from.value,
    to: to.value,
    id: attrs.id,
    version: version === undefined ? undefined : { major: Number(version[1]), minor: Number(version[2]) },
    lang: attrs['xml:lang'],
    declaresDialback: attrs['xmlns:db'] === NS_DIALBACK,
  })
}

/** With the XML declaration. */
export function formatStreamHeader(header: StreamHeader): string {
  const root = el('stream:stream', {
    xmlns: NS_SERVER,
    'xmlns:stream': NS_STREAMS,
    'xmlns:db': header.declaresDialback ? NS_DIALBACK : undefined,
    from: header.from,
    to: header.to,
    id: header.id,
    version: header.version === undefined ? undefined : `${header.version.major}.${header.version.minor}`,
    'xml:lang': header.lang,
  })
  return `<?xml version='1.0'?>${serializeStartTag(root)}`
}
