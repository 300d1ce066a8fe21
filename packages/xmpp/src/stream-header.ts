import type { Result } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { DomainName } from './domain.ts'
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

export declare function parseStreamHeader(element: XmlElement): Result<StreamHeader, StreamErrorInfo>
/** With the XML declaration. */
export declare function formatStreamHeader(header: StreamHeader): string
export const STREAM_END = '</stream:stream>'
