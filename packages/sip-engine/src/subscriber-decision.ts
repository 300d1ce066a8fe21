import { contactOf, formatSipUri } from '@stox/sip'
import type { SubscriptionState } from '@stox/sip'
import { retryAfterMsIn, secondsIn } from './subscription-reply.ts'
import type { SubscriptionReply } from './subscription-reply.ts'

/** What follows from a response to SUBSCRIBE, or from a terminated subscription. */
export type SubscriberDecision =
  | { readonly kind: 'accepted'; readonly expiresS: number | undefined }
  /** Another try on a new dialog, at once or nearly so; the authorization stays. */
  | { readonly kind: 'resubscribe'; readonly afterMs: number }
  /** Another try later; the authorization stays. `afterMs` undefined: back-off. */
  | { readonly kind: 'holdoff'; readonly afterMs: number | undefined }
  /** Nobody there under this name: for good when it was never known, or three times in a row. */
  | { readonly kind: 'missing' }
  /** The watched user, or the server for it, refuses for good. */
  | { readonly kind: 'cancelled' }
  /** The subscription stays valid until its last known expiry; the refresh is tried again. */
  | { readonly kind: 'keep'; readonly afterMs: number | undefined }
  /** The state will never change: no dialog, but what we know stays true. */
  | { readonly kind: 'settled' }
  | { readonly kind: 'lengthen'; readonly expiresS: number }
  | { readonly kind: 'redirect'; readonly uri: string }

type Phase = 'initial' | 'refresh'
type Verdict = 'cancelled' | 'missing' | 'holdoff' | 'keep' | 'resubscribe'

/**
 * What is not here follows its class: `holdoff` at first, `keep` on a refresh. 401 and 407 arrive only when the digest
 * could not be answered. @see RFC 6665 §4.1.2.2, RFC 8048 §5.2.2
 */
const VERDICTS: Readonly<Record<number, Readonly<Record<Phase, Verdict>>>> = {
  401: { initial: 'cancelled', refresh: 'keep' },
  403: { initial: 'cancelled', refresh: 'cancelled' },
  404: { initial: 'missing', refresh: 'missing' },
  405: { initial: 'cancelled', refresh: 'cancelled' },
  407: { initial: 'cancelled', refresh: 'keep' },
  410: { initial: 'missing', refresh: 'missing' },
  416: { initial: 'holdoff', refresh: 'holdoff' },
  480: { initial: 'holdoff', refresh: 'holdoff' },
  481: { initial: 'holdoff', refresh: 'resubscribe' },
  482: { initial: 'holdoff', refresh: 'holdoff' },
  483: { initial: 'holdoff', refresh: 'holdoff' },
  484: { initial: 'holdoff', refresh: 'holdoff' },
  485: { initial: 'holdoff', refresh: 'holdoff' },
  489: { initial: 'cancelled', refresh: 'cancelled' },
  501: { initial: 'cancelled', refresh: 'cancelled' },
  603: { initial: 'cancelled', refresh: 'cancelled' },
  604: { initial: 'missing', refresh: 'missing' },
}

/** @see mapping note D.5 */
export function decideOnReply(reply: SubscriptionReply, phase: Phase): SubscriberDecision {
  if (reply.kind === 'failed') return { kind: phase === 'initial' ? 'holdoff' : 'keep', afterMs: undefined }
  const { response } = reply
  if (response.status < 300) return { kind: 'accepted', expiresS: secondsIn(response, 'Expires') }
  if (response.status === 423) {
    const expiresS = secondsIn(response, 'Min-Expires')
    if (expiresS !== undefined) return { kind: 'lengthen', expiresS }
  }
  if (response.status < 400 && phase === 'initial') {
    const contact = contactOf(response.headers)
    if (contact !== undefined) return { kind: 'redirect', uri: formatSipUri(contact.uri) }
  }
  const verdict = VERDICTS[response.status]?.[phase] ?? (phase === 'initial' ? 'holdoff' : 'keep')
  switch (verdict) {
    case 'holdoff':
    case 'keep':
      return { kind: verdict, afterMs: retryAfterMsIn(response) }
    case 'resubscribe':
      return { kind: 'resubscribe', afterMs: 0 }
    default:
      return { kind: verdict }
  }
}

/** No request for a new try arrives in the same moment from all who were sent away together. */
const MIGRATION_MS = 2000
const PROBATION_S = 300
const GIVE_UP_S = 3600
const BAD_FILTER_S = 3600

/** `fraction` spreads those who were sent away together. @see RFC 6665 §4.1.3, mapping note D.4 */
export function decideOnTermination(state: SubscriptionState, fraction: number): SubscriberDecision {
  switch (state.reason?.toLowerCase()) {
    case 'deactivated':
      return { kind: 'resubscribe', afterMs: Math.round(fraction * MIGRATION_MS) }
    case 'timeout':
      return { kind: 'resubscribe', afterMs: 0 }
    case 'probation':
      return { kind: 'holdoff', afterMs: (state.retryAfterS ?? PROBATION_S) * 1000 }
    case 'giveup':
      return { kind: 'holdoff', afterMs: (state.retryAfterS ?? GIVE_UP_S) * 1000 }
    case 'badfilter':
      return { kind: 'holdoff', afterMs: BAD_FILTER_S * 1000 }
    case 'rejected':
    case 'noresource':
      return { kind: 'cancelled' }
    case 'invariant':
      return { kind: 'settled' }
    default:
      return { kind: 'holdoff', afterMs: state.retryAfterS === undefined ? undefined : state.retryAfterS * 1000 }
  }
}
