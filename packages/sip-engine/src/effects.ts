import type { SipResponse } from '@stox/sip'
import type { OutgoingRequest } from './dialog.ts'

/** What a subscriber, a notifier or a publication wants done. It never does anything itself. */
export type Effect<Timer extends string, Report> =
  | ({ readonly kind: 'send-request' } & OutgoingRequest)
  /** To the request that this step is about. */
  | { readonly kind: 'respond'; readonly response: SipResponse }
  /** Replaces the timer of that name, if armed. */
  | { readonly kind: 'arm-timer'; readonly timer: Timer; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: Timer }
  | { readonly kind: 'report'; readonly report: Report }

export interface Step<State, Does> {
  readonly state: State
  readonly effects: readonly Does[]
}

export const to = <State, const Does extends readonly Effect<string, unknown>[]>(
  state: State,
  ...effects: Does
): Step<State, Does[number]> => ({ state, effects })

/** The step, and something that is done before it. */
export const before = <State, First, Then>(
  effects: readonly First[],
  step: Step<State, Then>,
): Step<State, First | Then> => ({ state: step.state, effects: [...effects, ...step.effects] })

export const arm = <Timer extends string>(timer: Timer, afterMs: number) =>
  ({ kind: 'arm-timer', timer, afterMs }) as const
export const stop = <Timer extends string>(timer: Timer) => ({ kind: 'cancel-timer', timer }) as const
