import type { Pidf } from '@stox/sip'
import type { SubscriberCause, SubscriberReport } from '@stox/sip-engine'
import { devicesOfPidf, sipStatusToFailure, sipTroubleToFailure, unavailableFrom } from '@stox/translate'
import type { DevicePresence } from '@stox/translate'
import { errorReply, newPresence } from '@stox/xmpp'
import type { SipTurn } from './watch-sip-state.ts'
import { answerAll, becomeStale, believe, cancel, show, tellSubscribed } from './watch-sip-telling.ts'

/** What the SIP side says of its user, and what follows for the watcher. @see RFC 8048 §5.2.2, mapping D.5 */

/** Codes that end a poll with a clear no. @see mapping D.2, RFC 6121 §4.3.2 */
const POLL_REFUSED: ReadonlySet<number | undefined> = new Set([403, 404, 410, 489, 603, 604])
/** Nothing was heard of the SIP side at all. */
const UNHEARD: ReadonlySet<string> = new Set(['timeout', 'transport', 'no-notify', 'no-target'])

/** `pidf`: of the NOTIFY that is reported; undefined: it says nothing. */
export function takeReport(turn: SipTurn, report: SubscriberReport, pidf: Pidf | undefined): void {
  switch (report.kind) {
    case 'accepted':
      return
    case 'notified':
      return takeState(turn, report.state, pidf && devicesOf(turn, pidf))
    case 'interrupted':
      return takeInterruption(turn, report.cause)
    case 'cancelled':
      // 403, 489, 603, rejected, noresource: for good. @see RFC 8048 §5.2.2
      return cancel(turn)
    case 'ended':
      return takeEnd(turn, report.cause?.status)
  }
}

function takeState(
  turn: SipTurn,
  state: Extract<SubscriberReport, { kind: 'notified' }>['state'],
  devices: readonly DevicePresence[] | undefined,
): void {
  if (turn.state.authorization === 'none') return takePoll(turn, devices)
  const isFirst = turn.state.authorization !== 'active'
  if (state === 'pending') {
    // Let in before, and now asked to wait: what was seen is seen no more.
    if (!isFirst) show(turn, [])
    return turn.set({ known: false })
  }
  if (state === 'terminated' && isFirst) return
  if (isFirst) {
    // NOTIFY active is the approval, never the 2xx. @see mapping I.18
    turn.set({ authorization: 'active' })
    tellSubscribed(turn)
  }
  if (devices === undefined) {
    // An empty body says that nothing is known. @see RFC 6665 §4.1.2.3
    if (!isFirst && state === 'active') show(turn, [])
    answerAll(turn)
    return turn.set({ known: false })
  }
  believe(turn)
  const told = show(turn, devices)
  if (devices.length === 0 && told.size === 0 && (isFirst || turn.state.tellAgain))
    turn.tell(unavailableFrom('', turn.addresses))
  answerAll(turn, told)
  turn.set({ known: true, heardAtMs: turn.context.nowMs, tellAgain: false })
}

function devicesOf({ context }: SipTurn, pidf: Pidf): readonly DevicePresence[] {
  const devices = devicesOfPidf(pidf, context.readsNotes)
  // Status notes are for federated partners only. @see New-CsXmppAllowedPartner
  return context.showsNotes ? devices : devices.map((device) => ({ ...device, notes: [] }))
}

/** One look without a lasting authorization. @see RFC 8048 §7.1 */
function takePoll(turn: SipTurn, devices: readonly DevicePresence[] | undefined): void {
  const { askers, subscriber } = turn.state
  // A dialog that is being ended says its last word.
  if (subscriber?.name === 'closing' || askers.length === 0) return
  turn.set({ shown: devices ?? [] })
  answerAll(turn)
  turn.set({ shown: [] })
}

function takeInterruption(turn: SipTurn, { reason, status, detail }: SubscriberCause): void {
  turn.set({ known: false })
  if (turn.state.authorization === 'active') {
    becomeStale(turn)
    return answerAll(turn)
  }
  if (turn.state.authorization !== 'pending' || turn.state.toldTrouble) return
  // That PIDF is not to be had will not pass by itself. @see mapping D.5
  if (status !== 406 && !UNHEARD.has(reason)) return
  // Once for each request; the request itself stays. @see mapping D.2
  const { from: contact, to: watcher } = turn.addresses
  const request = newPresence({ from: watcher, to: contact, type: 'subscribe' })
  const cause = reason === 'no-target' || reason === 'transport' ? reason : 'timeout'
  const failure = status === 406 ? sipStatusToFailure(406, { reason: detail }) : sipTroubleToFailure(cause, detail)
  const reply = errorReply(request, failure)
  if (reply?.kind === 'presence') turn.tell(reply)
  turn.set({ toldTrouble: true })
}

function takeEnd(turn: SipTurn, status: number | undefined): void {
  turn.set({ known: false })
  if (turn.state.authorization !== 'none') {
    becomeStale(turn)
    return answerAll(turn)
  }
  if (turn.state.askers.length === 0) return
  if (POLL_REFUSED.has(status)) turn.tellAuthorization('unsubscribed')
  else answerAll(turn)
}
