import { NamedTimers } from '@stox/kernel'
import type { Timers } from '@stox/kernel'
import type { SipRequest, SipResponse } from '@stox/sip'
import type { Effect, Step } from './effects.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

/** What comes of what a machine wanted. */
export type Came<TimerName extends string> =
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  | { readonly kind: 'timer'; readonly timer: TimerName }

export interface Surroundings<State, Input, TimerName extends string, Report> {
  readonly timers: Timers
  advance(state: State, input: Input | Came<TimerName>): Step<State, Effect<TimerName, Report>>
  send(request: SipRequest): Promise<SubscriptionReply>
  report(report: Report): void
}

/** A subscriber, a notifier or a publication that nobody keeps: what it wants is done at once. */
export class RunningMachine<State, Input, TimerName extends string, Report> {
  readonly #surroundings: Surroundings<State, Input, TimerName, Report>
  readonly #timers = new NamedTimers<TimerName>()
  #state: State
  #stopped = false

  constructor(state: State, surroundings: Surroundings<State, Input, TimerName, Report>) {
    this.#state = state
    this.#surroundings = surroundings
  }

  get state(): State {
    return this.#state
  }

  /** `respond`: to the request that the input is about. */
  advance(input: Input | Came<TimerName>, respond?: (response: SipResponse) => void): void {
    if (!this.#stopped) this.follow(this.#surroundings.advance(this.#state, input), respond)
  }

  follow({ state, effects }: Step<State, Effect<TimerName, Report>>, respond?: (response: SipResponse) => void): void {
    this.#state = state
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send-request': {
          const { request } = effect
          void this.#surroundings.send(request).then((reply) => this.advance({ kind: 'reply', request, reply }))
          break
        }
        case 'respond':
          respond?.(effect.response)
          break
        case 'arm-timer':
          this.#arm(effect.timer, effect.afterMs)
          break
        case 'cancel-timer':
          this.#timers.cancel(effect.timer)
          break
        case 'report':
          this.#surroundings.report(effect.report)
          break
      }
    }
  }

  /** Without a word, and for good. */
  stop(): void {
    this.#stopped = true
    this.#timers.cancelAll()
  }

  #arm(timer: TimerName, afterMs: number): void {
    if (this.#stopped) return
    this.#timers.arm(this.#surroundings.timers, timer, afterMs, () => this.advance({ kind: 'timer', timer }))
  }
}
