import { fail, ok, unreachable } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { newSipResponse } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { dialogFromRequest, receiveInDialog, resumedDialog } from './dialog.ts'
import { arm, before, to } from './effects.ts'
import { end, flush } from './notifier-notify.ts'
import type {
  NotifierContext,
  NotifierEffect,
  NotifierEndCause,
  NotifierState,
  NotifierStep,
  NotifierTimer,
  Termination,
} from './notifier-state.ts'
import { sameEvent } from './same-event.ts'
import { judgeSubscribe } from './subscribe-terms.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

export type NotifierInput =
  /** SUBSCRIBE within the dialog (`dialogKeyOf`): refresh or end. */
  | { readonly kind: 'subscribe'; readonly request: SipRequest }
  | { readonly kind: 'authorize'; readonly authorization: 'pending' | 'active' }
  /** The document has changed. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'terminate'; readonly termination: Termination }
  /** The end of a NOTIFY that `send-request` asked for. */
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  | { readonly kind: 'timer'; readonly timer: NotifierTimer }

/** Failed NOTIFYs in a row before the watcher counts as gone, and the pause between them. @see mapping note D.5 */
const NOTIFY_TRIES = 3
const NOTIFY_RETRY_MS = 30_000
/** After a restart: how long the first NOTIFY waits for somebody to tell us what to say. */
const RESUME_WAIT_MS = 2000

/** Answers to NOTIFY that end the subscription. @see RFC 6665 §4.2.2 */
const REMOVING_STATUSES: ReadonlySet<number> = new Set([
  404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
])

/** Takes a SUBSCRIBE without To tag: 200, and at once the first NOTIFY. The failure is the response to give. @see RFC 6665 §4.2.1.2 */
export function openNotifier(
  request: SipRequest,
  options: {
    /** The URI for Contact. */
    readonly contact: string
    readonly authorization: 'pending' | 'active'
    /** How long a poll may wait for `changed` when there is no document yet. */
    readonly pollWaitMs?: number
  },
  context: NotifierContext,
): Result<NotifierStep, SipResponse> {
  if (request.core.to.params.has('tag')) return fail(newSipResponse(request, 481, 'Subscription does not exist'))
  const terms = judgeSubscribe(request, context.rules)
  if (!terms.ok) return terms
  const dialog = dialogFromRequest(request, context.ids.token(), 0)
  if (!dialog.ok) return fail(newSipResponse(request, dialog.failure.status, dialog.failure.detail))

  const { event, expiresS } = terms.value
  const state: NotifierState = {
    name: options.authorization,
    dialog: dialog.value,
    event,
    contact: options.contact,
    expiresAtMs: context.nowMs + expiresS * 1000,
    outstanding: null,
    owed: 'now',
    lastNotifyAtMs: 0,
    failures: 0,
    termination: null,
  }
  const answer = accept(state, request, expiresS)
  if (expiresS > 0) return ok(before([answer, arm('expiry', expiresS * 1000)], flush(state, context)))

  const waitMs = options.pollWaitMs ?? 0
  const nothingToSay = state.name === 'active' && context.document('current') === undefined
  if (waitMs > 0 && nothingToSay)
    return ok(to({ ...state, name: 'polled', owed: 'nothing' }, answer, arm('poll', waitMs)))
  return ok(before([answer], endPoll(state, context)))
}

export function advanceNotifier(state: NotifierState, input: NotifierInput, context: NotifierContext): NotifierStep {
  switch (input.kind) {
    case 'subscribe':
      return onSubscribe(state, input.request, context)
    case 'authorize':
      if (state.name === input.authorization || !isLive(state)) return to(state)
      return flush({ ...state, name: input.authorization, owed: 'now' }, context)
    case 'changed':
      return onChanged(state, context)
    case 'terminate':
      return isOpen(state) ? terminate(state, { ...input.termination, cause: 'terminated' }, context) : to(state)
    case 'reply':
      return onReply(state, input.request, input.reply, context)
    case 'timer':
      return onTimer(state, input.timer, context)
    default:
      return unreachable(input)
  }
}

/** After a restart, before anything else: what was under way is not, and more may have been sent than was kept. */
export const revivedNotifier = (state: NotifierState): NotifierState => ({
  ...state,
  dialog: resumedDialog(state.dialog),
  outstanding: null,
})

/**
 * One NOTIFY for a revived dialog that still lives, with the full state. Where nothing is known yet it waits two seconds
 * for somebody to tell us. @see mapping note D.10
 */
export function resumeNotifier(state: NotifierState, context: NotifierContext): NotifierStep {
  switch (state.name) {
    case 'pending':
    case 'active': {
      const remainingMs = state.expiresAtMs - context.nowMs
      if (remainingMs <= 0) return expire(state, context)
      const armed = arm('expiry', remainingMs)
      if (state.name === 'active' && context.document('current') === undefined) {
        return to({ ...state, owed: 'soon' }, armed, arm('interval', RESUME_WAIT_MS))
      }
      return before([armed], flush({ ...state, owed: 'now' }, context))
    }
    case 'polled':
      return endPoll(state, context)
    case 'ending':
      return flush(state, context)
    case 'ended':
      return to(state)
    default:
      return unreachable(state.name)
  }
}

const isLive = (state: NotifierState): boolean => state.name === 'pending' || state.name === 'active'
const isOpen = (state: NotifierState): boolean => isLive(state) || state.name === 'polled'

/** 200, never 202: authorization is told by the NOTIFY. @see RFC 6665 §4.2.1.1, §8.3.1 */
function accept(state: NotifierState, request: SipRequest, expiresS: number): NotifierEffect {
  const headers: readonly SipHeaderEntry[] = [
    ['Contact', `<${state.contact}>`],
    ['Expires', String(expiresS)],
  ]
  return {
    kind: 'respond',
    response: newSipResponse(request, 200, undefined, { toTag: state.dialog.localTag, headers }),
  }
}

function onSubscribe(state: NotifierState, request: SipRequest, context: NotifierContext): NotifierStep {
  const refuse = (response: SipResponse): NotifierStep => to(state, { kind: 'respond', response })
  if (!isLive(state)) return refuse(newSipResponse(request, 481, 'Subscription does not exist'))
  const received = receiveInDialog(state.dialog, request)
  if (!received.ok) return refuse(newSipResponse(request, received.failure.status, received.failure.detail))
  const terms = judgeSubscribe(request, context.rules)
  if (!terms.ok) return refuse(terms.failure)
  // A second subscription may not share the dialog. @see RFC 6665 §4.5
  if (!sameEvent(state.event, terms.value.event))
    return refuse(newSipResponse(request, 489, 'Another event has its own dialog'))

  const { expiresS } = terms.value
  const expiresAtMs = context.nowMs + expiresS * 1000
  const next: NotifierState = { ...state, dialog: received.value, expiresAtMs, owed: 'now' }
  const answer = accept(state, request, expiresS)
  if (expiresS === 0) return before([answer], terminate(next, farewell('unsubscribed'), context))
  const refreshed: NotifierEffect = { kind: 'report', report: { kind: 'refreshed', expiresAtMs } }
  // Each SUBSCRIBE is answered by a NOTIFY with the full state. @see RFC 6665 §4.2.1.2
  return before([answer, arm('expiry', expiresS * 1000), refreshed], flush(next, context))
}

function onChanged(state: NotifierState, context: NotifierContext): NotifierStep {
  if (state.name === 'polled') return endPoll(state, context)
  // While it is pending the watcher may not see the document, and something owed will say the newest anyway.
  if (state.name !== 'active' || state.owed !== 'nothing') return to(state)
  return flush({ ...state, owed: 'soon' }, context)
}

function onReply(
  state: NotifierState,
  request: SipRequest,
  reply: SubscriptionReply,
  context: NotifierContext,
): NotifierStep {
  const { callId, cseq } = request.core
  if (state.name === 'ended' || callId !== state.dialog.callId || cseq.number !== state.outstanding) return to(state)
  const answered: NotifierState = { ...state, outstanding: null }
  const status = reply.kind === 'response' ? reply.response.status : undefined
  if (status !== undefined && status < 300) return flush({ ...answered, failures: 0 }, context)

  if (status !== undefined && REMOVING_STATUSES.has(status)) return end(answered, 'refused-by-watcher', status)
  // Timer F: nobody is there. @see RFC 6665 §4.2.2
  if (reply.kind === 'failed' && reply.cause === 'timeout') return end(answered, 'unreachable', undefined)
  const failures = state.failures + 1
  if (failures >= NOTIFY_TRIES) return end(answered, 'unreachable', status)
  const failed: NotifierState = { ...answered, failures }
  // What is owed anyway goes now; else the news that was lost goes once more, later.
  if (failed.owed === 'now') return flush(failed, context)
  return to({ ...failed, owed: 'soon' }, arm('interval', NOTIFY_RETRY_MS))
}

function onTimer(state: NotifierState, timer: NotifierTimer, context: NotifierContext): NotifierStep {
  if (timer === 'poll') return state.name === 'polled' ? endPoll(state, context) : to(state)
  if (!isLive(state)) return to(state)
  if (timer === 'expiry') return expire(state, context)
  return state.owed === 'soon' ? flush({ ...state, owed: 'now' }, context) : to(state)
}

const expire = (state: NotifierState, context: NotifierContext): NotifierStep =>
  terminate(state, farewell('expired'), context)

const farewell = (cause: NotifierEndCause): NonNullable<NotifierState['termination']> => ({
  reason: 'timeout',
  retryAfterS: null,
  document: 'farewell',
  cause,
})

const endPoll = (state: NotifierState, context: NotifierContext): NotifierStep =>
  terminate(
    state,
    { reason: 'timeout', retryAfterS: null, document: state.name === 'pending' ? 'none' : 'current', cause: 'polled' },
    context,
  )

function terminate(
  state: NotifierState,
  termination: NonNullable<NotifierState['termination']>,
  context: NotifierContext,
): NotifierStep {
  // A watcher never let in is not told at the end what it could not see before.
  const document = state.name === 'pending' ? 'none' : termination.document
  return flush({ ...state, name: 'ending', owed: 'now', termination: { ...termination, document } }, context)
}
