import { unreachable } from '@stox/kernel'
import { T1_MS, TRANSACTION_MS } from './timers.ts'
import type { Carrier } from './timers.ts'

/** The INVITE client transaction, with the state that RFC 6026 adds for 2xx. @see RFC 3261 §17.1.1, RFC 6026 §8.4 */
export type InviteClientState =
  | {
      readonly name: 'calling'
      readonly carrier: Carrier
      readonly resendAfterMs: number
      /** Nobody waits any more; nothing may be cancelled before it was heard. @see RFC 3261 §9.1 */
      readonly unwanted: boolean
    }
  | { readonly name: 'proceeding'; readonly carrier: Carrier; readonly cancelled: boolean }
  /** Refused; copies of the refusal are acknowledged again. */
  | { readonly name: 'completed' }
  /** Accepted; copies of the 2xx, and those of other forks, go to whoever acknowledges them. */
  | { readonly name: 'accepted' }
  | { readonly name: 'terminated' }

/** `patience`: how long whoever asks waits for the final answer; after a CANCEL, how long for the end of it. */
export type InviteClientTimer = 'A' | 'B' | 'D' | 'M' | 'patience'

export type InviteClientInput =
  | { readonly kind: 'response'; readonly status: number }
  | { readonly kind: 'timer'; readonly timer: InviteClientTimer }
  | { readonly kind: 'transport-error' }

export type InviteClientEffect =
  | { readonly kind: 'send-request' }
  /** For the refusal that came in. @see RFC 3261 §17.1.1.3 */
  | { readonly kind: 'send-ack' }
  /** As a transaction of its own. @see RFC 3261 §9.1 */
  | { readonly kind: 'send-cancel' }
  | { readonly kind: 'arm-timer'; readonly timer: InviteClientTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: InviteClientTimer }
  | { readonly kind: 'report-provisional' }
  | { readonly kind: 'report-final' }
  /** One more 2xx: a copy, or of another fork. */
  | { readonly kind: 'report-accepted' }
  | { readonly kind: 'report-failure'; readonly cause: 'timeout' | 'transport' }

export interface InviteClientStep {
  readonly state: InviteClientState
  readonly effects: readonly InviteClientEffect[]
}

const TERMINATED: InviteClientState = { name: 'terminated' }
const SEND: InviteClientEffect = { kind: 'send-request' }
const ACK: InviteClientEffect = { kind: 'send-ack' }
const CANCEL: InviteClientEffect = { kind: 'send-cancel' }
const FINAL: InviteClientEffect = { kind: 'report-final' }
const TIMEOUT: InviteClientEffect = { kind: 'report-failure', cause: 'timeout' }

const to = (state: InviteClientState, ...effects: readonly InviteClientEffect[]): InviteClientStep => ({
  state,
  effects,
})
const arm = (timer: InviteClientTimer, afterMs: number): InviteClientEffect => ({ kind: 'arm-timer', timer, afterMs })
const stop = (timer: InviteClientTimer): InviteClientEffect => ({ kind: 'cancel-timer', timer })

type Waiting = Extract<InviteClientState, { readonly name: 'calling' | 'proceeding' }>

/** Sends the INVITE, on a datagram transport until somebody answers. @see RFC 3261 §17.1.1.2 */
export function startInviteClient(carrier: Carrier, patienceMs: number): InviteClientStep {
  const state: InviteClientState = { name: 'calling', carrier, resendAfterMs: T1_MS, unwanted: false }
  const timers = [arm('B', TRANSACTION_MS), arm('patience', patienceMs)]
  return carrier === 'datagram' ? to(state, ...timers, arm('A', T1_MS), SEND) : to(state, ...timers, SEND)
}

export function advanceInviteClient(state: InviteClientState, input: InviteClientInput): InviteClientStep {
  switch (state.name) {
    case 'calling':
    case 'proceeding':
      return whileWaiting(state, input)
    case 'completed':
      if (input.kind === 'response') return input.status >= 300 ? to(state, ACK) : to(state)
      return input.kind === 'timer' && input.timer === 'D' ? to(TERMINATED) : to(state)
    case 'accepted':
      if (input.kind === 'response' && input.status >= 200 && input.status < 300)
        return to(state, { kind: 'report-accepted' })
      return input.kind === 'timer' && input.timer === 'M' ? to(TERMINATED) : to(state)
    case 'terminated':
      return to(state)
    default:
      return unreachable(state)
  }
}

const stopped = (state: Waiting): readonly InviteClientEffect[] =>
  state.name === 'calling' ? [stop('A'), stop('B'), stop('patience')] : [stop('patience')]

function whileWaiting(state: Waiting, input: InviteClientInput): InviteClientStep {
  switch (input.kind) {
    case 'response':
      return onResponse(state, input.status)
    case 'timer':
      return onTimer(state, input.timer)
    case 'transport-error':
      return to(TERMINATED, ...stopped(state), { kind: 'report-failure', cause: 'transport' })
    default:
      return unreachable(input)
  }
}

function onResponse(state: Waiting, status: number): InviteClientStep {
  if (status >= 300) {
    // Timer D is zero on a stream.
    return state.carrier === 'stream'
      ? to(TERMINATED, ...stopped(state), ACK, FINAL)
      : to({ name: 'completed' }, ...stopped(state), arm('D', TRANSACTION_MS), ACK, FINAL)
  }
  if (status >= 200) return to({ name: 'accepted' }, ...stopped(state), arm('M', TRANSACTION_MS), FINAL)
  if (state.name === 'proceeding') return to(state, { kind: 'report-provisional' })
  const heard: readonly InviteClientEffect[] = [stop('A'), stop('B'), { kind: 'report-provisional' }]
  return state.unwanted
    ? to({ name: 'proceeding', carrier: state.carrier, cancelled: true }, ...heard, ...CANCELLING)
    : to({ name: 'proceeding', carrier: state.carrier, cancelled: false }, ...heard)
}

/** A server that knows no CANCEL is not waited for longer. @see RFC 3261 §9.1 */
const CANCELLING: readonly InviteClientEffect[] = [arm('patience', TRANSACTION_MS), CANCEL]

function onTimer(state: Waiting, timer: InviteClientTimer): InviteClientStep {
  if (timer === 'patience') {
    if (state.name === 'calling') return to({ ...state, unwanted: true })
    return state.cancelled ? to(TERMINATED, TIMEOUT) : to({ ...state, cancelled: true }, ...CANCELLING)
  }
  if (state.name !== 'calling') return to(state)
  if (timer === 'B') return to(TERMINATED, stop('A'), stop('patience'), TIMEOUT)
  if (timer !== 'A') return to(state)
  // No T2 here: the pauses grow until Timer B. @see RFC 3261 §17.1.1.2
  const resendAfterMs = state.resendAfterMs * 2
  return to({ ...state, resendAfterMs }, arm('A', resendAfterMs), SEND)
}
