import { PIDF_TYPE, newSipResponse } from '@stox/sip'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import { advanceNotifier, judgeSubscribe, notifierKey, openNotifier, resumeNotifier } from '@stox/sip-engine'
import type {
  NotifierContext,
  NotifierInput,
  NotifierReport,
  NotifierStep,
  NotifierTimer,
  NotifyDocument,
  Termination,
} from '@stox/sip-engine'
import { ask, lookAway } from './watch-xmpp-asking.ts'
import { recentlyGone } from './watch-xmpp-resources.ts'
import type { XmppTurn } from './watch-xmpp-state.ts'

/** The dialogs in which the watcher's devices are told. @see RFC 6665 §4.2, mapping D.3 */

export const GIVE_UP_MS = 30 * 24 * 3_600_000
const GIVE_UP: Termination = { reason: 'giveup', retryAfterS: 86_400, document: 'none' }
export const PROBATION: Termination = { reason: 'probation', retryAfterS: 300, document: 'none' }
const POLL_WAIT_MS = 2000
const MOST_DIALOGS = 20

const contextOf = (turn: XmppTurn): NotifierContext => ({
  nowMs: turn.context.nowMs,
  ids: turn.context.ids,
  rules: turn.context.rules,
  document: (kind) => documentOf(turn, kind),
})

/** Asked for when a NOTIFY is written, so that it says the newest. */
function documentOf(turn: XmppTurn, kind: 'current' | 'farewell'): NotifyDocument | undefined {
  const { authorization, heardAtMs, available } = turn.state
  const { nowMs: atMs, documents } = turn.context
  // Nothing is shown before the contact has agreed; a poll shows what his server has answered.
  if (authorization === 'pending' || authorization === 'denied') return undefined
  if (heardAtMs === null && (kind === 'current' || authorization !== 'active')) return undefined
  const shown =
    kind === 'current'
      ? { available, gone: recentlyGone(turn.state, atMs) }
      : { available: [], gone: available.map((one) => one.resource) }
  return { contentType: PIDF_TYPE, body: documents.of({ contact: turn.contact, ...shown, atMs }) }
}

/** SUBSCRIBE without To tag; `contactUri` is where the watcher reaches us. */
export function takeSubscribe(turn: XmppTurn, request: SipRequest, contactUri: string): void {
  const { rules, nowMs, ids, publishes } = turn.context
  const { deniedUntilMs, authorization, dialogs } = turn.state
  const refuse = (status: number, headers: readonly SipHeaderEntry[] = []): void =>
    turn.respond(newSipResponse(request, status, undefined, { toTag: ids.token(), headers }))

  const isDenied = authorization === 'denied'
  if (isDenied && deniedUntilMs !== null && nowMs < deniedUntilMs) return refuse(403)
  if (dialogs.length >= MOST_DIALOGS) return refuse(480, [['Retry-After', String(PROBATION.retryAfterS)]])
  const terms = judgeSubscribe(request, rules)
  if (!terms.ok) return turn.respond(terms.failure)
  // Who is served by publications asks by one look at us to be told of there.
  const isPoll = terms.value.expiresS === 0 && !publishes
  if (isDenied) forgetDenial(turn)
  const before = turn.state.authorization
  if (before === 'none' && !isPoll) turn.set({ authorization: 'pending', pendingSinceMs: nowMs })

  const opened = openNotifier(
    request,
    {
      contact: contactUri,
      // A poll is told what the contact's server answers to the probe, which is its way to say yes.
      authorization: turn.state.authorization === 'active' || isPoll ? 'active' : 'pending',
      pollWaitMs: POLL_WAIT_MS,
    },
    contextOf(turn),
  )
  if (!opened.ok) {
    turn.set({ authorization: before })
    return turn.respond(opened.failure)
  }
  turn.set({ dialogs: [...turn.state.dialogs, opened.value.state] })
  take(turn, notifierKey(opened.value.state), opened.value)
  ask(turn, isPoll, request.core.from.displayName)
}

export function forgetDenial(turn: XmppTurn): void {
  turn.set({ authorization: 'none', deniedUntilMs: null, askedAtMs: null })
  turn.cancel('forget')
}

export function advanceDialog(turn: XmppTurn, key: string, input: NotifierInput): void {
  const state = turn.state.dialogs.find((dialog) => notifierKey(dialog) === key)
  if (state !== undefined) take(turn, key, advanceNotifier(state, input, contextOf(turn)))
}

export function advanceDialogs(turn: XmppTurn, input: NotifierInput): void {
  for (const dialog of turn.state.dialogs) advanceDialog(turn, notifierKey(dialog), input)
}

/** After a restart: they are told, now that there is something to tell. */
export function resumeDialogs(turn: XmppTurn): void {
  turn.set({ resuming: false })
  for (const dialog of turn.state.dialogs) take(turn, notifierKey(dialog), resumeNotifier(dialog, contextOf(turn)))
}

function take(turn: XmppTurn, key: string, step: NotifierStep): void {
  turn.set({ dialogs: turn.state.dialogs.map((dialog) => (notifierKey(dialog) === key ? step.state : dialog)) })
  const nameOf = (timer: NotifierTimer): string => `${timer} ${key}`
  turn.follow(step.effects, nameOf, (report) => takeReport(turn, key, report))
}

/** One of a dialog; false: it is none. */
export function takeDialogTimer(turn: XmppTurn, timer: string): boolean {
  const space = timer.indexOf(' ')
  if (space === -1) return false
  const name = timer.slice(0, space)
  if (name === 'expiry' || name === 'interval' || name === 'poll')
    advanceDialog(turn, timer.slice(space + 1), { kind: 'timer', timer: name })
  return true
}

function takeReport(turn: XmppTurn, key: string, report: NotifierReport): void {
  if (report.kind === 'refreshed') {
    const { authorization, pendingSinceMs } = turn.state
    const waitedMs = pendingSinceMs === null ? 0 : turn.context.nowMs - pendingSinceMs
    if (authorization === 'pending' && waitedMs > GIVE_UP_MS)
      return advanceDialog(turn, key, { kind: 'terminate', termination: GIVE_UP })
    return ask(turn, false)
  }
  turn.set({ dialogs: turn.state.dialogs.filter((dialog) => notifierKey(dialog) !== key) })
  if (report.cause === 'unsubscribed' || report.cause === 'expired') lookAway(turn)
}
