import type { SipResponse } from '@stox/sip'

/** How a SUBSCRIBE or NOTIFY of ours ended; what a client transaction gives fits. */
export type SubscriptionReply =
  | { readonly kind: 'response'; readonly response: SipResponse }
  | {
      readonly kind: 'failed'
      readonly cause: 'timeout' | 'transport' | 'no-target' | 'overload'
      readonly detail: string
    }
