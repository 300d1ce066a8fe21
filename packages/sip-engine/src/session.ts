import { ok, unreachable } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { newSipResponse } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import {
  ackInDialog,
  dialogFromRequest,
  dialogFromResponse,
  dialogKey,
  receiveInDialog,
  requestInDialog,
} from './dialog.ts'
import type { Dialog, DialogRefusal, InDialogRequest, OutgoingRequest } from './dialog.ts'
import { arm, stop } from './effects.ts'
import type { Step } from './effects.ts'
import type { SubscriptionReply } from './subscription-reply.ts'
import { T1_MS, T2_MS, TRANSACTION_MS } from './timers.ts'

/** A session of two, made by INVITE, whose words are requests within its dialog. @see RFC 3261 §13, §14, §15 */
export type SessionState =
  /** Ours, not answered yet. `unwanted`: why it is ended as soon as it is accepted. */
  | { readonly name: 'inviting'; readonly invite: SipRequest; readonly unwanted: SessionReason | undefined }
  /** Theirs (or changed by them) and accepted: the 2xx is repeated until its ACK comes. @see RFC 3261 §13.3.1.4 */
  | {
      readonly name: 'answered'
      readonly dialog: Dialog
      readonly inviteCSeq: number
      readonly answer: SipResponse
      readonly resendAfterMs: number
      readonly unwanted: SessionReason | undefined
      /** Whether it was open before. */
      readonly changing: boolean
    }
  | { readonly name: 'open'; readonly dialog: Dialog }
  | { readonly name: 'ended'; readonly localTag: string; readonly callId: string }

/** `resend`: of the 2xx; `ack`: no ACK has come; `idle`: nobody has said anything. */
export type SessionTimer = 'resend' | 'ack' | 'idle'

/** `refused`: the INVITE; `unacknowledged`: our 2xx; `lost`: the peer knows nothing of it, or is silent. */
export type SessionReason = 'refused' | 'bye' | 'unacknowledged' | 'lost' | 'gone' | 'idle' | 'room' | 'shutdown'

export interface SessionEnd {
  readonly by: 'us' | 'peer'
  readonly reason: SessionReason
}

/** What a 2xx to INVITE says. */
export interface SessionAnswer {
  readonly headers: readonly SipHeaderEntry[]
  readonly contentType: string
  readonly body: string
}

export interface SessionRefusal {
  readonly status: number
  readonly reason?: string
  readonly headers?: readonly SipHeaderEntry[]
}

export interface SessionContext {
  readonly idleMs: number
  /** What an offer within the session is answered by. */
  answerTo(invite: SipRequest): Result<SessionAnswer, SessionRefusal>
}

export type SessionInput =
  /** The final response to our INVITE, or one more 2xx to it. */
  | { readonly kind: 'accepted'; readonly response: SipResponse }
  | { readonly kind: 'refused' }
  | { readonly kind: 'ack'; readonly request: SipRequest }
  /** Anything else within the dialog. */
  | { readonly kind: 'request'; readonly request: SipRequest }
  | { readonly kind: 'say'; readonly method: 'MESSAGE' | 'INFO'; readonly content: InDialogRequest }
  /** How a request of ours within the dialog ended. */
  | { readonly kind: 'reply'; readonly reply: SubscriptionReply }
  | { readonly kind: 'end'; readonly reason: SessionReason }
  | { readonly kind: 'timer'; readonly timer: SessionTimer }

export type SessionEffect =
  | { readonly kind: 'send-invite'; readonly request: SipRequest }
  | ({ readonly kind: 'send-ack' } & OutgoingRequest)
  /** What was to be said. */
  | ({ readonly kind: 'send' } & OutgoingRequest)
  | ({ readonly kind: 'send-bye' } & OutgoingRequest)
  | { readonly kind: 'respond'; readonly response: SipResponse }
  /** A 2xx to INVITE, or the same once more. */
  | { readonly kind: 'accept'; readonly response: SipResponse }
  /** Theirs, and in order: somebody else answers it. */
  | { readonly kind: 'pass'; readonly request: SipRequest }
  | { readonly kind: 'arm-timer'; readonly timer: SessionTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: SessionTimer }
  | { readonly kind: 'report-open' }
  | { readonly kind: 'report-end'; readonly end: SessionEnd }

export type SessionStep = Step<SessionState, SessionEffect>

type Living = Extract<SessionState, { readonly name: 'answered' | 'open' }>

const to = (state: SessionState, ...effects: readonly SessionEffect[]): SessionStep => ({ state, effects })
const STOP_ALL: readonly SessionEffect[] = [stop('resend'), stop('ack'), stop('idle')]

/** By what requests within it find a session. */
export function sessionKey(state: SessionState): string {
  if (state.name === 'ended') return dialogKey(state.callId, state.localTag)
  if (state.name !== 'inviting') return dialogKey(state.dialog.callId, state.dialog.localTag)
  const { callId, from } = state.invite.core
  return dialogKey(callId, from.params.get('tag') ?? '')
}

/** @see RFC 3261 §13.2.1 */
export const openSession = (invite: SipRequest): SessionStep =>
  to({ name: 'inviting', invite, unwanted: undefined }, { kind: 'send-invite', request: invite })

/** @see RFC 3261 §13.3.1.4 */
export function acceptSession(
  invite: SipRequest,
  localTag: string,
  answer: SessionAnswer,
  context: SessionContext,
): Result<SessionStep, DialogRefusal> {
  const dialog = dialogFromRequest(invite, localTag, 0)
  if (!dialog.ok) return dialog
  return ok(answered(dialog.value, invite, answer, false, context))
}

function answered(
  dialog: Dialog,
  invite: SipRequest,
  { headers, contentType, body }: SessionAnswer,
  changing: boolean,
  context: SessionContext,
): SessionStep {
  const response = newSipResponse(invite, 200, undefined, { toTag: dialog.localTag, headers, contentType, body })
  return to(
    {
      name: 'answered',
      dialog,
      inviteCSeq: invite.core.cseq.number,
      answer: response,
      resendAfterMs: T1_MS,
      unwanted: undefined,
      changing,
    },
    arm('resend', T1_MS),
    arm('ack', TRANSACTION_MS),
    arm('idle', context.idleMs),
    { kind: 'accept', response },
  )
}

export function advanceSession(state: SessionState, input: SessionInput, context: SessionContext): SessionStep {
  switch (input.kind) {
    case 'accepted':
      return onAccepted(state, input.response, context)
    case 'refused':
      return state.name === 'inviting' ? end(state, { by: 'peer', reason: 'refused' }) : to(state)
    case 'ack':
      return onAck(state, input.request)
    case 'request':
      return onRequest(state, input.request, context)
    case 'say': {
      if (state.name !== 'open' && state.name !== 'answered') return to(state)
      const { dialog, outgoing } = requestInDialog(state.dialog, input.method, input.content)
      return to({ ...state, dialog }, arm('idle', context.idleMs), { kind: 'send', ...outgoing })
    }
    case 'reply':
      return state.name === 'open' || state.name === 'answered' ? onReply(state, input.reply) : to(state)
    case 'end':
      return onEnd(state, input.reason)
    case 'timer':
      return onTimer(state, input.timer)
    default:
      return unreachable(input)
  }
}

/** A second 2xx is acknowledged as the first; one of another fork makes a dialog that nobody needs. @see RFC 3261 §13.2.2.4 */
function onAccepted(state: SessionState, response: SipResponse, context: SessionContext): SessionStep {
  const { number } = response.core.cseq
  const tag = response.core.to.params.get('tag') ?? ''
  if (state.name === 'inviting') {
    const made = dialogFromResponse(response, state.invite.core.cseq.number, state.invite.uri)
    if (!made.ok) return end(state, { by: 'us', reason: 'lost' })
    const dialog = made.value
    const ack: SessionEffect = { kind: 'send-ack', ...ackInDialog(dialog, number) }
    if (state.unwanted !== undefined) {
      const step = bye({ name: 'open', dialog }, state.unwanted)
      return to(step.state, ack, ...step.effects)
    }
    return to({ name: 'open', dialog }, ack, arm('idle', context.idleMs), { kind: 'report-open' })
  }
  if (state.name !== 'ended' && tag === state.dialog.remoteTag)
    return to(state, { kind: 'send-ack', ...ackInDialog(state.dialog, number) })
  return to(state, ...unwantedFork(response))
}

/** Acknowledged, and ended at once. */
function unwantedFork(response: SipResponse): readonly SessionEffect[] {
  const { number } = response.core.cseq
  const fork = dialogFromResponse(response, number, undefined)
  if (!fork.ok) return []
  return [
    { kind: 'send-ack', ...ackInDialog(fork.value, number) },
    { kind: 'send-bye', ...requestInDialog(fork.value, 'BYE', {}).outgoing },
  ]
}

function onAck(state: SessionState, { core }: SipRequest): SessionStep {
  if (state.name !== 'answered' || core.cseq.number !== state.inviteCSeq) return to(state)
  if ((core.from.params.get('tag') ?? '') !== state.dialog.remoteTag) return to(state)
  const opened: SessionState = { name: 'open', dialog: state.dialog }
  const heard = [stop('resend'), stop('ack')]
  if (state.unwanted !== undefined) {
    const step = bye(opened, state.unwanted)
    return to(step.state, ...heard, ...step.effects)
  }
  return state.changing ? to(opened, ...heard) : to(opened, ...heard, { kind: 'report-open' })
}

const refuse = (state: SessionState, request: SipRequest, refusal: SessionRefusal): SessionStep =>
  to(state, {
    kind: 'respond',
    response: newSipResponse(request, refusal.status, refusal.reason, { headers: refusal.headers ?? [] }),
  })

function onRequest(state: SessionState, request: SipRequest, context: SessionContext): SessionStep {
  if (state.name === 'ended') return refuse(state, request, { status: 481 })
  // Both have an INVITE under way. @see RFC 3261 §14.2
  if (state.name === 'inviting') return refuse(state, request, { status: request.method === 'INVITE' ? 491 : 481 })
  const received = receiveInDialog(state.dialog, request)
  if (!received.ok) return refuse(state, request, { status: received.failure.status, reason: received.failure.detail })
  // Of what comes here INVITE alone may say a new target. @see RFC 3261 §12.2.2
  const dialog =
    request.method === 'INVITE' ? received.value : { ...received.value, remoteTarget: state.dialog.remoteTarget }
  switch (request.method) {
    case 'MESSAGE':
    case 'INFO':
      return to({ ...state, dialog }, arm('idle', context.idleMs), { kind: 'pass', request })
    case 'BYE': {
      const step = end({ ...state, dialog }, { by: 'peer', reason: 'bye' })
      return to(step.state, { kind: 'respond', response: newSipResponse(request, 200) }, ...step.effects)
    }
    case 'INVITE':
      return onChange({ ...state, dialog }, request, context)
    default:
      return refuse(state, request, { status: 405 })
  }
}

/** @see RFC 3261 §14.2 */
function onChange(state: Living, invite: SipRequest, context: SessionContext): SessionStep {
  if (state.name === 'answered') return refuse(state, invite, { status: 491 })
  const answer = context.answerTo(invite)
  return answer.ok ? answered(state.dialog, invite, answer.value, true, context) : refuse(state, invite, answer.failure)
}

/** What says that the dialog is no more, and not only the request. @see RFC 5057 §5.1, RFC 3261 §12.2.1.2 */
const ENDS_DIALOG: ReadonlySet<number> = new Set([404, 410, 416, 482, 483, 484, 485, 502, 604])

function onReply(state: Living, reply: SubscriptionReply): SessionStep {
  if (reply.kind === 'failed') return reply.cause === 'overload' ? to(state) : bye(state, 'lost')
  const { status } = reply.response
  if (status === 481 || status === 408 || status === 487) return end(state, { by: 'peer', reason: 'lost' })
  return ENDS_DIALOG.has(status) ? bye(state, 'lost') : to(state)
}

function onEnd(state: SessionState, reason: SessionReason): SessionStep {
  switch (state.name) {
    case 'inviting':
    case 'answered':
      // No BYE before the ACK. @see RFC 3261 §15
      return to({ ...state, unwanted: reason })
    case 'open':
      return bye(state, reason)
    case 'ended':
      return to(state)
    default:
      return unreachable(state)
  }
}

function onTimer(state: SessionState, timer: SessionTimer): SessionStep {
  if (state.name !== 'answered') return state.name === 'open' && timer === 'idle' ? bye(state, 'idle') : to(state)
  switch (timer) {
    case 'resend': {
      const resendAfterMs = Math.min(state.resendAfterMs * 2, T2_MS)
      return to({ ...state, resendAfterMs }, arm('resend', resendAfterMs), { kind: 'accept', response: state.answer })
    }
    case 'ack':
      return bye(state, 'unacknowledged')
    case 'idle':
      return to({ ...state, unwanted: 'idle' })
    default:
      return unreachable(timer)
  }
}

/** @see RFC 3261 §15.1.1 */
function bye(state: Living, reason: SessionReason): SessionStep {
  const last = requestInDialog(state.dialog, 'BYE', {})
  const step = end({ ...state, dialog: last.dialog }, { by: 'us', reason })
  return to(step.state, { kind: 'send-bye', ...last.outgoing }, ...step.effects)
}

function end(state: Exclude<SessionState, { readonly name: 'ended' }>, how: SessionEnd): SessionStep {
  const { callId, localTag } =
    state.name === 'inviting'
      ? { callId: state.invite.core.callId, localTag: state.invite.core.from.params.get('tag') ?? '' }
      : state.dialog
  return to({ name: 'ended', callId, localTag }, ...STOP_ALL, { kind: 'report-end', end: how })
}
