import type { SipRequest, SipResponse } from '@stox/sip'
import { parseJid } from '@stox/xmpp'
import type { Jid, PresenceStanza } from '@stox/xmpp'

/** What a watch wants done. It never does anything itself. */
export type WatchEffect =
  | { readonly kind: 'send-stanza'; readonly presence: PresenceStanza }
  /** `nextHop` undefined: the route of the SIP user's domain. */
  | { readonly kind: 'send-sip'; readonly request: SipRequest; readonly nextHop: string | undefined }
  /** To the request that this turn is about. */
  | { readonly kind: 'respond'; readonly response: SipResponse }
  /** Replaces the timer of that name, if armed. */
  | { readonly kind: 'arm-timer'; readonly timer: string; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: string }

/** `watch` undefined: nothing is left to be remembered. */
export interface WatchStep<W> {
  readonly watch: W | undefined
  readonly effects: readonly WatchEffect[]
}

/** An address that we have written ourselves. */
export function ownJid(text: string): Jid {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(`not an address: ${text}`)
  return jid.value
}
