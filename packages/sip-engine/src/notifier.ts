import { fail, ok, unreachable } from '@stox/kernel'
import type { Ids, Result } from '@stox/kernel'
import { accepts, contactOf, formatSubscriptionState, newSipResponse, parseDeltaSeconds, parseEvent } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { dialogFromRequest, dialogKey, receiveInDialog, requestInDialog, resumedDialog } from './dialog.ts'
import type { Dialog, OutgoingRequest } from './dialog.ts'
import { sameEvent } from './same-event.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

export interface SubscribeRules {
  /** Event packages we serve: `presence`. */
  readonly events: readonly string[]
  /** The body type we send; the watcher must accept it (an absent Accept does). */
  readonly bodyType: string
  readonly minExpiresS: number
  readonly maxExpiresS: number
  readonly defaultExpiresS: number
  /** At least this long between two NOTIFYs of one dialog. @see RFC 3856 §6.10 */
  readonly minNotifyIntervalMs: number
}

export const DEFAULT_SUBSCRIBE_RULES: SubscribeRules = {
  events: ['presence'],
  bodyType: 'application/pidf+xml',
  minExpiresS: 60,
  maxExpiresS: 3600,
  defaultExpiresS: 3600,
  minNotifyIntervalMs: 5000,
}

/** What a SUBSCRIBE asks for, checked and granted. */
export interface SubscribeTerms {
  /** The Event header as written. */
  readonly event: string
  /** 0: a poll, or the end. */
  readonly expiresS: number
}

export interface NotifyDocument {
  readonly contentType: string
  readonly body: string
}

export interface NotifierContext {
  readonly nowMs: number
  readonly ids: Ids
  readonly rules: SubscribeRules
  /**
   * Asked when a NOTIFY is written, so that it always says the newest. `current`: the full state, undefined when nothing
   * is known; `farewell`: the state that ends a subscription (all closed).
   */
  document(kind: 'current' | 'farewell'): NotifyDocument | undefined
}

/** @see RFC 6665 §4.1.3 */
export type TerminationReason =
  'deactivated' | 'probation' | 'rejected' | 'timeout' | 'giveup' | 'noresource' | 'invariant'

export interface Termination {
  readonly reason: TerminationReason
  readonly retryAfterS: number | null
  readonly document: 'none' | 'current' | 'farewell'
}

export type NotifierEndCause =
  'unsubscribed' | 'expired' | 'polled' | 'terminated' | 'refused-by-watcher' | 'unreachable'

/** Plain JSON. @see RFC 6665 §4.2.1, figure 3 */
export interface NotifierState {
  /** `polled`: the one NOTIFY waits for something to say. `ending`: the last NOTIFY waits until the one before it is answered. */
  readonly name: 'pending' | 'active' | 'polled' | 'ending' | 'ended'
  readonly dialog: Dialog
  /** The Event header as the watcher wrote it. */
  readonly event: string
  readonly contact: string
  readonly expiresAtMs: number
  /** CSeq of the NOTIFY that waits for its response. */
  readonly outstanding: number | null
  /** A NOTIFY that is owed: `soon` keeps the interval, `now` only waits for the outstanding one. */
  readonly owed: 'nothing' | 'soon' | 'now'
  readonly lastNotifyAtMs: number
  /** NOTIFYs in a row that failed. */
  readonly failures: number
  readonly termination: (Termination & { readonly cause: NotifierEndCause }) | null
}

/** `interval`: the pause between NOTIFYs is over; `poll`: the wait for something to say is. */
export type NotifierTimer = 'expiry' | 'interval' | 'poll'

export type NotifierInput =
  /** SUBSCRIBE within the dialog (`dialogKeyOf`): refresh or end. */
  | { readonly kind: 'subscribe'; readonly request: SipRequest }
  | { readonly kind: 'authorize'; readonly authorization: 'pending' | 'active' }
  /** The document has changed. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'terminate'; readonly termination: Termination }
  /** The end of a NOTIFY that `send-notify` asked for. */
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  | { readonly kind: 'timer'; readonly timer: NotifierTimer }

export type NotifierReport =
  /** The watcher has come back: its interest lasts until `expiresAtMs`. */
  | { readonly kind: 'refreshed'; readonly expiresAtMs: number }
  | {
      readonly kind: 'ended'
      readonly cause: NotifierEndCause
      readonly status: number | undefined
    }

export type NotifierEffect =
  | { readonly kind: 'respond'; readonly response: SipResponse }
  | ({ readonly kind: 'send-notify' } & OutgoingRequest)
  /** Replaces the timer of that name, if armed. */
  | { readonly kind: 'arm-timer'; readonly timer: NotifierTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: NotifierTimer }
  | { readonly kind: 'report'; readonly report: NotifierReport }

export interface NotifierStep {
  readonly state: NotifierState
  readonly effects: readonly NotifierEffect[]
}

/** Failed NOTIFYs in a row before the watcher counts as gone, and the pause between them. @see mapping note D.5 */
const NOTIFY_TRIES = 3
const NOTIFY_RETRY_MS = 30_000
/** After a restart: how long the first NOTIFY waits for somebody to tell us what to say. */
const RESUME_WAIT_MS = 2000
/** Below this much, an expiry is short on purpose and may be refused. @see RFC 6665 §4.2.1.1 */
const BRIEF_S = 3600

/** Answers to NOTIFY that end the subscription. @see RFC 6665 §4.2.2 */
const REMOVING_STATUSES: ReadonlySet<number> = new Set([
  404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
])

/** The key for `dialogKeyOf(subscribe)`. */
export const notifierKey = (state: NotifierState): string => dialogKey(state.dialog.callId, state.dialog.localTag)

/** The checks every SUBSCRIBE passes, new or within a dialog; the failure is the response to give. @see mapping note D.5 */
export function judgeSubscribe(request: SipRequest, rules: SubscribeRules): Result<SubscribeTerms, SipResponse> {
  const refuse = (
    status: number,
    reason?: string,
    headers: readonly SipHeaderEntry[] = [],
  ): Result<never, SipResponse> => fail(newSipResponse(request, status, reason, { headers }))

  const event = request.headers.get('Event')
  const parsedEvent = event === undefined ? undefined : parseEvent(event)
  if (
    event === undefined ||
    parsedEvent === undefined ||
    !parsedEvent.ok ||
    !rules.events.includes(parsedEvent.value.package)
  ) {
    return refuse(489, undefined, [['Allow-Events', rules.events.join(', ')]])
  }
  if (!accepts(request.headers, rules.bodyType, true)) return refuse(406, undefined, [['Accept', rules.bodyType]])
  if (contactOf(request.headers) === undefined) return refuse(400, 'No usable Contact')

  const text = request.headers.get('Expires')
  const askedS = text === undefined ? rules.defaultExpiresS : parseDeltaSeconds(text)
  if (askedS === undefined) return refuse(400, 'No usable Expires')
  if (askedS > 0 && askedS < BRIEF_S && askedS < rules.minExpiresS) {
    return refuse(423, undefined, [['Min-Expires', String(rules.minExpiresS)]])
  }
  return ok({ event, expiresS: Math.min(askedS, rules.maxExpiresS) })
}

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

const to = (state: NotifierState, ...effects: readonly NotifierEffect[]): NotifierStep => ({ state, effects })
const arm = (timer: NotifierTimer, afterMs: number): NotifierEffect => ({ kind: 'arm-timer', timer, afterMs })
const stop = (timer: NotifierTimer): NotifierEffect => ({ kind: 'cancel-timer', timer })
const before = (effects: readonly NotifierEffect[], step: NotifierStep): NotifierStep =>
  to(step.state, ...effects, ...step.effects)
const STOP_ALL = [stop('expiry'), stop('interval'), stop('poll')]

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

/** Writes the NOTIFY that is owed, if it is its time: one at a time, and changes not faster than the interval. @see RFC 3856 §6.10 */
function flush(state: NotifierState, context: NotifierContext): NotifierStep {
  if (state.owed === 'nothing' || state.outstanding !== null) return to(state)
  const intervalMs = context.rules.minNotifyIntervalMs
  const pauseMs = Math.min(intervalMs, state.lastNotifyAtMs + intervalMs - context.nowMs) // the wall clock may step back
  if (state.owed === 'soon' && pauseMs > 0) return to(state, arm('interval', pauseMs))
  const step = notify(state, context)
  const { termination } = state
  return termination === null ? step : before(step.effects, end(step.state, termination.cause, undefined))
}

function notify(state: NotifierState, context: NotifierContext): NotifierStep {
  const document = documentOf(state, context)
  const { dialog, outgoing } = requestInDialog(state.dialog, 'NOTIFY', {
    headers: [
      ['Contact', `<${state.contact}>`],
      ['Event', state.event],
      ['Subscription-State', subscriptionStateOf(state, context)],
    ],
    ...document,
  })
  const next: NotifierState = {
    ...state,
    dialog,
    outstanding: dialog.localCSeq,
    owed: 'nothing',
    lastNotifyAtMs: context.nowMs,
  }
  return to(next, { kind: 'send-notify', ...outgoing })
}

function documentOf(state: NotifierState, context: NotifierContext): NotifyDocument | undefined {
  const which = state.termination === null ? (state.name === 'active' ? 'current' : 'none') : state.termination.document
  return which === 'none' ? undefined : context.document(which)
}

function subscriptionStateOf(state: NotifierState, context: NotifierContext): string {
  const { termination } = state
  if (termination === null) {
    const expires = Math.max(0, Math.round((state.expiresAtMs - context.nowMs) / 1000))
    return formatSubscriptionState({ state: state.name, expires, reason: undefined, retryAfterS: undefined })
  }
  const { reason, retryAfterS } = termination
  return formatSubscriptionState({
    state: 'terminated',
    expires: undefined,
    reason,
    retryAfterS: retryAfterS ?? undefined,
  })
}

const end = (state: NotifierState, cause: NotifierEndCause, status: number | undefined): NotifierStep =>
  to({ ...state, name: 'ended', owed: 'nothing' }, ...STOP_ALL, {
    kind: 'report',
    report: { kind: 'ended', cause: state.termination?.cause ?? cause, status },
  })
