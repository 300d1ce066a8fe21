import { unreachable } from '@stox/kernel'
import { T1_MS, T2_MS, T4_MS, TRANSACTION_MS } from './timers.ts'
import type { Carrier } from './timers.ts'

/** @see RFC 3261 §17.1.2, figure 6 */
export type NonInviteClientState =
  | { readonly name: 'trying'; readonly carrier: Carrier; readonly resendAfterMs: number }
  | { readonly name: 'proceeding'; readonly carrier: Carrier }
  /** Answered; late copies of the response are absorbed. */
  | { readonly name: 'completed' }
  | { readonly name: 'terminated' }

export type NonInviteClientTimer = 'E' | 'F' | 'K'

export type NonInviteClientInput =
  | { readonly kind: 'response'; readonly status: number }
  | { readonly kind: 'timer'; readonly timer: NonInviteClientTimer }
  /** The request could not be sent. @see RFC 3261 §17.1.4 */
  | { readonly kind: 'transport-error' }

export type NonInviteClientEffect =
  | { readonly kind: 'send-request' }
  | { readonly kind: 'arm-timer'; readonly timer: NonInviteClientTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: NonInviteClientTimer }
  /** The response that came in is the final one. */
  | { readonly kind: 'report-final' }
  | { readonly kind: 'report-provisional' }
  | { readonly kind: 'report-failure'; readonly cause: 'timeout' | 'transport' }

/** Timers come first: what sending and reporting set off finds the transaction in order. */
export interface NonInviteClientStep {
  readonly state: NonInviteClientState
  readonly effects: readonly NonInviteClientEffect[]
}

const TERMINATED: NonInviteClientState = { name: 'terminated' }
const COMPLETED: NonInviteClientState = { name: 'completed' }

const SEND: NonInviteClientEffect = { kind: 'send-request' }
const ARM_F: NonInviteClientEffect = { kind: 'arm-timer', timer: 'F', afterMs: TRANSACTION_MS }
const STOP_E: NonInviteClientEffect = { kind: 'cancel-timer', timer: 'E' }
const STOP_F: NonInviteClientEffect = { kind: 'cancel-timer', timer: 'F' }
const FINAL: NonInviteClientEffect = { kind: 'report-final' }
const PROVISIONAL: NonInviteClientEffect = { kind: 'report-provisional' }

const to = (state: NonInviteClientState, ...effects: readonly NonInviteClientEffect[]): NonInviteClientStep => ({
  state,
  effects,
})
const armE = (afterMs: number): NonInviteClientEffect => ({ kind: 'arm-timer', timer: 'E', afterMs })

const STARTED: Readonly<Record<Carrier, NonInviteClientStep>> = {
  datagram: to({ name: 'trying', carrier: 'datagram', resendAfterMs: T1_MS }, ARM_F, armE(T1_MS), SEND),
  stream: to({ name: 'trying', carrier: 'stream', resendAfterMs: T1_MS }, ARM_F, SEND),
}
/** Timer K is zero on a stream: nothing late can come. */
const ANSWERED: Readonly<Record<Carrier, NonInviteClientStep>> = {
  datagram: to(COMPLETED, STOP_E, STOP_F, { kind: 'arm-timer', timer: 'K', afterMs: T4_MS }, FINAL),
  stream: to(TERMINATED, STOP_F, FINAL),
}

/** Sends the request; on a datagram transport until somebody answers. @see RFC 3261 §17.1.2.2 */
export const startNonInviteClient = (carrier: Carrier): NonInviteClientStep => STARTED[carrier]

export function advanceNonInviteClient(state: NonInviteClientState, input: NonInviteClientInput): NonInviteClientStep {
  switch (state.name) {
    case 'trying':
    case 'proceeding':
      return whileWaiting(state, input)
    case 'completed':
      return input.kind === 'timer' && input.timer === 'K' ? to(TERMINATED) : to(state)
    case 'terminated':
      return to(state)
    default:
      return unreachable(state)
  }
}

type WaitingState = Extract<NonInviteClientState, { readonly name: 'trying' | 'proceeding' }>

function whileWaiting(state: WaitingState, input: NonInviteClientInput): NonInviteClientStep {
  switch (input.kind) {
    case 'response':
      if (input.status >= 200) return ANSWERED[state.carrier]
      return to({ name: 'proceeding', carrier: state.carrier }, PROVISIONAL)
    case 'timer':
      return onTimer(state, input.timer)
    case 'transport-error':
      return to(TERMINATED, STOP_E, STOP_F, { kind: 'report-failure', cause: 'transport' })
    default:
      return unreachable(input)
  }
}

/** What the lettered timers do while we wait. @see RFC 3261 §17.1.2.2, figure 6 */
function onTimer(state: WaitingState, timer: NonInviteClientTimer): NonInviteClientStep {
  if (timer === 'F') return to(TERMINATED, STOP_E, { kind: 'report-failure', cause: 'timeout' })
  if (timer === 'K') return to(state)
  const afterMs = state.name === 'trying' ? Math.min(state.resendAfterMs * 2, T2_MS) : T2_MS
  const next: WaitingState = state.name === 'trying' ? { ...state, resendAfterMs: afterMs } : state
  return to(next, armE(afterMs), SEND)
}
