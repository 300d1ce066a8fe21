import type { Failure, Fault, Retry, StanzaCondition, StanzaErrorType } from '@stox/kernel'
import { shortHeaderText } from './failure-to-sip.ts'
import type { SipFailure } from './sip-failure.ts'

interface ConditionRow {
  readonly condition: StanzaCondition
  readonly type: StanzaErrorType
}

/** Every row, in the order of the table; the type is that of RFC 6120 §8.3.3 for the case. @see RFC 7247 §7.2, table 3 */
export const CONDITION_FOR_STATUS = {
  '3xx': { condition: 'redirect', type: 'modify' },
  300: { condition: 'redirect', type: 'modify' },
  // Must carry the new address; without one it is read as 302.
  301: { condition: 'gone', type: 'cancel' },
  302: { condition: 'redirect', type: 'modify' },
  305: { condition: 'redirect', type: 'modify' },
  380: { condition: 'not-acceptable', type: 'modify' },
  '4xx': { condition: 'bad-request', type: 'modify' },
  400: { condition: 'bad-request', type: 'modify' },
  401: { condition: 'not-authorized', type: 'auth' },
  402: { condition: 'bad-request', type: 'modify' },
  403: { condition: 'forbidden', type: 'auth' },
  404: { condition: 'item-not-found', type: 'cancel' },
  405: { condition: 'feature-not-implemented', type: 'cancel' },
  406: { condition: 'not-acceptable', type: 'modify' },
  407: { condition: 'registration-required', type: 'auth' },
  408: { condition: 'remote-server-timeout', type: 'wait' },
  // Must not carry an address.
  410: { condition: 'gone', type: 'cancel' },
  413: { condition: 'policy-violation', type: 'modify' },
  414: { condition: 'policy-violation', type: 'modify' },
  415: { condition: 'not-acceptable', type: 'modify' },
  416: { condition: 'not-acceptable', type: 'modify' },
  420: { condition: 'feature-not-implemented', type: 'cancel' },
  421: { condition: 'not-acceptable', type: 'modify' },
  423: { condition: 'resource-constraint', type: 'wait' },
  430: { condition: 'recipient-unavailable', type: 'wait' },
  // Not in the table, where "4xx other" would say bad-request.
  433: { condition: 'forbidden', type: 'auth' },
  439: { condition: 'feature-not-implemented', type: 'cancel' },
  440: { condition: 'policy-violation', type: 'wait' },
  // Not in the table, as 433.
  470: { condition: 'forbidden', type: 'auth' },
  480: { condition: 'recipient-unavailable', type: 'wait' },
  481: { condition: 'item-not-found', type: 'cancel' },
  482: { condition: 'not-acceptable', type: 'cancel' },
  483: { condition: 'not-acceptable', type: 'cancel' },
  484: { condition: 'item-not-found', type: 'cancel' },
  485: { condition: 'item-not-found', type: 'cancel' },
  486: { condition: 'recipient-unavailable', type: 'wait' },
  487: { condition: 'recipient-unavailable', type: 'wait' },
  488: { condition: 'not-acceptable', type: 'modify' },
  489: { condition: 'policy-violation', type: 'modify' },
  491: { condition: 'unexpected-request', type: 'wait' },
  493: { condition: 'bad-request', type: 'modify' },
  '5xx': { condition: 'internal-server-error', type: 'cancel' },
  500: { condition: 'internal-server-error', type: 'cancel' },
  501: { condition: 'feature-not-implemented', type: 'cancel' },
  502: { condition: 'remote-server-not-found', type: 'cancel' },
  503: { condition: 'internal-server-error', type: 'wait' },
  504: { condition: 'remote-server-timeout', type: 'wait' },
  505: { condition: 'not-acceptable', type: 'modify' },
  513: { condition: 'policy-violation', type: 'modify' },
  '6xx': { condition: 'recipient-unavailable', type: 'wait' },
  600: { condition: 'recipient-unavailable', type: 'wait' },
  603: { condition: 'recipient-unavailable', type: 'wait' },
  604: { condition: 'item-not-found', type: 'cancel' },
  606: { condition: 'not-acceptable', type: 'modify' },
  // Unwanted (RFC 8197) and rejected (RFC 8688): a decision, not an absence.
  607: { condition: 'policy-violation', type: 'cancel' },
  608: { condition: 'policy-violation', type: 'cancel' },
} as const satisfies Record<string, ConditionRow>

const ROWS: Readonly<Record<string, ConditionRow>> = CONDITION_FOR_STATUS

/** What a final response said besides its status. */
export interface SipAnswerHints {
  readonly reason?: string | undefined
  /** The text of its `Warning`. */
  readonly warning?: string | undefined
  readonly retryAfterS?: number | undefined
  /** The address of its `Contact`, as an `xmpp:` or `sip:` URI. */
  readonly alternate?: string | undefined
}

/** A final response, 300 or above, as the failure its XMPP sender hears. @see RFC 7247 §7.2 */
export function sipStatusToFailure(status: number, hints: SipAnswerHints = {}): SipFailure {
  // 301 without an address is read as 302. @see RFC 7247 §7.2, note 1
  const read = status === 301 && hints.alternate === undefined ? 302 : status
  const row = ROWS[read] ?? ROWS[`${Math.floor(read / 100)}xx`] ?? CONDITION_FOR_STATUS['5xx']
  const type: StanzaErrorType = hints.retryAfterS !== undefined && row.type === 'cancel' ? 'wait' : row.type
  const text = answerText(status, hints)
  return {
    fault: read === 404 || read === 604 || read === 484 || read === 485 ? 'sender' : 'sip-peer',
    retry: type === 'wait' ? 'later' : type === 'modify' ? 'after-change' : 'never',
    condition: row.condition,
    errorType: type,
    status: status >= 300 && status <= 699 ? status : 500,
    ...(text === '' ? {} : { text }),
    ...(hints.alternate !== undefined && status !== 410 ? { alternate: hints.alternate } : {}),
    ...(hints.retryAfterS === undefined ? {} : { retryAfterS: hints.retryAfterS }),
    detail: `SIP ${status}`,
  }
}

/** Reason phrase and warning may be copied. @see RFC 7247 §7; there is no element for Retry-After, so it is said in words. */
function answerText(status: number, hints: SipAnswerHints): string {
  const said = [hints.reason, hints.warning].filter((part) => part !== undefined && part !== '').join(': ')
  const wait = hints.retryAfterS === undefined ? '' : ` (try again in ${hints.retryAfterS} s)`
  return shortHeaderText(said === '' ? (wait === '' ? '' : `SIP ${status}${wait}`) : `${said}${wait}`, 256)
}

interface TroubleRow {
  readonly condition: StanzaCondition
  readonly errorType: StanzaErrorType
  readonly status: number
  readonly fault: Fault
  readonly retry: Retry
  readonly text: string
  readonly retryAfterS?: number
}

/** What can go wrong before the SIP side answers. @see mapping B.3, second table */
export const SIP_TROUBLE = {
  'no-target': {
    condition: 'remote-server-not-found',
    errorType: 'cancel',
    status: 404,
    fault: 'network',
    retry: 'later',
    text: 'No SIP server was found for this domain',
  },
  transport: {
    condition: 'remote-server-timeout',
    errorType: 'wait',
    status: 504,
    fault: 'network',
    retry: 'later',
    text: 'The SIP server could not be reached',
  },
  timeout: {
    condition: 'remote-server-timeout',
    errorType: 'wait',
    status: 504,
    fault: 'sip-peer',
    retry: 'later',
    text: 'The SIP server did not answer in time',
  },
  overload: {
    condition: 'resource-constraint',
    errorType: 'wait',
    status: 480,
    fault: 'us',
    retry: 'later',
    text: 'Too many messages wait for this recipient',
    retryAfterS: 10,
  },
} as const satisfies Record<string, TroubleRow>
export type SipTrouble = keyof typeof SIP_TROUBLE

export const sipTroubleToFailure = (cause: SipTrouble, detail: string): Failure => ({ ...SIP_TROUBLE[cause], detail })
