import type { Failure } from './failure.ts'
import { unreachable } from './result.ts'

/** Why a stanza or request ended without being passed on, and without an error: nobody waits for one. */
export type AbsorbedReason =
  | 'error-stanza'
  | 'no-content'
  | 'forged-carbon'
  | 'pubsub-event'
  | 'answered-here'
  | 'presence-kept'
  | 'duplicate'
  | 'expired'
  | 'headline-failed'
  | 'shutting-down'

/** How a message ended. Every message we accept has exactly one. `status` is the final SIP status the wire saw or will see. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly status: number }
  | { readonly kind: 'bounced'; readonly failure: Failure }
  | { readonly kind: 'absorbed'; readonly reason: AbsorbedReason }

/** One word or two for the log and the metrics. */
export function nameOfOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'delivered':
      return `delivered ${outcome.status}`
    case 'bounced':
      return `bounced ${outcome.failure.condition}`
    case 'absorbed':
      return `absorbed ${outcome.reason}`
    default:
      return unreachable(outcome)
  }
}
