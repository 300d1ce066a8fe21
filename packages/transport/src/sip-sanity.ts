import { newSipResponse, tokensOf } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse, SipSyntaxFailure, Via } from '@stox/sip'
import type { SipRefusalKind } from './sip-endpoint-types.ts'

export interface SipRefusalAnswer {
  readonly kind: SipRefusalKind
  readonly detail: string
  /** Undefined: nothing to say, or nobody to say it to. */
  readonly response: SipResponse | undefined
}

export interface SanityRules {
  /** Methods the application takes. */
  readonly served: ReadonlySet<string>
  /** Put on answers that have no transaction: the same for every copy of a request. @see RFC 3261 §8.2.7 */
  readonly toTag: string
  isOurs(via: Via): boolean
}

/** Methods that exist, whether or not we serve them: 405, not 501. @see RFC 3261 §21.4.6, §21.5.2 */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'OPTIONS',
  'REGISTER',
  'PRACK',
  'UPDATE',
  'INFO',
  'REFER',
  'PUBLISH',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
])

/** Why a request that follows the grammar is refused all the same; undefined: it is not. @see RFC 3261 §8.2, mapping note G.10 */
export function judgeRequest(request: SipRequest, rules: SanityRules): SipRefusalAnswer | undefined {
  const { method, uri } = request
  const refuse = (
    kind: SipRefusalKind,
    detail: string,
    status: number,
    headers: readonly SipHeaderEntry[] = [],
  ): SipRefusalAnswer => ({
    kind,
    detail,
    response: newSipResponse(request, status, undefined, { toTag: rules.toTag, headers }),
  })

  if (!rules.served.has(method)) {
    const allow: SipHeaderEntry = ['Allow', [...rules.served].join(', ')]
    return refuse('sip-unknown-method', method, KNOWN_METHODS.has(method) ? 405 : 501, [allow])
  }
  if (!/^(?:sip|im|pres):/i.test(uri)) {
    // We do not speak SIP over TLS end to end. @see RFC 5630 §5.3
    if (/^sips:/i.test(uri)) return refuse('sip-scheme', 'sips', 480, [['Warning', '380 stox "SIPS Not Allowed"']])
    return refuse('sip-scheme', uri.slice(0, 40), 416)
  }
  // We pass on, if not over SIP: a request that may go no further ends here. OPTIONS asks just us.
  if (request.core.maxForwards === 0 && method !== 'OPTIONS') return refuse('sip-looped', 'Max-Forwards 0', 483)
  if (request.core.vias.some((via, index) => index > 0 && rules.isOurs(via))) {
    return refuse('sip-looped', 'it has been here', 482)
  }
  const required = tokensOf(request.headers, 'Require')
  if (required.length > 0) {
    return refuse('sip-extension-required', required.join(', '), 420, [['Unsupported', required.join(', ')]])
  }
  return undefined
}

/** What is said about bytes that are no proper message. */
export function answerToSyntaxFailure(failure: SipSyntaxFailure, toTag: string): SipRefusalAnswer {
  const { answer, salvaged, detail } = failure
  const response =
    answer === undefined || salvaged === undefined || salvaged.method === 'ACK'
      ? undefined
      : newSipResponse(salvaged, answer.status, answer.reason, { toTag, headers: answer.headers ?? [] })
  return { kind: kindOf(failure), detail, response }
}

function kindOf({ answer, detail }: SipSyntaxFailure): SipRefusalKind {
  if (answer?.status === 505) return 'sip-version'
  if (answer?.status === 416) return 'sip-scheme'
  if (answer?.status === 513 || /\btoo (?:large|long|many)\b/.test(detail)) return 'sip-too-long'
  if (detail.includes('shorter than Content-Length')) return 'sip-truncated'
  return 'sip-malformed'
}
