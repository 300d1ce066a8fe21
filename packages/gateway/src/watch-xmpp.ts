import type { Failure } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import { revivedNotifier } from '@stox/sip-engine'
import type { SubscriptionReply } from '@stox/sip-engine'
import type { PresenceStanza } from '@stox/xmpp'
import type { WatchStep } from './watch-effects.ts'
import { ask, askAgain, askConsent, lookAway, noteSent, probe } from './watch-xmpp-asking.ts'
import {
  REJECTED,
  closeAfterTrouble,
  forgetPresence,
  noteUnsent,
  probeOver,
  takePresence,
} from './watch-xmpp-contact.ts'
import {
  GIVE_UP_MS,
  advanceDialog,
  advanceDialogs,
  forgetDenial,
  resumeDialogs,
  takeDialogTimer,
  takeSubscribe,
} from './watch-xmpp-dialogs.ts'
import { XmppTurn } from './watch-xmpp-state.ts'
import type { XmppWatch, XmppWatchContext } from './watch-xmpp-state.ts'

export type XmppWatchEvent =
  /** SUBSCRIBE without To tag; `contactUri` is where the watcher reaches us. */
  | { readonly kind: 'subscribe'; readonly request: SipRequest; readonly contactUri: string }
  /** His own SIP server, which answers him itself, says that he watches, or does no more. @see RFC 3857 */
  | { readonly kind: 'listed' }
  | { readonly kind: 'unlisted' }
  /** SUBSCRIBE within a dialog. */
  | { readonly kind: 'resubscribe'; readonly request: SipRequest; readonly dialog: string }
  | {
      readonly kind: 'reply'
      readonly dialog: string
      readonly request: SipRequest
      readonly reply: SubscriptionReply
    }
  /** From the contact's side. `ahead`: it came before this subscription's turn to be resumed. */
  | { readonly kind: 'presence'; readonly presence: PresenceStanza; readonly ahead?: boolean }
  | { readonly kind: 'timer'; readonly timer: string }
  | { readonly kind: 'resume' }
  | { readonly kind: 'heal' }
  | { readonly kind: 'sent'; readonly presence: PresenceStanza }
  | { readonly kind: 'unsent'; readonly presence: PresenceStanza; readonly failure: Failure }
  /** By an administrator. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'remove' }

export function advanceXmppWatch(
  watch: XmppWatch,
  event: XmppWatchEvent,
  context: XmppWatchContext,
): WatchStep<XmppWatch> {
  const turn = new XmppTurn(watch, context)
  take(turn, event)
  const { authorization, dialogs } = turn.state
  return { watch: authorization === 'none' && dialogs.length === 0 ? undefined : turn.state, effects: turn.effects }
}

function take(turn: XmppTurn, event: XmppWatchEvent): void {
  switch (event.kind) {
    case 'subscribe':
      return takeSubscribe(turn, event.request, event.contactUri)
    case 'listed':
      return listed(turn)
    case 'unlisted':
      if (turn.state.authorization === 'active') lookAway(turn)
      return
    case 'resubscribe':
      return advanceDialog(turn, event.dialog, { kind: 'subscribe', request: event.request })
    case 'reply':
      return advanceDialog(turn, event.dialog, { kind: 'reply', request: event.request, reply: event.reply })
    case 'presence':
      takePresence(turn, event.presence)
      // What is new need not wait for the answer to our probe.
      if (event.ahead === true && turn.state.resuming) resumeDialogs(turn)
      return
    case 'timer':
      return takeTimer(turn, event.timer)
    case 'resume':
      return resume(turn)
    case 'heal':
      return heal(turn)
    case 'sent':
      return noteSent(turn, event.presence)
    case 'unsent':
      return noteUnsent(turn, event.presence, event.failure)
    case 'refresh':
      return askAgain(turn)
    case 'remove':
      return remove(turn)
  }
}

function listed(turn: XmppTurn): void {
  const { nowMs } = turn.context
  const { authorization, deniedUntilMs } = turn.state
  if (authorization === 'denied') {
    if (deniedUntilMs !== null && nowMs < deniedUntilMs) return
    forgetDenial(turn)
  }
  if (turn.state.authorization === 'none') turn.set({ authorization: 'pending', pendingSinceMs: nowMs })
  ask(turn, false)
}

function heal(turn: XmppTurn): void {
  const { authorization, askedAtMs, resuming } = turn.state
  if (!turn.isWatched || resuming) return
  if (authorization === 'active') probe(turn)
  else if (authorization === 'pending' && askedAtMs === null) askConsent(turn)
}

/** Gives the authorization back, which SIP itself cannot. */
function remove(turn: XmppTurn): void {
  turn.tell('unsubscribe')
  forgetPresence(turn)
  turn.cancel('forget')
  turn.set({ authorization: 'none' })
  advanceDialogs(turn, { kind: 'terminate', termination: REJECTED })
}

function takeTimer(turn: XmppTurn, timer: string): void {
  if (takeDialogTimer(turn, timer)) return
  switch (timer) {
    case 'probe-soon':
      if (turn.state.authorization === 'active' && turn.state.heardAtMs === null) probe(turn)
      return
    case 'probe-over':
      return probeOver(turn)
    case 'retry':
      return retry(turn)
    case 'forget':
      if (turn.state.authorization === 'denied') turn.set({ authorization: 'none', deniedUntilMs: null })
      return
    default:
      return
  }
}

function retry(turn: XmppTurn): void {
  if (!turn.isWatched) return turn.set({ troubleSinceMs: null })
  closeAfterTrouble(turn)
  askAgain(turn)
}

/** After a restart. @see mapping D.10 */
function resume(turn: XmppTurn): void {
  const { authorization, deniedUntilMs, dialogs, pendingSinceMs, askedAtMs } = turn.state
  const { nowMs } = turn.context
  turn.set({ gone: [], troubleSinceMs: null })
  if (authorization === 'denied') {
    const leftMs = (deniedUntilMs ?? 0) - nowMs
    if (leftMs > 0) turn.arm('forget', leftMs)
    else turn.set({ authorization: 'none', deniedUntilMs: null })
  }
  const isLeftPending = authorization === 'pending' && dialogs.length === 0
  if (isLeftPending && pendingSinceMs !== null && nowMs - pendingSinceMs > GIVE_UP_MS)
    return turn.set({ authorization: 'none' })
  if (!turn.isWatched) return
  turn.set({ resuming: true, dialogs: dialogs.map(revivedNotifier) })
  if (authorization === 'active') return probe(turn)
  if (authorization === 'pending' && askedAtMs === null) askConsent(turn)
  resumeDialogs(turn)
}
