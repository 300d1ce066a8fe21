import { displayText } from '@stox/translate'
import { nickElement } from '@stox/xmpp'
import type { NewPresence, PresenceStanza } from '@stox/xmpp'
import type { XmppTurn } from './watch-xmpp-state.ts'

/** What we ask of the contact's server, as the watcher's server would. @see mapping D.3, D.6 */

const ASK_AGAIN_MS = 24 * 3_600_000
const PROBE_AGAIN_MS = 5 * 60_000
/** Silence after a probe means that nobody is available: ejabberd says nothing for an offline user. @see mapping D.15 */
const PROBE_OVER_MS = 30_000
const PROBE_OVER_RESUMING_MS = 2500

/** For what is not known: his consent, or his presence. */
export function ask(turn: XmppTurn, isPoll: boolean, name?: string): void {
  const { authorization, askedAtMs, heardAtMs } = turn.state
  const { nowMs } = turn.context
  if (authorization === 'active') {
    if (heardAtMs === null || nowMs - heardAtMs > PROBE_AGAIN_MS) probe(turn)
  } else if (authorization === 'none' && isPoll) probe(turn)
  else if (authorization === 'pending' && (askedAtMs === null || nowMs - askedAtMs > ASK_AGAIN_MS))
    askConsent(turn, name)
}

/** The same, whatever is known. */
export function askAgain(turn: XmppTurn): void {
  const { authorization } = turn.state
  if (authorization === 'active') probe(turn)
  else if (authorization === 'pending') askConsent(turn)
}

/** Never with a probe: Prosody answers one that it does not know with `unsubscribed`. @see mapping D.15 */
export function askConsent(turn: XmppTurn, name?: string): void {
  // Noted as asked when it has left (`sent`): whatever happens before, it is asked again.
  turn.tell('subscribe', nickOf(name))
}

/** With his name, so that the contact knows who asks. @see XEP-0172 §4.2 */
function nickOf(name: string | undefined): NewPresence['extra'] {
  const nick = displayText(name ?? '')
  return nick === '' ? [] : [nickElement(nick)]
}

/** How long it may go unanswered is counted from when it has left (`sent`). */
export function probe(turn: XmppTurn): void {
  turn.set({ probedAtMs: turn.context.nowMs })
  turn.tell('probe')
}

export function noteSent(turn: XmppTurn, { type }: PresenceStanza): void {
  if (type !== 'subscribe' && type !== 'probe') return
  turn.set({ troubleSinceMs: null, ...(type === 'subscribe' ? { askedAtMs: turn.context.nowMs } : {}) })
  turn.cancel('retry')
  if (type === 'probe') turn.arm('probe-over', turn.state.resuming ? PROBE_OVER_RESUMING_MS : PROBE_OVER_MS)
}

/**
 * His presence ends for the contact, unless the contact watches him by himself. SIP has no way to give an authorization
 * back, so it stays. @see RFC 8048 §5.3.3, mapping I.19
 */
export function lookAway(turn: XmppTurn): void {
  if (turn.state.dialogs.length === 0 && !turn.context.isShownToContact()) turn.tell('unavailable')
}
