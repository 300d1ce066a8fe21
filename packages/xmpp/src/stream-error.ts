import { childrenOf, el, isElement, localNameOf, namespaceOf, serializeXml, textOf } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { NS_STREAMS, NS_STREAM_ERRORS } from './namespaces.ts'

/** @see RFC 6120 §4.9.3 */
export const STREAM_CONDITIONS = [
  'bad-format',
  'bad-namespace-prefix',
  'conflict',
  'connection-timeout',
  'host-gone',
  'host-unknown',
  'improper-addressing',
  'internal-server-error',
  'invalid-from',
  'invalid-namespace',
  'invalid-xml',
  'not-authorized',
  'not-well-formed',
  'policy-violation',
  'remote-connection-failed',
  'reset',
  'resource-constraint',
  'restricted-xml',
  'see-other-host',
  'system-shutdown',
  'undefined-condition',
  'unsupported-encoding',
  'unsupported-feature',
  'unsupported-stanza-type',
  'unsupported-version',
] as const
export type StreamCondition = (typeof STREAM_CONDITIONS)[number]

export interface StreamErrorInfo {
  readonly condition: StreamCondition
  readonly text: string | undefined
  /** Says more than the condition can; only written, never read. @see RFC 6120 §4.9.4 */
  readonly application?: XmlElement
}

const CONDITIONS: ReadonlySet<string> = new Set(STREAM_CONDITIONS)

/** In full, with its namespaces. */
export const streamErrorElement = (info: StreamErrorInfo): XmlElement =>
  el('stream:error', { 'xmlns:stream': NS_STREAMS }, ...childrenFor(info))

/** As it goes on the wire: `stream` is the prefix of the stream's own header. */
export const formatStreamError = (info: StreamErrorInfo): string =>
  serializeXml(el('stream:error', {}, ...childrenFor(info)))

/** Undefined when it is none; an unknown condition reads as `undefined-condition`. @see RFC 6120 §4.9.2 */
export function parseStreamError(element: XmlElement): StreamErrorInfo | undefined {
  if (!isElement(element, 'error', NS_STREAMS)) return undefined
  const defined = childrenOf(element).filter((child) => namespaceOf(child) === NS_STREAM_ERRORS)
  const name = defined.map(localNameOf).find((other) => other !== 'text') ?? ''
  const text = defined.find((child) => localNameOf(child) === 'text')
  return {
    condition: CONDITIONS.has(name) ? (name as StreamCondition) : 'undefined-condition',
    text: text === undefined ? undefined : textOf(text),
  }
}

function childrenFor({ condition, text, application }: StreamErrorInfo): XmlElement[] {
  const children = [el(condition, { xmlns: NS_STREAM_ERRORS })]
  if (text !== undefined) children.push(el('text', { xmlns: NS_STREAM_ERRORS, 'xml:lang': 'en' }, text))
  if (application !== undefined) children.push(application)
  return children
}
