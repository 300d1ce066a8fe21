import { unreachable } from '@stox/kernel'
import { INVITE_TRYING_AFTER_MS, T1_MS, T2_MS, T4_MS, TRANSACTION_MS } from './timers.ts'
import type { Carrier } from './timers.ts'

/** The INVITE server transaction, with the state that RFC 6026 adds for 2xx. @see RFC 3261 §17.2.1, RFC 6026 §7.1 */
export type InviteServerState =
  /** Not answered; `tried`: 100 was sent, and is sent again for each retransmission. */
  | { readonly name: 'proceeding'; readonly carrier: Carrier; readonly tried: boolean }
  /** Accepted: whoever did it repeats the 2xx until its ACK comes, which is no part of this. */
  | { readonly name: 'accepted' }
  /** Refused, and repeated until acknowledged. */
  | { readonly name: 'completed'; readonly carrier: Carrier; readonly resendAfterMs: number }
  /** Acknowledged; further ACKs are absorbed. */
  | { readonly name: 'confirmed' }
  | { readonly name: 'terminated' }

/** `abandon`: the application has let it die. */
export type InviteServerTimer = 'trying' | 'abandon' | 'G' | 'H' | 'I' | 'L'

export type InviteServerInput =
  | { readonly kind: 'retransmission' }
  | { readonly kind: 'answer'; readonly status: number }
  /** The 2xx once more, from whoever accepted. @see RFC 3261 §13.3.1.4 */
  | { readonly kind: 'again' }
  | { readonly kind: 'ack' }
  | { readonly kind: 'timer'; readonly timer: InviteServerTimer }

export type InviteServerEffect =
  | { readonly kind: 'send-trying' }
  | { readonly kind: 'send-final' }
  | { readonly kind: 'arm-timer'; readonly timer: InviteServerTimer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: InviteServerTimer }
  /** It is to be refused now: its client would wait for ever. */
  | { readonly kind: 'report-unanswered' }

export interface InviteServerStep {
  readonly state: InviteServerState
  readonly effects: readonly InviteServerEffect[]
}

const TERMINATED: InviteServerState = { name: 'terminated' }
const FINAL: InviteServerEffect = { kind: 'send-final' }
const TRYING: InviteServerEffect = { kind: 'send-trying' }

const to = (state: InviteServerState, ...effects: readonly InviteServerEffect[]): InviteServerStep => ({
  state,
  effects,
})
const arm = (timer: InviteServerTimer, afterMs: number): InviteServerEffect => ({ kind: 'arm-timer', timer, afterMs })
const stop = (timer: InviteServerTimer): InviteServerEffect => ({ kind: 'cancel-timer', timer })

export const startInviteServer = (carrier: Carrier): InviteServerStep =>
  to(
    { name: 'proceeding', carrier, tried: false },
    arm('trying', INVITE_TRYING_AFTER_MS),
    arm('abandon', TRANSACTION_MS),
  )

export function advanceInviteServer(state: InviteServerState, input: InviteServerInput): InviteServerStep {
  switch (state.name) {
    case 'proceeding':
      return whileUnanswered(state, input)
    case 'accepted':
      if (input.kind === 'again') return to(state, FINAL)
      return input.kind === 'timer' && input.timer === 'L' ? to(TERMINATED) : to(state)
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

function whileUnanswered(
  state: Extract<InviteServerState, { readonly name: 'proceeding' }>,
  input: InviteServerInput,
): InviteServerStep {
  switch (input.kind) {
    case 'retransmission':
      return state.tried ? to(state, TRYING) : to(state)
    case 'answer': {
      const answered = [stop('trying'), stop('abandon')]
      if (input.status < 300) return to({ name: 'accepted' }, ...answered, arm('L', TRANSACTION_MS), FINAL)
      const timers = [...answered, arm('H', TRANSACTION_MS)]
      const refused: InviteServerState = { name: 'completed', carrier: state.carrier, resendAfterMs: T1_MS }
      return state.carrier === 'datagram'
        ? to(refused, ...timers, arm('G', T1_MS), FINAL)
        : to(refused, ...timers, FINAL)
    }
    case 'timer':
      if (input.timer === 'trying') return to({ ...state, tried: true }, TRYING)
      return input.timer === 'abandon' ? to(state, { kind: 'report-unanswered' }) : to(state)
    case 'again':
    case 'ack':
      return to(state)
    default:
      return unreachable(input)
  }
}

function whileUnacknowledged(
  state: Extract<InviteServerState, { readonly name: 'completed' }>,
  input: InviteServerInput,
): InviteServerStep {
  switch (input.kind) {
    case 'retransmission':
      return to(state, FINAL)
    case 'ack':
      // Timer I is zero on a stream.
      if (state.carrier === 'stream') return to(TERMINATED, stop('H'))
      return to({ name: 'confirmed' }, stop('G'), stop('H'), arm('I', T4_MS))
    case 'timer': {
      if (input.timer === 'H') return to(TERMINATED, stop('G'))
      if (input.timer !== 'G') return to(state)
      const resendAfterMs = Math.min(state.resendAfterMs * 2, T2_MS)
      return to({ ...state, resendAfterMs }, arm('G', resendAfterMs), FINAL)
    }
    case 'answer':
    case 'again':
      return to(state)
    default:
      return unreachable(input)
  }
}
