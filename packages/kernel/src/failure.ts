/** The defined conditions of stanza errors. @see RFC 6120 §8.3.3 */
export const STANZA_CONDITIONS = [
  'bad-request',
  'conflict',
  'feature-not-implemented',
  'forbidden',
  'gone',
  'internal-server-error',
  'item-not-found',
  'jid-malformed',
  'not-acceptable',
  'not-allowed',
  'not-authorized',
  'policy-violation',
  'recipient-unavailable',
  'redirect',
  'registration-required',
  'remote-server-not-found',
  'remote-server-timeout',
  'resource-constraint',
  'service-unavailable',
  'subscription-required',
  'undefined-condition',
  'unexpected-request',
] as const
export type StanzaCondition = (typeof STANZA_CONDITIONS)[number]

/** What the sender may do about it. @see RFC 6120 §8.3.2 */
export type StanzaErrorType = 'auth' | 'cancel' | 'continue' | 'modify' | 'wait'

/** Whose fault it is. */
export type Fault = 'sender' | 'recipient' | 'partner' | 'sip-peer' | 'network' | 'policy' | 'us'

/** Whether to try again. */
export type Retry = 'never' | 'later' | 'after-change'

/**
 * A failure names the fault, the hope, what each wire hears, and what only the log hears.
 * `condition`, `errorType` and `text` go to XMPP; `status` and `text` go to SIP; `detail` goes to the log alone.
 */
export interface Failure {
  readonly fault: Fault
  readonly retry: Retry
  readonly condition: StanzaCondition
  /** Left out: the usual type of the condition (`ERROR_TYPE_OF` in `@stox/xmpp`). */
  readonly errorType?: StanzaErrorType
  /** A final SIP status, 300–699, legal for a non-INVITE transaction. */
  readonly status: number
  /** A sentence for people on either wire; never a secret, never a body. */
  readonly text?: string
  /** An address to go to instead (`gone`, `redirect`): a URI. */
  readonly alternate?: string
  readonly retryAfterS?: number
  readonly detail: string
}
