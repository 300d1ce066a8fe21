import { parseDeltaSeconds, parseRetryAfter } from '@stox/sip'
import type { SipResponse } from '@stox/sip'

/** How a SUBSCRIBE, NOTIFY or PUBLISH of ours ended; what a client transaction gives fits. */
export type SubscriptionReply =
  | { readonly kind: 'response'; readonly response: SipResponse }
  | {
      readonly kind: 'failed'
      readonly cause: 'timeout' | 'transport' | 'no-target' | 'overload'
      readonly detail: string
    }

/** Of `Expires` and `Min-Expires`; undefined: there is none that can be read. */
export function secondsIn(response: SipResponse, header: string): number | undefined {
  const value = response.headers.get(header)
  return value === undefined ? undefined : parseDeltaSeconds(value)
}

export function retryAfterMsIn(response: SipResponse): number | undefined {
  const value = response.headers.get('Retry-After')
  const seconds = value === undefined ? undefined : parseRetryAfter(value)
  return seconds === undefined ? undefined : seconds * 1000
}
