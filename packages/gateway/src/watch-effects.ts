import { newSipResponse } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import type { Effect } from '@stox/sip-engine'
import { parseJid } from '@stox/xmpp'
import type { Jid, PresenceStanza } from '@stox/xmpp'

/** What anything that lives on subscriptions wants done. It never does anything itself. */
export type SipEffect =
  /** `nextHop` undefined: the route of the SIP user's domain. */
  | { readonly kind: 'send-sip'; readonly request: SipRequest; readonly nextHop: string | undefined }
  /** To the request that this turn is about. */
  | { readonly kind: 'respond'; readonly response: SipResponse }
  /** Replaces the timer of that name, if armed. */
  | { readonly kind: 'arm-timer'; readonly timer: string; readonly afterMs: number }
  | { readonly kind: 'cancel-timer'; readonly timer: string }

/** What a watch wants done. */
export type WatchEffect = SipEffect | { readonly kind: 'send-stanza'; readonly presence: PresenceStanza }

/** `watch` undefined: nothing is left to be remembered. */
export interface WatchStep<W> {
  readonly watch: W | undefined
  readonly effects: readonly WatchEffect[]
}

/** A turn while it lasts: the state as it is by now, and what is to be done. */
export class Turn<State extends object, Own> {
  state: State
  readonly effects: (SipEffect | Own)[] = []

  constructor(state: State) {
    this.state = state
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change }
  }

  arm(timer: string, afterMs: number): void {
    this.effects.push({ kind: 'arm-timer', timer, afterMs })
  }

  cancel(...timers: readonly string[]): void {
    for (const timer of timers) this.effects.push({ kind: 'cancel-timer', timer })
  }

  respond(response: SipResponse): void {
    this.effects.push({ kind: 'respond', response })
  }

  refuse(request: SipRequest, status: number, headers: readonly SipHeaderEntry[] = [], reason?: string): void {
    this.respond(newSipResponse(request, status, reason, { headers }))
  }

  /** What a machine of `sip-engine` wants, under names of ours for its timers; what it reports is taken in its order. */
  follow<Timer extends string, Report>(
    effects: readonly Effect<Timer, Report>[],
    nameOf: (timer: Timer) => string,
    take: (report: Report) => void,
  ): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'send-request':
          this.effects.push({ kind: 'send-sip', request: effect.request, nextHop: effect.nextHop })
          break
        case 'respond':
          this.respond(effect.response)
          break
        case 'arm-timer':
          this.arm(nameOf(effect.timer), effect.afterMs)
          break
        case 'cancel-timer':
          this.cancel(nameOf(effect.timer))
          break
        case 'report':
          take(effect.report)
          break
      }
    }
  }
}

/** An address that we have written ourselves. */
export function ownJid(text: string): Jid {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(`not an address: ${text}`)
  return jid.value
}
