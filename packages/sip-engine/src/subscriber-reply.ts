import { unreachable } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import { arm, stop, to } from './effects.ts'
import { LONGEST_S } from './soft-state.ts'
import { decideOnReply } from './subscriber-decision.ts'
import { backoffMs, end, follow, interrupt } from './subscriber-end.ts'
import { expireAfter, refresh, send } from './subscriber-request.ts'
import { isPoll, report } from './subscriber-state.ts'
import type {
  Refreshing,
  Subscribed,
  Subscribing,
  SubscriberCause,
  SubscriberContext,
  SubscriberState,
  SubscriberStep,
} from './subscriber-state.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

export function onReply(
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

/** The refresh failed, the subscription did not. @see RFC 6665 §4.1.2.2 */
function keep(state: Subscribed, wantedAfterMs: number | undefined, context: SubscriberContext): SubscriberStep {
  const failures = state.failures + 1
  const afterMs = Math.max(wantedAfterMs ?? 0, backoffMs(failures, context))
  return to({ ...state, failures, refreshing: null }, stop('N'), arm('refresh', afterMs))
}

const causeOfReply = (reply: SubscriptionReply): SubscriberCause =>
  reply.kind === 'failed'
    ? { reason: reply.cause, status: undefined, detail: reply.detail }
    : { reason: String(reply.response.status), status: reply.response.status, detail: reply.response.reason }
