import type { SipSyntaxFailure } from './message.ts'
import type { SipLimits } from './parse.ts'

export type SipStreamEvent =
  /** Exactly one message, for `parseSipMessage(bytes, 'stream')`. */
  | { readonly kind: 'message'; readonly bytes: Uint8Array }
  /** A double CRLF between messages: answer with one CRLF. @see RFC 5626 §4.4.1 */
  | { readonly kind: 'keep-alive' }
  /** Framing is lost: answer if there is an answer, then close. The last event ever. */
  | { readonly kind: 'failure'; readonly failure: SipSyntaxFailure }

/** Cuts a byte stream into messages. Holds at most one unfinished message. @see RFC 3261 §18.3 */
export declare class SipStreamFramer {
  constructor(limits?: SipLimits)
  push(bytes: Uint8Array): readonly SipStreamEvent[]
  get pendingBytes(): number
}
