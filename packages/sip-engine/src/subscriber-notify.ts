import { newSipResponse, parseSubscriptionState } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SubscriptionState } from '@stox/sip'
import { dialogFromRequest, receiveInDialog } from './dialog.ts'
import type { Dialog } from './dialog.ts'
import { before, stop, to } from './effects.ts'
import { sameEvent } from './same-event.ts'
import { decideOnTermination } from './subscriber-decision.ts'
import { end, follow } from './subscriber-end.ts'
import { close, expireAfter } from './subscriber-request.ts'
import { common, isPoll, report } from './subscriber-state.ts'
import type {
  Closing,
  Common,
  Subscribed,
  Subscribing,
  SubscriberContext,
  SubscriberEffect,
  SubscriberState,
  SubscriberStep,
} from './subscriber-state.ts'

export function onNotify(state: SubscriberState, request: SipRequest, context: SubscriberContext): SubscriberStep {
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
  return before([answer], takeNotify(state, received.value, subscription.value, request, context))
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
    body: request.body,
  })
  if (isPoll(state.order)) return before([news], end(state))
  if (terminated) {
    const cause = {
      reason: subscription.reason ?? 'terminated',
      status: undefined,
      detail: 'terminated by the notifier',
    }
    const decision = decideOnTermination(subscription, context.ids.fraction())
    return before([news], follow(state, decision, cause, context))
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
    const expiresS = subscription.expires ?? state.attempt.grantedS ?? state.attempt.expiresS
    return before([stop('N'), news], expireAfter(subscribed, expiresS, context))
  }
  const refreshing =
    state.refreshing === null || state.refreshing.answered ? null : { ...state.refreshing, notified: true }
  const subscribed: Subscribed = { ...state, ...known, name, dialog, refreshing }
  const step =
    subscription.expires === undefined ? to(subscribed) : expireAfter(subscribed, subscription.expires, context)
  return before([...(state.refreshing === null ? [] : [stop('N')]), news], step)
}
