import { unreachable } from '@stox/kernel'
import type { Ids } from '@stox/kernel'
import { isToken, newSipRequest, withTag } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { storedAddress } from './dialog.ts'
import { arm, before, stop, to } from './effects.ts'
import type { Effect, Step } from './effects.ts'
import { LONGEST_S, refreshAfterMs } from './soft-state.ts'
import { retryAfterMsIn, secondsIn } from './subscription-reply.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

/** What to publish about whom. Plain JSON. */
export interface PublicationOrder {
  /** The Event header: `presence`. */
  readonly event: string
  readonly requestUri: string
  /** Header value of From and To, without tag: who publishes is who it is about. */
  readonly address: string
  readonly expiresS: number
  /** At least this long between two documents. @see RFC 3903 §9 */
  readonly minIntervalMs: number
  readonly headers?: readonly SipHeaderEntry[]
}

/** What the server shall say; `unknown`: what it says stands until we know better. */
export type PublishedDocument =
  | {
      readonly kind: 'document'
      readonly contentType: string
      body(): string
      /** Two documents with the same fingerprint say the same. */
      readonly fingerprint: string
    }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unknown' }

export interface PublicationContext {
  readonly nowMs: number
  readonly ids: Ids
  /** Asked when a PUBLISH is written, so that it always says the newest. */
  document(): PublishedDocument
}

/** @see RFC 3903 §4, table 1 */
export type PublishAct = 'initial' | 'refresh' | 'modify' | 'remove'

interface OutstandingPublish {
  readonly callId: string
  readonly act: PublishAct
  readonly expiresS: number
  readonly fingerprint: string | null
}

/** One publication at one server. Plain JSON. */
export interface PublicationState {
  readonly order: PublicationOrder
  /** Names what the server has of us; null: nothing that we know of. Every 2xx brings a new one. @see RFC 3903 §5, §8 */
  readonly etag: string | null
  readonly expiresAtMs: number | null
  /** Of the document that the server has. */
  readonly fingerprint: string | null
  /** One request at a time. @see RFC 3903 §4 */
  readonly outstanding: OutstandingPublish | null
  /** `soon` keeps the interval, `now` only waits for the outstanding one. */
  readonly owed: 'nothing' | 'soon' | 'now'
  /** It must be told that we are still there, whether there is news or not. */
  readonly refreshDue: boolean
  readonly lastSentAtMs: number | null
  /** As the server has asked for (423). */
  readonly expiresS: number
  readonly lengthened: boolean
  readonly failures: number
  /** Nothing is sent before that. */
  readonly retryAtMs: number | null
  /** What is there is taken away, and nothing comes in its place. */
  readonly leaving: boolean
  readonly ended: boolean
}

/** `pause`: the interval between documents is over. */
export type PublicationTimer = 'refresh' | 'expiry' | 'pause' | 'retry'
const TIMERS: readonly PublicationTimer[] = ['refresh', 'expiry', 'pause', 'retry']

export type PublicationInput =
  /** The document may have changed. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'leave' }
  /** Wanted again after all. */
  | { readonly kind: 'stay' }
  /** The end of a PUBLISH that `send-request` asked for. */
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  | { readonly kind: 'timer'; readonly timer: PublicationTimer }

export type PublicationReport =
  | { readonly kind: 'published'; readonly act: PublishAct; readonly expiresS: number }
  | { readonly kind: 'removed' }
  /** The server has nothing of us any more, against our will: 412, or no refresh got through in time. */
  | { readonly kind: 'lost'; readonly reason: 'unknown-etag' | 'expired' }
  /** It is tried again by itself. */
  | {
      readonly kind: 'failed'
      readonly act: PublishAct
      readonly status: number | undefined
      readonly detail: string
      readonly retryAfterMs: number
    }

export type PublicationEffect = Effect<PublicationTimer, PublicationReport>
export type PublicationStep = Step<PublicationState, PublicationEffect>

const BACKOFF_FIRST_MS = 30_000
const BACKOFF_LONGEST_MS = 3_600_000
/** Whoever refuses for good is asked again all the same, since somebody may mend it. */
const REFUSED_RETRY_MS = 3_600_000
/** No matter of a moment: wrong password, not allowed, no such user, no such method, no such event. */
const REFUSALS: ReadonlySet<number | undefined> = new Set([401, 403, 404, 405, 407, 410, 415, 416, 489, 501, 603, 604])

/** Nothing is there yet, and nothing is owed. */
export const newPublication = (order: PublicationOrder): PublicationState => ({
  order,
  etag: null,
  expiresAtMs: null,
  fingerprint: null,
  outstanding: null,
  owed: 'nothing',
  refreshDue: false,
  lastSentAtMs: null,
  expiresS: order.expiresS,
  lengthened: false,
  failures: 0,
  retryAtMs: null,
  leaving: false,
  ended: false,
})

/** One word for the API and the gauge. */
export function nameOfPublication(state: PublicationState): 'idle' | 'published' | 'held' | 'leaving' | 'ended' {
  if (state.ended) return 'ended'
  if (state.leaving) return 'leaving'
  if (state.retryAtMs !== null) return 'held'
  return state.etag === null ? 'idle' : 'published'
}

export function advancePublication(
  state: PublicationState,
  input: PublicationInput,
  context: PublicationContext,
): PublicationStep {
  if (state.ended) return to(state)
  switch (input.kind) {
    case 'changed':
      return flush({ ...state, owed: state.owed === 'now' ? 'now' : 'soon' }, context)
    case 'leave':
      return flush({ ...state, leaving: true, owed: 'now' }, context)
    case 'stay':
      return state.leaving ? flush({ ...state, leaving: false, owed: 'now' }, context) : to(state)
    case 'reply':
      return onReply(state, input.request, input.reply, context)
    case 'timer':
      return onTimer(state, input.timer, context)
    default:
      return unreachable(input)
  }
}

/**
 * After a restart: what was published is refreshed or modified by the etag that was kept, so that there are never two. A
 * PUBLISH that was under way may have changed the etag: then 412 says so. @see RFC 3903 §4.1, §5, mapping D.12
 */
export function resumePublication(
  state: PublicationState,
  context: PublicationContext,
  spreadMs: number,
): PublicationStep {
  if (state.ended) return to(state)
  const { nowMs } = context
  const lives = state.etag !== null && state.expiresAtMs !== null && state.expiresAtMs > nowMs
  const kept = lives ? state : without(state)
  const holdMs = kept.retryAtMs === null ? 0 : Math.max(0, kept.retryAtMs - nowMs)
  const resumed: PublicationState = {
    ...kept,
    outstanding: null,
    owed: 'soon',
    refreshDue: lives,
    lengthened: false,
    retryAtMs: holdMs > 0 ? kept.retryAtMs : null,
  }
  const leftMs = (resumed.expiresAtMs ?? nowMs) - nowMs
  return to(
    resumed,
    arm('pause', Math.round(context.ids.fraction() * Math.min(spreadMs, leftMs > 0 ? leftMs / 2 : spreadMs))),
    ...(lives ? [arm('expiry', leftMs)] : []),
    ...(holdMs > 0 ? [arm('retry', holdMs)] : []),
  )
}

const tell = (report: PublicationReport): PublicationEffect => ({ kind: 'report', report })

const without = (state: PublicationState): PublicationState => ({
  ...state,
  etag: null,
  expiresAtMs: null,
  fingerprint: null,
  refreshDue: false,
})

const end = (state: PublicationState): PublicationStep =>
  to({ ...without(state), owed: 'nothing', ended: true }, ...TIMERS.map(stop))

/** Sends what is owed, if it is its time and there is something to say. */
function flush(state: PublicationState, context: PublicationContext): PublicationStep {
  if (state.outstanding !== null || state.owed === 'nothing') return to(state)
  if (state.leaving && state.etag === null) return end(state)
  if (state.retryAtMs !== null) return to(state)
  const { minIntervalMs } = state.order
  const sinceMs = state.lastSentAtMs === null ? minIntervalMs : context.nowMs - state.lastSentAtMs
  const pauseMs = Math.min(minIntervalMs, minIntervalMs - sinceMs) // the wall clock may step back
  if (state.owed === 'soon' && pauseMs > 0) return to(state, arm('pause', pauseMs))

  const document: PublishedDocument = state.leaving ? { kind: 'nothing' } : context.document()
  const act = actFor(state, document)
  if (act === undefined) return to({ ...state, owed: 'nothing' })
  return send(state, act, document, context)
}

function actFor(state: PublicationState, document: PublishedDocument): PublishAct | undefined {
  switch (document.kind) {
    case 'nothing':
      return state.etag === null ? undefined : 'remove'
    case 'unknown':
      return state.refreshDue ? 'refresh' : undefined
    case 'document':
      if (state.etag === null) return 'initial'
      if (document.fingerprint !== state.fingerprint) return 'modify'
      return state.refreshDue ? 'refresh' : undefined
    default:
      return unreachable(document)
  }
}

/** No Contact, no Record-Route: PUBLISH makes no dialog. Each has a Call-ID of its own. @see RFC 3903 §4, table 1 */
function send(
  state: PublicationState,
  act: PublishAct,
  document: PublishedDocument,
  { ids, nowMs }: PublicationContext,
): PublicationStep {
  const { order, etag } = state
  const expiresS = act === 'remove' ? 0 : state.expiresS
  const callId = ids.token()
  const says = document.kind === 'document' && (act === 'initial' || act === 'modify') ? document : undefined
  const address = storedAddress(order.address)
  const request = newSipRequest({
    method: 'PUBLISH',
    uri: order.requestUri,
    from: withTag(address, ids.token()),
    to: address,
    callId,
    cseq: 1,
    headers: [
      ['Event', order.event],
      ['Expires', String(expiresS)],
      ...(etag === null ? [] : [['SIP-If-Match', etag] as const]),
      ...(order.headers ?? []),
    ],
    ...(says === undefined ? {} : { contentType: says.contentType, body: says.body() }),
  })
  const outstanding = { callId, act, expiresS, fingerprint: says?.fingerprint ?? null }
  return to({ ...state, outstanding, owed: 'nothing', refreshDue: false, lastSentAtMs: nowMs }, stop('pause'), {
    kind: 'send-request',
    request,
    nextHop: undefined,
  })
}

function onReply(
  state: PublicationState,
  request: SipRequest,
  reply: SubscriptionReply,
  context: PublicationContext,
): PublicationStep {
  const { outstanding } = state
  if (outstanding === null || outstanding.callId !== request.core.callId) return to(state)
  const { act } = outstanding
  const answered: PublicationState = { ...state, outstanding: null }
  if (reply.kind === 'failed') return hold(answered, act, undefined, reply.detail, undefined, context)
  const { response } = reply
  if (response.status < 300) return onAccepted(answered, outstanding, response, context)
  if (response.status === 412 && act !== 'initial') {
    // The server knows nothing of us: the same request is never sent again, a new publication is made. @see RFC 3903 §5
    const step = flush({ ...without(answered), owed: 'now' }, context)
    return before([stop('refresh'), stop('expiry'), tell({ kind: 'lost', reason: 'unknown-etag' })], step)
  }
  const minS = response.status === 423 ? secondsIn(response, 'Min-Expires') : undefined
  if (minS !== undefined && minS > outstanding.expiresS && minS <= LONGEST_S && act !== 'remove' && !state.lengthened)
    return flush(
      { ...answered, expiresS: minS, lengthened: true, owed: 'now', refreshDue: state.etag !== null },
      context,
    )
  const detail = `${response.status} ${response.reason}`
  return hold(answered, act, response.status, detail, retryAfterMsIn(response) || undefined, context)
}

function onAccepted(
  state: PublicationState,
  { act, expiresS: askedS, fingerprint }: OutstandingPublish,
  response: SipResponse,
  context: PublicationContext,
): PublicationStep {
  const good: PublicationState = { ...state, failures: 0, lengthened: false }
  if (act === 'remove') {
    const step = flush({ ...without(good), owed: good.leaving ? 'now' : good.owed }, context)
    return before([stop('refresh'), stop('expiry'), tell({ kind: 'removed' })], step)
  }
  // It may be shortened, never made longer. @see RFC 3903 §6
  const expiresS = Math.min(secondsIn(response, 'Expires') ?? askedS, askedS)
  const told = response.headers.get('SIP-ETag')?.trim() ?? ''
  // COMPAT: who says nothing has kept the one it had. Without any, ours could only be doubled: it has to end by itself.
  const etag = isToken(told) ? told : state.etag
  if (etag === null || expiresS === 0) {
    const detail = etag === null ? 'accepted without SIP-ETag' : 'accepted with Expires 0'
    return hold(without(state), act, response.status, detail, etag === null ? expiresS * 1000 : undefined, context)
  }
  const lifetimeMs = expiresS * 1000
  const published: PublicationState = {
    ...good,
    etag,
    expiresAtMs: context.nowMs + lifetimeMs,
    fingerprint: fingerprint ?? state.fingerprint,
    refreshDue: false,
  }
  return before(
    [
      arm('refresh', refreshAfterMs(lifetimeMs, context.ids.fraction())),
      arm('expiry', lifetimeMs),
      tell({ kind: 'published', act, expiresS }),
    ],
    flush(published, context),
  )
}

/** The publication stays as long as the server said; nothing is sent for a while. @see RFC 3261 §21.5.4 */
function hold(
  state: PublicationState,
  act: PublishAct,
  status: number | undefined,
  detail: string,
  askedMs: number | undefined,
  context: PublicationContext,
): PublicationStep {
  const backoffMs = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(state.failures, 10), BACKOFF_LONGEST_MS)
  const spreadMs = Math.round(backoffMs * (0.75 + 0.5 * context.ids.fraction()))
  const retryAfterMs = Math.min(askedMs ?? (REFUSALS.has(status) ? REFUSED_RETRY_MS : spreadMs), LONGEST_S * 1000)
  const held: PublicationState = {
    ...state,
    failures: state.failures + 1,
    owed: 'now',
    refreshDue: state.etag !== null,
    retryAtMs: context.nowMs + retryAfterMs,
  }
  const failed = tell({ kind: 'failed', act, status, detail, retryAfterMs })
  return before([failed, arm('retry', retryAfterMs)], flush(held, context))
}

function onTimer(state: PublicationState, timer: PublicationTimer, context: PublicationContext): PublicationStep {
  switch (timer) {
    case 'refresh':
      return state.etag === null ? to(state) : flush({ ...state, refreshDue: true, owed: 'now' }, context)
    case 'pause':
      return flush({ ...state, owed: state.owed === 'soon' ? 'now' : state.owed }, context)
    case 'retry':
      return flush({ ...state, retryAtMs: null, owed: 'now' }, context)
    case 'expiry': {
      if (state.etag === null) return to(state)
      const step = flush({ ...without(state), owed: 'now' }, context)
      return before([stop('refresh'), tell({ kind: 'lost', reason: 'expired' })], step)
    }
    default:
      return unreachable(timer)
  }
}
