import type { Failure } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import type { SubscriberInput } from '@stox/sip-engine'
import { unavailableFrom } from '@stox/translate'
import { formatJid } from '@stox/xmpp'
import type { PresenceStanza } from '@stox/xmpp'
import type { WatchStep } from './watch-effects.ts'
import {
  advanceDialog,
  endDialog,
  isOver,
  openDialog,
  refresh,
  resumeDialog,
  takeDialogTimer,
  takeNotify,
} from './watch-sip-dialog.ts'
import { RESEND_MS, SipTurn } from './watch-sip-state.ts'
import type { SipWatch, SipWatchContext } from './watch-sip-state.ts'
import {
  answer,
  becomeStale,
  cancel,
  noteUnsent,
  show,
  tellEverything,
  tellShown,
  tellSubscribed,
} from './watch-sip-telling.ts'

export type SipWatchEvent =
  /** From the watcher's side: subscribe, unsubscribe, probe, error. */
  | { readonly kind: 'presence'; readonly presence: PresenceStanza }
  | { readonly kind: 'notify'; readonly request: SipRequest }
  | { readonly kind: 'reply'; readonly input: SubscriberInput }
  | { readonly kind: 'timer'; readonly timer: string }
  /** After a restart, at its turn. */
  | { readonly kind: 'resume' }
  /** A stream to the watcher's domain has come back: what was on the old one may be lost. */
  | { readonly kind: 'heal' }
  | { readonly kind: 'unsent'; readonly presence: PresenceStanza; readonly failure: Failure }
  /** The other direction sees whether the watcher is online, and where it does not, nobody says. */
  | { readonly kind: 'watcher-left' }
  | { readonly kind: 'watcher-came' }
  /** By an administrator. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'remove' }

/** An answer to a probe may be so old. @see mapping D.2 */
const FRESH_MS = 60_000
const MOST_ASKERS = 20
/** The watcher is no more. @see mapping D.2 */
const WATCHER_GONE: ReadonlySet<string | undefined> = new Set([
  'item-not-found',
  'remote-server-not-found',
  'service-unavailable',
  'gone',
])

export function advanceSipWatch(watch: SipWatch, event: SipWatchEvent, context: SipWatchContext): WatchStep<SipWatch> {
  const turn = new SipTurn(watch, context)
  take(turn, event)
  const { authorization, subscriber } = turn.state
  const isDone = authorization === 'none' && (subscriber === null || subscriber.name === 'ended')
  return { watch: isDone ? undefined : turn.state, effects: turn.effects }
}

function take(turn: SipTurn, event: SipWatchEvent): void {
  const { authorization, subscriber } = turn.state
  switch (event.kind) {
    case 'presence':
      return takePresence(turn, event.presence)
    case 'notify':
      return takeNotify(turn, event.request)
    case 'reply':
      return advanceDialog(turn, event.input)
    case 'timer':
      return takeTimer(turn, event.timer)
    case 'resume':
      turn.set({ known: false, tellAgain: true, askers: [], resendAtMs: null, resendPauseMs: RESEND_MS })
      becomeStale(turn)
      return resumeDialog(turn)
    case 'heal':
      turn.set({ resendAtMs: null, resendPauseMs: RESEND_MS })
      turn.cancel('resend')
      return tellEverything(turn)
    case 'unsent':
      return noteUnsent(turn, event.presence, event.failure)
    case 'watcher-left':
      // Nobody is there to be shown anything: the authorization stays, and a dialog comes with the next probe. @see mapping D.2
      if (authorization === 'active') lookAway(turn)
      return
    case 'watcher-came':
      if (authorization === 'active' && isOver(subscriber)) refresh(turn)
      return
    case 'refresh':
      return refresh(turn)
    case 'remove':
      cancel(turn)
      return endDialog(turn)
  }
}

function takePresence(turn: SipTurn, presence: PresenceStanza): void {
  switch (presence.type) {
    case 'subscribe':
      return takeSubscribe(turn)
    case 'probe':
      return takeProbe(turn, presence)
    case 'unsubscribe':
      cancel(turn)
      return endDialog(turn)
    case 'error':
      if (!WATCHER_GONE.has(presence.error?.condition)) return
      turn.set({ owesSubscribed: false, ...(turn.state.authorization === 'pending' ? { authorization: 'none' } : {}) })
      return lookAway(turn)
    default:
      return
  }
}

function takeSubscribe(turn: SipTurn): void {
  const { authorization, subscriber, known, shown } = turn.state
  if (authorization !== 'active') {
    // Servers resend an unanswered request at each login: nothing new then. @see RFC 6121 §3.1.2
    turn.set({ authorization: 'pending', toldTrouble: false })
    const name = authorization === 'none' ? undefined : subscriber?.name
    if (name === 'subscribing' || name === 'pending' || name === 'active') return
    return name === 'holdoff' ? advanceDialog(turn, { kind: 'refresh' }) : openDialog(turn)
  }
  // Already let in: say so again, with what there is to see. @see RFC 6121 §3.1.3
  tellSubscribed(turn)
  if (!known) return refresh(turn)
  if (shown.length === 0) turn.tell(unavailableFrom('', turn.addresses))
  tellShown(turn)
}

function takeProbe(turn: SipTurn, presence: PresenceStanza): void {
  const { authorization, known, heardAtMs, askers, subscriber } = turn.state
  // Who has asked to be let in, and waits, is told nothing. @see RFC 6121 §4.3.2
  if (authorization === 'pending') return
  const { resource } = presence.to
  const asker = {
    jid: formatJid(presence.from),
    id: presence.id ?? null,
    ...(resource === undefined ? {} : { resource }),
  }
  if (authorization === 'active' && known) {
    answer(turn, asker)
    if (heardAtMs !== null && turn.context.nowMs - heardAtMs > FRESH_MS && turn.context.mayAsk) refresh(turn)
    return
  }
  if (askers.length < MOST_ASKERS) turn.set({ askers: [...askers, asker] })
  if (authorization === 'active') return refresh(turn)
  // No authorization that we know of: one look, and the SIP side decides. @see RFC 8048 §7.1
  if (subscriber === null || subscriber.name === 'ended') openDialog(turn, 0)
}

function lookAway(turn: SipTurn): void {
  turn.set({ shown: [], known: false, askers: [], gone: [], tellAgain: false, staleAtMs: null, resendAtMs: null })
  turn.cancel('stale', 'resend')
  endDialog(turn)
}

function takeTimer(turn: SipTurn, timer: string): void {
  switch (timer) {
    case 'stale':
      turn.set({ staleAtMs: null })
      if (!turn.state.known) show(turn, [])
      return
    case 'resend':
      turn.set({ resendAtMs: null })
      return tellEverything(turn)
    default:
      return takeDialogTimer(turn, timer)
  }
}
