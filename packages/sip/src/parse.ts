import type { Result } from '@stox/kernel'
import type { SipMessage, SipSyntaxFailure } from './message.ts'

export interface SipLimits {
  readonly maxHeadBytes: number
  readonly maxBodyBytes: number
  readonly maxHeaders: number
}

export const DEFAULT_SIP_LIMITS: SipLimits = { maxHeadBytes: 65_536, maxBodyBytes: 1_048_576, maxHeaders: 256 }

/** A datagram may lack Content-Length and carry more bytes than it says; on a stream the bytes are exactly one message. */
export type SipFraming = 'datagram' | 'stream'

export declare function parseSipMessage(
  bytes: Uint8Array,
  framing: SipFraming,
  limits?: SipLimits,
): Result<SipMessage, SipSyntaxFailure>
