import { unreachable } from '@stox/kernel'
import { T1_MS, T2_MS, T4_MS, TRANSACTION_MS } from './timers.ts'
import type { Carrier } from './timers.ts'

/**
 * The INVITE server transaction of one who always refuses, at once: the lower half of figure 7. The states of RFC 6026
 * are for 2xx and come with sessions. @see RFC 3261 §17.2.1
 */
export type InviteRefusalState =
  | { readonly name: 'completed'; readonly carrier: Carrier; readonly resendAfterMs: number }
  /** Acknowledged; further ACKs are absorbed. */
  | { readonly name: 'confirmed' }
  | { readonly name: 'terminated' }

export type InviteRefusalTimer = 'G' | 'H' | 'I'

export type InviteRefusalInput =
  | { readonly kind: 'retransmission' }
  | { readonly kind: 'ack' }
  | { readonly kind: 'timer'; readonly timer: InviteRefusalTimer }

export type InviteRefusalEffect =
  | { readonly kind: 'send-final' }
  | { readonly kind: 'arm-timer'; readonly timer: InviteRefusalTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: InviteRefusalTimer }

export interface InviteRefusalStep {
  readonly state: InviteRefusalState
  readonly effects: readonly InviteRefusalEffect[]
}

const TERMINATED: InviteRefusalState = { name: 'terminated' }
const FINAL: InviteRefusalEffect = { kind: 'send-final' }
const STOP_G: InviteRefusalEffect = { kind: 'cancel-timer', timer: 'G' }
const STOP_H: InviteRefusalEffect = { kind: 'cancel-timer', timer: 'H' }

const to = (state: InviteRefusalState, ...effects: readonly InviteRefusalEffect[]): InviteRefusalStep => ({
  state,
  effects,
})
const armG = (afterMs: number): InviteRefusalEffect => ({ kind: 'arm-timer', timer: 'G', afterMs })

/** Sends the refusal, on a datagram transport until it is acknowledged. */
export function startInviteRefusal(carrier: Carrier): InviteRefusalStep {
  const state: InviteRefusalState = { name: 'completed', carrier, resendAfterMs: T1_MS }
  const armH: InviteRefusalEffect = { kind: 'arm-timer', timer: 'H', afterMs: TRANSACTION_MS }
  return carrier === 'datagram' ? to(state, armH, armG(T1_MS), FINAL) : to(state, armH, FINAL)
}

export function advanceInviteRefusal(state: InviteRefusalState, input: InviteRefusalInput): InviteRefusalStep {
  switch (state.name) {
    case 'completed':
      return whileUnacknowledged(state, input)
    case 'confirmed':
      return input.kind === 'timer' && input.timer === 'I' ? to(TERMINATED) : to(state)
    case 'terminated':
      return to(state)
    default:
      return unreachable(state)
  }
}

function whileUnacknowledged(
  state: Extract<InviteRefusalState, { readonly name: 'completed' }>,
  input: InviteRefusalInput,
): InviteRefusalStep {
  switch (input.kind) {
    case 'retransmission':
      return to(state, FINAL)
    case 'ack':
      // Timer I is zero on a stream.
      if (state.carrier === 'stream') return to(TERMINATED, STOP_H)
      return to({ name: 'confirmed' }, STOP_G, STOP_H, { kind: 'arm-timer', timer: 'I', afterMs: T4_MS })
    case 'timer': {
      if (input.timer === 'H') return to(TERMINATED, STOP_G)
      if (input.timer === 'I') return to(state)
      const resendAfterMs = Math.min(state.resendAfterMs * 2, T2_MS)
      return to({ ...state, resendAfterMs }, armG(resendAfterMs), FINAL)
    }
    default:
      return unreachable(input)
  }
}
