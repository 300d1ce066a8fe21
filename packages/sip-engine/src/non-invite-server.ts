import { unreachable } from '@stox/kernel'
import { TRANSACTION_MS, TRYING_AFTER_MS } from './timers.ts'
import type { Carrier } from './timers.ts'

/**
 * RFC 6026 changes INVITE transactions only. DEVIATION: a response that cannot be sent does not end the transaction, so
 * that a retransmission finds it and is not taken for a new message. @see RFC 3261 §17.2.2, figure 8
 */
export type NonInviteServerState =
  /** Nothing was sent; retransmissions are swallowed. */
  | { readonly name: 'trying'; readonly carrier: Carrier }
  /** 100 was sent, and is sent again for each retransmission. */
  | { readonly name: 'proceeding'; readonly carrier: Carrier }
  /** The final response was sent, and is sent again, the very same, for each retransmission. */
  | { readonly name: 'completed' }
  | { readonly name: 'terminated' }

/**
 * `trying`: the 100 that RFC 4320 asks for. `abandon`: 64·T1 after the request, when its client has given up and
 * nothing we could say would be heard.
 */
export type NonInviteServerTimer = 'trying' | 'abandon' | 'J'

export type NonInviteServerInput =
  | { readonly kind: 'retransmission' }
  /** The application has its final response. */
  | { readonly kind: 'answer' }
  | { readonly kind: 'timer'; readonly timer: NonInviteServerTimer }

export type NonInviteServerEffect =
  | { readonly kind: 'send-trying' }
  | { readonly kind: 'send-final' }
  | { readonly kind: 'arm-timer'; readonly timer: NonInviteServerTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: NonInviteServerTimer }
  /** The application never answered. */
  | { readonly kind: 'report-unanswered' }

export interface NonInviteServerStep {
  readonly state: NonInviteServerState
  readonly effects: readonly NonInviteServerEffect[]
}

const TERMINATED: NonInviteServerState = { name: 'terminated' }
const COMPLETED: NonInviteServerState = { name: 'completed' }

const TRYING: NonInviteServerEffect = { kind: 'send-trying' }
const FINAL: NonInviteServerEffect = { kind: 'send-final' }
const STOP_TRYING: NonInviteServerEffect = { kind: 'cancel-timer', timer: 'trying' }
const STOP_ABANDON: NonInviteServerEffect = { kind: 'cancel-timer', timer: 'abandon' }

const to = (state: NonInviteServerState, ...effects: readonly NonInviteServerEffect[]): NonInviteServerStep => ({
  state,
  effects,
})

const started = (carrier: Carrier): NonInviteServerStep =>
  to(
    { name: 'trying', carrier },
    { kind: 'arm-timer', timer: 'trying', afterMs: TRYING_AFTER_MS },
    { kind: 'arm-timer', timer: 'abandon', afterMs: TRANSACTION_MS },
  )
const STARTED: Readonly<Record<Carrier, NonInviteServerStep>> = {
  datagram: started('datagram'),
  stream: started('stream'),
}
/** Timer J is zero on a stream: nothing is retransmitted there. */
const ANSWERED: Readonly<Record<Carrier, NonInviteServerStep>> = {
  datagram: to(COMPLETED, STOP_TRYING, STOP_ABANDON, { kind: 'arm-timer', timer: 'J', afterMs: TRANSACTION_MS }, FINAL),
  stream: to(TERMINATED, STOP_TRYING, STOP_ABANDON, FINAL),
}
const RESEND_FINAL = to(COMPLETED, FINAL)

/** A request has come. The 100 waits until the client's Timer E has reached T2, on every transport. @see RFC 4320 §4.1 */
export const startNonInviteServer = (carrier: Carrier): NonInviteServerStep => STARTED[carrier]

export function advanceNonInviteServer(state: NonInviteServerState, input: NonInviteServerInput): NonInviteServerStep {
  switch (state.name) {
    case 'trying':
    case 'proceeding':
      return whileUnanswered(state, input)
    case 'completed':
      if (input.kind === 'retransmission') return RESEND_FINAL
      return input.kind === 'timer' && input.timer === 'J' ? to(TERMINATED) : to(state)
    case 'terminated':
      return to(state)
    default:
      return unreachable(state)
  }
}

type UnansweredState = Extract<NonInviteServerState, { readonly name: 'trying' | 'proceeding' }>

function whileUnanswered(state: UnansweredState, input: NonInviteServerInput): NonInviteServerStep {
  switch (input.kind) {
    case 'retransmission':
      return state.name === 'proceeding' ? to(state, TRYING) : to(state)
    case 'answer':
      return ANSWERED[state.carrier]
    case 'timer':
      // A 408 now would only race with the client's own timeout. @see RFC 4320 §4.2
      if (input.timer === 'abandon') return to(TERMINATED, STOP_TRYING, { kind: 'report-unanswered' })
      return input.timer === 'trying' ? to({ name: 'proceeding', carrier: state.carrier }, TRYING) : to(state)
    default:
      return unreachable(input)
  }
}
