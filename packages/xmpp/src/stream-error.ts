import type { XmlElement } from '@stox/xml'

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
}

export declare function streamErrorElement(info: StreamErrorInfo): XmlElement
/** As it goes on the wire: `stream` is the prefix of the stream's own header. */
export declare function formatStreamError(info: StreamErrorInfo): string
export declare function parseStreamError(element: XmlElement): StreamErrorInfo | undefined
