import type { Failure } from '@stox/kernel'
import type { Termination } from '@stox/sip-engine'
import { resourceOfPresence } from '@stox/translate'
import type { PresenceStanza } from '@stox/xmpp'
import { PROBATION, advanceDialogs, resumeDialogs } from './watch-xmpp-dialogs.ts'
import { NOTHING_SEEN, seeAvailable, seeSilence, seeUnavailable } from './watch-xmpp-resources.ts'
import type { Sight } from './watch-xmpp-resources.ts'
import type { XmppTurn } from './watch-xmpp-state.ts'

/** What the contact's side says, or why it says nothing, and what the watcher hears of it. @see mapping D.3 */

const DENIED_FOR_MS = 3_600_000
/** A server that knows the authorization already sends presence with its `subscribed`, or does not. */
const PROBE_AFTER_APPROVAL_MS = 1000
const RETRY_MS = 30_000
const RETRY_LATER_MS = 5 * 60_000
const CLOSED_AFTER_TROUBLE_MS = 5 * 60_000

export const REJECTED: Termination = { reason: 'rejected', retryAfterS: null, document: 'none' }
const NO_RESOURCE: Termination = { reason: 'noresource', retryAfterS: null, document: 'none' }

export function takePresence(turn: XmppTurn, presence: PresenceStanza): void {
  const { authorization } = turn.state
  const { nowMs } = turn.context
  const { resource } = presence.from
  switch (presence.type) {
    case 'subscribed':
      if (authorization === 'pending') approve(turn)
      return
    case 'unsubscribed':
      // To a poll it says no more than that there is nothing to see.
      if (authorization === 'pending' || authorization === 'active') deny(turn)
      return
    case 'available':
      if (authorization === 'pending' && resource !== undefined) approve(turn)
      return see(turn, isShown(turn) ? seeAvailable(turn.state, resourceOfPresence(presence, nowMs), nowMs) : undefined)
    case 'unavailable':
      // Prosody acknowledges a request with `unavailable` from the bare address. @see mapping D.15
      return see(turn, isShown(turn) ? seeUnavailable(turn.state, resource, nowMs) : undefined)
    case 'error':
      if (presence.error !== undefined) fail(turn, presence.error.condition, presence.error.type === 'wait')
      return
    default:
      return
  }
}

function approve(turn: XmppTurn): void {
  turn.set({ authorization: 'active', pendingSinceMs: null, troubleSinceMs: null })
  advanceDialogs(turn, { kind: 'authorize', authorization: 'active' })
  if (turn.state.heardAtMs === null) turn.arm('probe-soon', PROBE_AFTER_APPROVAL_MS)
}

function deny(turn: XmppTurn): void {
  forgetPresence(turn)
  turn.set({
    authorization: 'denied',
    deniedUntilMs: turn.context.nowMs + DENIED_FOR_MS,
    pendingSinceMs: null,
    askedAtMs: null,
  })
  advanceDialogs(turn, { kind: 'terminate', termination: REJECTED })
  turn.arm('forget', DENIED_FOR_MS)
}

export function forgetPresence(turn: XmppTurn): void {
  turn.set({ ...NOTHING_SEEN, troubleSinceMs: null, resuming: false })
  turn.cancel('probe-over', 'probe-soon', 'retry')
}

function see(turn: XmppTurn, sight: Sight | undefined): void {
  if (sight === undefined) return
  turn.set({ ...sight.seen, troubleSinceMs: null })
  if (sight.isNews) changed(turn)
}

/** Authorized, or a poll that waits for what it may see. */
const isShown = ({ state }: XmppTurn): boolean => state.authorization === 'active' || state.authorization === 'none'

function changed(turn: XmppTurn): void {
  if (!turn.state.resuming) advanceDialogs(turn, { kind: 'changed' })
}

/** Who has not answered the probe is not there. */
export function probeOver(turn: XmppTurn): void {
  const { probedAtMs, heardAtMs, authorization, resuming } = turn.state
  if (!isShown(turn)) return
  const { nowMs } = turn.context
  const { seen, isNews } = seeSilence(turn.state, probedAtMs ?? 0, nowMs)
  turn.set({ ...seen, heardAtMs: authorization === 'active' ? nowMs : heardAtMs })
  if (resuming) return resumeDialogs(turn)
  if (isNews || heardAtMs === null) changed(turn)
}

/** Our own half of the road is broken: the watcher need not come back, we try again ourselves. */
export function noteUnsent(turn: XmppTurn, { type }: PresenceStanza, failure: Failure): void {
  if (type !== 'subscribe' && type !== 'probe') return
  if (type === 'subscribe') turn.set({ askedAtMs: null })
  const { authorization, troubleSinceMs, resuming } = turn.state
  if (authorization === 'none') return
  if (failure.retry !== 'later') return fail(turn, failure.condition, false)
  turn.cancel('probe-over')
  const sinceMs = troubleSinceMs ?? turn.context.nowMs
  turn.set({ troubleSinceMs: sinceMs })
  // When a stream comes up, it is tried at once (`heal`).
  turn.arm('retry', turn.context.nowMs - sinceMs < CLOSED_AFTER_TROUBLE_MS ? RETRY_MS : RETRY_LATER_MS)
  if (resuming) resumeDialogs(turn)
}

/** What we no longer know is shown as unavailable. */
export function closeAfterTrouble(turn: XmppTurn): void {
  const { troubleSinceMs } = turn.state
  const { nowMs } = turn.context
  if (troubleSinceMs === null || nowMs - troubleSinceMs < CLOSED_AFTER_TROUBLE_MS) return
  const { seen, isNews } = seeSilence(turn.state, Number.POSITIVE_INFINITY, nowMs)
  if (!isNews) return
  turn.set(seen)
  changed(turn)
}

function fail(turn: XmppTurn, condition: Failure['condition'], mayPass: boolean): void {
  switch (condition) {
    case 'item-not-found':
    case 'gone':
    case 'remote-server-not-found':
    case 'service-unavailable':
    case 'jid-malformed':
      return terminate(turn, NO_RESOURCE)
    case 'forbidden':
    case 'not-allowed':
    case 'not-authorized':
    case 'policy-violation':
    case 'subscription-required':
      return terminate(turn, mayPass ? PROBATION : REJECTED)
    default:
      return terminate(turn, PROBATION)
  }
}

function terminate(turn: XmppTurn, termination: Termination): void {
  const { authorization } = turn.state
  forgetPresence(turn)
  // An agreement is not lost by an error; a request that could not be made is.
  if (authorization === 'pending' && termination !== PROBATION) turn.set({ authorization: 'none' })
  turn.set({ askedAtMs: null })
  advanceDialogs(turn, { kind: 'terminate', termination })
}
