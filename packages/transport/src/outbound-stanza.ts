import type { SendOutcome } from './xmpp-endpoint-types.ts'

/** A stanza of ours on its way to a partner. */
export interface OutboundStanza {
  readonly xml: string
  /** Its own time: who sent it hears of a failure by then. */
  untilMs: number
  /** When a stream took it last; not a number before the first. */
  writtenAtMs: number
  /** A stream that broke had taken it, and the peer may have it already. */
  isRepeat: boolean
  /** Once. */
  readonly settle: (outcome: SendOutcome) => void
}

/** A stream that may carry the stanzas of one pair. */
export interface StanzaCarrier {
  /** The longest stanza that the peer takes. @see XEP-0478 §3 */
  readonly maxBytes: number
  readonly isFull: boolean
  /** Stanzas that were written and whose senders still wait for the peer's word. */
  readonly open: number
  /** Settles it: when the socket has it or, with stream management, when the peer has it. */
  write(stanza: OutboundStanza): void
  /** After the end: those that may not have arrived, oldest first. */
  leftovers(): readonly OutboundStanza[]
}
