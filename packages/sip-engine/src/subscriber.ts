import { unreachable } from '@stox/kernel'
import type { Ids } from '@stox/kernel'
import { newSipRequest, newSipResponse, parseSubscriptionState, withTag } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse, SubscriptionState } from '@stox/sip'
import {
  dialogFromRequest,
  dialogKey,
  receiveInDialog,
  requestInDialog,
  resumedDialog,
  storedAddress,
} from './dialog.ts'
import type { Dialog, OutgoingRequest } from './dialog.ts'
import { sameEvent } from './same-event.ts'
import { decideOnReply, decideOnTermination } from './subscriber-decision.ts'
import type { SubscriberDecision } from './subscriber-decision.ts'
import type { SubscriptionReply } from './subscription-reply.ts'
import { TIMER_N_MS } from './timers.ts'

/** What to watch, and as whom. Plain JSON. */
export interface SubscriptionOrder {
  /** The Event header, compared byte for byte with that of a NOTIFY: `presence`. */
  readonly event: string
  /** The one body type we take: `application/pidf+xml`. */
  readonly accept: string
  /** Header values of From and To, without tags: `"Juliet" <sip:juliet@xmpp.example>`. */
  readonly from: string
  readonly to: string
  readonly requestUri: string
  /** The URI for Contact. */
  readonly contact: string
  /** 0 polls: one NOTIFY and the end. */
  readonly expiresS: number
  readonly headers?: readonly SipHeaderEntry[]
}

/** What the machine may ask of its surroundings. */
export interface SubscriberContext {
  readonly nowMs: number
  readonly ids: Ids
}

/** One try to subscribe: the identity of the SUBSCRIBE until a NOTIFY makes a dialog of it. */
export interface Attempt {
  readonly callId: string
  readonly localTag: string
  readonly cseq: number
  /** Where the last redirection or the order said to go. */
  readonly requestUri: string
  readonly expiresS: number
  /** 3xx and 423 are followed once. */
  readonly redirected: boolean
  readonly lengthened: boolean
  /** From the 2xx; null: none yet. */
  readonly grantedS: number | null
}

interface Common {
  readonly order: SubscriptionOrder
  /** The watched user has let us in before: only a clear refusal ends that. */
  readonly authorized: boolean
  /** Failed tries in a row, for the back-off. */
  readonly failures: number
  /** How often in a row the watched user was unknown (404, 410, 604). */
  readonly missing: number
}

/** No NOTIFY yet. `unwanted`: ends as soon as it has a dialog to end. */
type Subscribing = Common & {
  readonly name: 'subscribing'
  readonly attempt: Attempt
  readonly unwanted: boolean
}

/** The SUBSCRIBE of a refresh: done when both its response and a NOTIFY are here. */
interface Refreshing {
  readonly cseq: number
  readonly expiresS: number
  readonly answered: boolean
  readonly notified: boolean
  readonly lengthened: boolean
}

type Subscribed = Common & {
  readonly name: 'pending' | 'active'
  readonly dialog: Dialog
  readonly startedAtMs: number
  readonly expiresAtMs: number
  readonly refreshing: Refreshing | null
}

type Closing = Common & { readonly name: 'closing'; readonly dialog: Dialog }

/** Plain JSON. `settled`: the resource will never change, so there is no dialog, but what we know stays true. @see RFC 6665 §4.1.2 */
export type SubscriberState =
  | Subscribing
  | Subscribed
  | Closing
  | (Common & { readonly name: 'holdoff'; readonly retryAtMs: number })
  | (Common & { readonly name: 'settled' })
  | (Common & { readonly name: 'ended' })

export type SubscriberTimer = 'N' | 'refresh' | 'expiry' | 'retry'

export type SubscriberInput =
  /** The end of a SUBSCRIBE that `send-subscribe` asked for. */
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  /** A NOTIFY found by `dialogKeyOf`. Its body has been looked at: one we cannot take is answered 400 or 415 before it gets here. */
  | { readonly kind: 'notify'; readonly request: SipRequest }
  | { readonly kind: 'timer'; readonly timer: SubscriberTimer }
  /** Ask for the full state now (probe): refreshes the dialog, or ends a hold-off. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'unsubscribe' }

/** What the end or interruption came from, for the log and for the error the watcher may see. */
export interface SubscriberCause {
  /** A status, `timeout`, `transport`, `no-notify` (Timer N), `expired`, or the reason of a terminated subscription. */
  readonly reason: string
  readonly status: number | undefined
  readonly detail: string
}

export type SubscriberReport =
  /** 2xx: neutral, says nothing about authorization. */
  | { readonly kind: 'accepted'; readonly expiresS: number }
  /** A NOTIFY, already answered 200. The body is the full state as of now; empty: unknown. */
  | {
      readonly kind: 'notified'
      readonly state: 'pending' | 'active' | 'terminated'
      /** The first time that this watcher is let in. */
      readonly firstActive: boolean
      readonly contentType: string | undefined
      readonly contentLanguage: string | undefined
      readonly body: Uint8Array
    }
  /** No dialog for now; the authorization stays; the machine tries again by itself after `retryAfterMs`. */
  | { readonly kind: 'interrupted'; readonly cause: SubscriberCause; readonly retryAfterMs: number }
  /** Refused for good: tell the watcher `unavailable` and `unsubscribed`. */
  | { readonly kind: 'cancelled'; readonly cause: SubscriberCause }
  /** Over because we wanted it so, or because the poll is answered; `cause` when a poll failed. */
  | { readonly kind: 'ended'; readonly cause: SubscriberCause | undefined }

export type SubscriberEffect =
  | ({ readonly kind: 'send-subscribe' } & OutgoingRequest)
  | { readonly kind: 'respond'; readonly response: SipResponse }
  /** Replaces the timer of that name, if armed. */
  | { readonly kind: 'arm-timer'; readonly timer: SubscriberTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: SubscriberTimer }
  | { readonly kind: 'report'; readonly report: SubscriberReport }

export interface SubscriberStep {
  readonly state: SubscriberState
  readonly effects: readonly SubscriberEffect[]
}

/** A dialog that lived this long was a good one: what ends it starts the back-off anew. */
const GOOD_DIALOG_MS = 60_000
/** A user who was there before and is unknown now may come back. @see mapping note D.5 */
const MISSING_RETRY_MS = 3_600_000
const MISSING_TRIES = 3
const BACKOFF_FIRST_MS = 30_000
const BACKOFF_LONGEST_MS = 3_600_000
/** More than any notifier has reason to ask for (423) or to grant. */
const LONGEST_S = 30 * 86_400
/** NOTIFYs count the same expiry down in whole seconds: less than this is the same moment. */
const SAME_EXPIRY_MS = 5000

/** The key for `dialogKeyOf(notify)`; undefined while there is no try and no dialog. It changes with every new try. */
export function subscriberKey(state: SubscriberState): string | undefined {
  switch (state.name) {
    case 'subscribing':
      return dialogKey(state.attempt.callId, state.attempt.localTag)
    case 'pending':
    case 'active':
    case 'closing':
      return dialogKey(state.dialog.callId, state.dialog.localTag)
    case 'holdoff':
    case 'settled':
    case 'ended':
      return undefined
    default:
      return unreachable(state)
  }
}

export function openSubscription(
  order: SubscriptionOrder,
  context: SubscriberContext,
  options: { readonly authorized?: boolean } = {},
): SubscriberStep {
  return subscribe({ order, authorized: options.authorized ?? false, failures: 0, missing: 0 }, context)
}

export function advanceSubscriber(
  state: SubscriberState,
  input: SubscriberInput,
  context: SubscriberContext,
): SubscriberStep {
  switch (input.kind) {
    case 'reply':
      return onReply(state, input.request, input.reply, context)
    case 'notify':
      return onNotify(state, input.request, context)
    case 'timer':
      return onTimer(state, input.timer, context)
    case 'refresh':
      return onRefreshWanted(state, context)
    case 'unsubscribe':
      return onUnsubscribe(state)
    default:
      return unreachable(input)
  }
}

/** After a restart: refreshes at a random moment within `spreadMs`, so that the notifier tells everything again. @see mapping note D.10 */
export function resumeSubscriber(state: SubscriberState, context: SubscriberContext, spreadMs: number): SubscriberStep {
  const spread = (withinMs: number): number => Math.round(context.ids.fraction() * Math.max(0, withinMs))
  switch (state.name) {
    case 'subscribing':
      return state.unwanted ? end(state) : subscribe(state, context)
    case 'pending':
    case 'active': {
      const remainingMs = state.expiresAtMs - context.nowMs
      if (remainingMs <= 0) return subscribe(state, context)
      const next: Subscribed = { ...state, dialog: resumedDialog(state.dialog), refreshing: null }
      return to(next, arm('refresh', spread(Math.min(remainingMs / 2, spreadMs))), arm('expiry', remainingMs))
    }
    case 'closing':
      return close(state, resumedDialog(state.dialog))
    case 'holdoff':
      return to(state, arm('retry', Math.max(0, state.retryAtMs - context.nowMs) + spread(spreadMs)))
    case 'settled':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

const to = (state: SubscriberState, ...effects: readonly SubscriberEffect[]): SubscriberStep => ({ state, effects })
const arm = (timer: SubscriberTimer, afterMs: number): SubscriberEffect => ({ kind: 'arm-timer', timer, afterMs })
const stop = (timer: SubscriberTimer): SubscriberEffect => ({ kind: 'cancel-timer', timer })
const report = (what: SubscriberReport): SubscriberEffect => ({ kind: 'report', report: what })
const ARM_N = arm('N', TIMER_N_MS)

const common = ({ order, authorized, failures, missing }: Common): Common => ({ order, authorized, failures, missing })
const isPoll = (order: SubscriptionOrder): boolean => order.expiresS === 0

/** The timers that run in a state, to be stopped when it is left. */
function stopTimers(state: SubscriberState): readonly SubscriberEffect[] {
  switch (state.name) {
    case 'subscribing':
    case 'closing':
      return [stop('N')]
    case 'pending':
    case 'active':
      return [stop('N'), stop('refresh'), stop('expiry')]
    case 'holdoff':
      return [stop('retry')]
    case 'settled':
    case 'ended':
      return []
    default:
      return unreachable(state)
  }
}

/** A new try: new Call-ID and From tag, since nothing of an old one may be taken for it. */
function subscribe(state: Common, context: SubscriberContext): SubscriberStep {
  return send(
    { ...common(state), name: 'subscribing', unwanted: false },
    {
      callId: context.ids.token(),
      localTag: context.ids.token(),
      cseq: 1,
      requestUri: state.order.requestUri,
      expiresS: state.order.expiresS,
      redirected: false,
      lengthened: false,
      grantedS: null,
    },
  )
}

/** @see RFC 6665 §4.1.2.1, §4.1.2.4 */
function send(state: Omit<Subscribing, 'attempt'>, attempt: Attempt): SubscriberStep {
  const { order } = state
  const request = newSipRequest({
    method: 'SUBSCRIBE',
    uri: attempt.requestUri,
    from: withTag(storedAddress(order.from), attempt.localTag),
    to: storedAddress(order.to),
    callId: attempt.callId,
    cseq: attempt.cseq,
    headers: subscribeHeaders(order, attempt.expiresS),
  })
  return to({ ...state, attempt }, { kind: 'send-subscribe', request, nextHop: undefined }, ARM_N)
}

const subscribeHeaders = (order: SubscriptionOrder, expiresS: number): readonly SipHeaderEntry[] => [
  ['Contact', `<${order.contact}>`],
  ['Event', order.event],
  ['Expires', String(expiresS)],
  ['Accept', order.accept],
  ['Allow-Events', order.event],
  ...(order.headers ?? []),
]

function onReply(
  state: SubscriberState,
  request: SipRequest,
  reply: SubscriptionReply,
  context: SubscriberContext,
): SubscriberStep {
  const { callId, cseq } = request.core
  switch (state.name) {
    case 'subscribing':
      if (callId !== state.attempt.callId || cseq.number !== state.attempt.cseq) return to(state)
      return onFirstReply(state, reply, context)
    case 'pending':
    case 'active':
      if (callId !== state.dialog.callId) return to(state)
      if (cseq.number !== state.refreshing?.cseq) return to(state) // the first reply, late: the NOTIFY has said it all
      return onRefreshReply(state, state.refreshing, reply, context)
    case 'closing':
      if (callId !== state.dialog.callId || cseq.number !== state.dialog.localCSeq) return to(state)
      // 2xx: the last NOTIFY is on its way. Anything else: there is nothing to end.
      return reply.kind === 'response' && reply.response.status < 300 ? to(state) : end(state)
    case 'holdoff':
    case 'settled':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

function onFirstReply(state: Subscribing, reply: SubscriptionReply, context: SubscriberContext): SubscriberStep {
  const { attempt } = state
  const decision = decideOnReply(reply, 'initial')
  const cause = causeOfReply(reply)
  switch (decision.kind) {
    case 'accepted': {
      const expiresS = Math.min(decision.expiresS ?? attempt.expiresS, attempt.expiresS)
      return to({ ...state, attempt: { ...attempt, grantedS: expiresS } }, report({ kind: 'accepted', expiresS }))
    }
    case 'lengthen': {
      const senseless = decision.expiresS <= attempt.expiresS || decision.expiresS > LONGEST_S || isPoll(state.order)
      if (state.unwanted || attempt.lengthened || senseless) return interrupt(state, undefined, cause, context)
      return send(state, { ...attempt, cseq: attempt.cseq + 1, expiresS: decision.expiresS, lengthened: true })
    }
    case 'redirect':
      if (state.unwanted || attempt.redirected) return interrupt(state, undefined, cause, context)
      return send(state, { ...attempt, cseq: attempt.cseq + 1, requestUri: decision.uri, redirected: true })
    default:
      return follow(state, decision, cause, context)
  }
}

function onRefreshReply(
  state: Subscribed,
  refreshing: Refreshing,
  reply: SubscriptionReply,
  context: SubscriberContext,
): SubscriberStep {
  const decision = decideOnReply(reply, 'refresh')
  const cause = causeOfReply(reply)
  switch (decision.kind) {
    case 'accepted': {
      const expiresS = Math.min(decision.expiresS ?? refreshing.expiresS, refreshing.expiresS)
      const answered: Subscribed = {
        ...state,
        failures: 0,
        refreshing: refreshing.notified ? null : { ...refreshing, answered: true },
      }
      const step = expireAfter(answered, expiresS, context)
      return to(step.state, ...step.effects, report({ kind: 'accepted', expiresS }))
    }
    case 'lengthen':
      if (refreshing.lengthened || decision.expiresS > LONGEST_S) return keep(state, undefined, context)
      return refresh(state, decision.expiresS, true)
    case 'keep':
      return keep(state, decision.afterMs, context)
    default:
      return follow(state, decision, cause, context)
  }
}

/** What a decision means wherever there was an attempt or a dialog, and none stays. */
function follow(
  state: Subscribing | Subscribed,
  decision: SubscriberDecision,
  cause: SubscriberCause,
  context: SubscriberContext,
): SubscriberStep {
  if (state.name === 'subscribing' && state.unwanted) return end(state)
  switch (decision.kind) {
    case 'cancelled':
      return cancel(state, cause)
    case 'missing': {
      const missing = state.missing + 1
      if (!state.authorized || missing >= MISSING_TRIES) return cancel(state, cause)
      return interrupt({ ...state, missing }, MISSING_RETRY_MS, cause, context)
    }
    case 'settled':
      return to({ ...common(state), name: 'settled' }, ...stopTimers(state))
    case 'resubscribe':
    case 'holdoff':
    case 'keep':
      return interrupt(state, decision.afterMs, cause, context)
    case 'accepted':
    case 'lengthen':
    case 'redirect':
      return interrupt(state, undefined, cause, context) // handled where they make sense
    default:
      return unreachable(decision)
  }
}

/** No dialog for now. Polls and what nobody wants any more end here. */
function interrupt(
  state: Subscribing | Subscribed,
  wantedAfterMs: number | undefined,
  cause: SubscriberCause,
  context: SubscriberContext,
): SubscriberStep {
  if (isPoll(state.order) || (state.name === 'subscribing' && state.unwanted)) return end(state, cause)
  const good = state.name !== 'subscribing' && context.nowMs - state.startedAtMs >= GOOD_DIALOG_MS
  const failures = good ? 1 : state.failures + 1
  // `At once` is believed the first time; a notifier that keeps saying it gets the back-off.
  const immediate = wantedAfterMs !== undefined && wantedAfterMs < BACKOFF_FIRST_MS
  const afterMs =
    immediate && failures <= 1 ? wantedAfterMs : Math.max(wantedAfterMs ?? 0, backoffMs(failures, context))
  const leaving = stopTimers(state)
  const after: Common = { ...common(state), failures }
  const told = report({ kind: 'interrupted', cause, retryAfterMs: afterMs })
  if (afterMs === 0) {
    const step = subscribe(after, context)
    return to(step.state, ...leaving, told, ...step.effects)
  }
  return to({ ...after, name: 'holdoff', retryAtMs: context.nowMs + afterMs }, ...leaving, told, arm('retry', afterMs))
}

/** 30 s, doubled for each failure in a row, at most an hour; ± 20 %. @see mapping note D.6 */
function backoffMs(failures: number, context: SubscriberContext): number {
  const plainMs = Math.min(BACKOFF_FIRST_MS * 2 ** (failures - 1), BACKOFF_LONGEST_MS)
  return Math.round(plainMs * (0.8 + 0.4 * context.ids.fraction()))
}

const cancel = (state: SubscriberState, cause: SubscriberCause): SubscriberStep =>
  to({ ...common(state), authorized: false, name: 'ended' }, ...stopTimers(state), report({ kind: 'cancelled', cause }))

const end = (state: SubscriberState, cause?: SubscriberCause): SubscriberStep =>
  to({ ...common(state), name: 'ended' }, ...stopTimers(state), report({ kind: 'ended', cause }))

/** The refresh failed, the subscription did not. @see RFC 6665 §4.1.2.2 */
function keep(state: Subscribed, wantedAfterMs: number | undefined, context: SubscriberContext): SubscriberStep {
  const failures = state.failures + 1
  const afterMs = Math.max(wantedAfterMs ?? 0, backoffMs(failures, context))
  return to({ ...state, failures, refreshing: null }, stop('N'), arm('refresh', afterMs))
}

function refresh(state: Subscribed, expiresS: number, lengthened: boolean): SubscriberStep {
  const { dialog, outgoing } = requestInDialog(state.dialog, 'SUBSCRIBE', {
    headers: subscribeHeaders(state.order, expiresS),
  })
  const refreshing: Refreshing = { cseq: dialog.localCSeq, expiresS, answered: false, notified: false, lengthened }
  return to({ ...state, dialog, refreshing }, { kind: 'send-subscribe', ...outgoing }, ARM_N)
}

/** Ends a dialog: the notifier's last NOTIFY, or Timer N, is the end. @see RFC 6665 §4.1.2.3 */
function close(state: Common, dialog: Dialog): SubscriberStep {
  const last = requestInDialog(dialog, 'SUBSCRIBE', { headers: subscribeHeaders(state.order, 0) })
  const closing: Closing = { ...common(state), name: 'closing', dialog: last.dialog }
  return to(closing, { kind: 'send-subscribe', ...last.outgoing }, ARM_N)
}

function onNotify(state: SubscriberState, request: SipRequest, context: SubscriberContext): SubscriberStep {
  const refuse = (status: number, detail: string, headers: readonly SipHeaderEntry[] = []): SubscriberStep =>
    to(state, { kind: 'respond', response: newSipResponse(request, status, detail, { headers }) })
  if (state.name === 'holdoff' || state.name === 'settled' || state.name === 'ended') {
    return refuse(481, 'Subscription does not exist')
  }
  if (!sameEvent(state.order.event, request.headers.get('Event'))) {
    return refuse(489, 'Bad Event', [['Allow-Events', state.order.event]])
  }
  const text = request.headers.get('Subscription-State')
  const subscription = text === undefined ? undefined : parseSubscriptionState(text)
  if (subscription === undefined || !subscription.ok) return refuse(400, 'No usable Subscription-State')

  const received =
    state.name === 'subscribing'
      ? dialogFromRequest(request, state.attempt.localTag, state.attempt.cseq)
      : receiveInDialog(state.dialog, request)
  if (!received.ok) return refuse(received.failure.status, received.failure.detail)

  const answer: SubscriberEffect = { kind: 'respond', response: newSipResponse(request, 200) }
  // The same CSeq twice is the same NOTIFY by two ways: its news is old.
  if (state.name !== 'subscribing' && request.core.cseq.number === state.dialog.remoteCSeq) return to(state, answer)
  const step = takeNotify(state, received.value, subscription.value, request, context)
  return to(step.state, answer, ...step.effects)
}

type Notifiable = Subscribing | Subscribed | Closing

function takeNotify(
  state: Notifiable,
  dialog: Dialog,
  subscription: SubscriptionState,
  request: SipRequest,
  context: SubscriberContext,
): SubscriberStep {
  const terminated = subscription.state === 'terminated'
  if (state.name === 'closing') return terminated ? end(state) : to({ ...state, dialog })
  if (state.name === 'subscribing' && state.unwanted) return terminated ? end(state) : close(state, dialog)

  // A state we do not know lets nobody in. @see RFC 6665 §4.1.3
  const active = subscription.state === 'active'
  const news = report({
    kind: 'notified',
    state: terminated ? 'terminated' : active ? 'active' : 'pending',
    firstActive: active && !state.authorized,
    contentType: request.headers.get('Content-Type'),
    contentLanguage: request.headers.get('Content-Language'),
    body: request.body,
  })
  if (isPoll(state.order)) {
    const step = end(state)
    return to(step.state, news, ...step.effects)
  }
  if (terminated) {
    const cause = {
      reason: subscription.reason ?? 'terminated',
      status: undefined,
      detail: 'terminated by the notifier',
    }
    const step = follow(state, decideOnTermination(subscription, context.ids.fraction()), cause, context)
    return to(step.state, news, ...step.effects)
  }
  const known: Common = { ...common(state), authorized: state.authorized || active, missing: 0 }
  const name = active ? 'active' : 'pending'
  if (state.name === 'subscribing') {
    const subscribed: Subscribed = {
      ...known,
      name,
      dialog,
      startedAtMs: context.nowMs,
      expiresAtMs: Number.NEGATIVE_INFINITY,
      refreshing: null,
    }
    const step = expireAfter(
      subscribed,
      subscription.expires ?? state.attempt.grantedS ?? state.attempt.expiresS,
      context,
    )
    return to(step.state, stop('N'), news, ...step.effects)
  }
  const refreshing =
    state.refreshing === null || state.refreshing.answered ? null : { ...state.refreshing, notified: true }
  const subscribed: Subscribed = { ...state, ...known, name, dialog, refreshing }
  const step =
    subscription.expires === undefined ? to(subscribed) : expireAfter(subscribed, subscription.expires, context)
  return to(step.state, ...(state.refreshing === null ? [] : [stop('N')]), news, ...step.effects)
}

/** The notifier's word on the end of the subscription, and from it the moment to refresh. */
function expireAfter(state: Subscribed, expiresS: number, context: SubscriberContext): SubscriberStep {
  const lifetimeMs = Math.min(expiresS, LONGEST_S) * 1000
  const expiresAtMs = context.nowMs + lifetimeMs
  if (Math.abs(expiresAtMs - state.expiresAtMs) < SAME_EXPIRY_MS) return to(state)
  return to(
    { ...state, expiresAtMs },
    arm('refresh', refreshAfterMs(lifetimeMs, context.ids.fraction())),
    arm('expiry', lifetimeMs),
  )
}

/** A tenth, at least a minute, before the end, ± 5 %; never before half of the time. @see mapping note D.6 */
export function refreshAfterMs(lifetimeMs: number, fraction: number): number {
  const plainMs = lifetimeMs - Math.max(60_000, lifetimeMs / 10)
  return Math.round(Math.max(lifetimeMs / 2, plainMs * (0.95 + 0.1 * fraction)))
}

function onTimer(state: SubscriberState, timer: SubscriberTimer, context: SubscriberContext): SubscriberStep {
  switch (state.name) {
    case 'subscribing':
      return timer === 'N' ? interrupt(state, undefined, NO_NOTIFY, context) : to(state)
    case 'pending':
    case 'active':
      if (timer === 'refresh' && state.refreshing === null) return refresh(state, state.order.expiresS, false)
      if (timer === 'expiry') return interrupt(state, 0, EXPIRED, context)
      // Without a response the transaction's own timeout decides, and keeps the subscription.
      if (timer === 'N' && state.refreshing?.answered === true) return interrupt(state, 0, NO_NOTIFY, context)
      return to(state)
    case 'closing':
      return timer === 'N' ? end(state) : to(state)
    case 'holdoff':
      return timer === 'retry' ? subscribe(state, context) : to(state)
    case 'settled':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

function onRefreshWanted(state: SubscriberState, context: SubscriberContext): SubscriberStep {
  switch (state.name) {
    case 'pending':
    case 'active':
      return state.refreshing === null ? refresh(state, state.order.expiresS, false) : to(state)
    case 'holdoff': {
      const step = subscribe(state, context)
      return to(step.state, stop('retry'), ...step.effects)
    }
    case 'subscribing':
    case 'closing':
    case 'settled':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

function onUnsubscribe(state: SubscriberState): SubscriberStep {
  switch (state.name) {
    case 'subscribing':
      return to({ ...state, unwanted: true })
    case 'pending':
    case 'active': {
      const step = close(state, state.dialog)
      return to(step.state, ...stopTimers(state), ...step.effects)
    }
    case 'holdoff':
    case 'settled':
      return end(state)
    case 'closing':
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

const NO_NOTIFY: SubscriberCause = { reason: 'no-notify', status: undefined, detail: 'Timer N: no NOTIFY came' }
const EXPIRED: SubscriberCause = { reason: 'expired', status: undefined, detail: 'never refreshed in time' }

const causeOfReply = (reply: SubscriptionReply): SubscriberCause =>
  reply.kind === 'failed'
    ? { reason: reply.cause, status: undefined, detail: reply.detail }
    : { reason: String(reply.response.status), status: reply.response.status, detail: reply.response.reason }
