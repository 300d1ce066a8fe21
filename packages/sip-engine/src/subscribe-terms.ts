import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { accepts, contactOf, newSipResponse, parseDeltaSeconds, parseEvent } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'

export interface SubscribeRules {
  /** Event packages we serve: `presence`. */
  readonly events: readonly string[]
  /** The body type we send; the watcher must accept it (an absent Accept does). */
  readonly bodyType: string
  readonly minExpiresS: number
  readonly maxExpiresS: number
  readonly defaultExpiresS: number
  /** At least this long between two NOTIFYs of one dialog. @see RFC 3856 §6.10 */
  readonly minNotifyIntervalMs: number
}

export const DEFAULT_SUBSCRIBE_RULES: SubscribeRules = {
  events: ['presence'],
  bodyType: 'application/pidf+xml',
  minExpiresS: 60,
  maxExpiresS: 3600,
  defaultExpiresS: 3600,
  minNotifyIntervalMs: 5000,
}

/** What a SUBSCRIBE asks for, checked and granted. */
export interface SubscribeTerms {
  /** The Event header as written. */
  readonly event: string
  /** 0: a poll, or the end. */
  readonly expiresS: number
}

/** Below this much, an expiry is short on purpose and may be refused. @see RFC 6665 §4.2.1.1 */
const BRIEF_S = 3600

/** The checks every SUBSCRIBE passes, new or within a dialog; the failure is the response to give. @see mapping note D.5 */
export function judgeSubscribe(request: SipRequest, rules: SubscribeRules): Result<SubscribeTerms, SipResponse> {
  const refuse = (
    status: number,
    reason?: string,
    headers: readonly SipHeaderEntry[] = [],
  ): Result<never, SipResponse> => fail(newSipResponse(request, status, reason, { headers }))

  const event = request.headers.get('Event')
  const parsedEvent = event === undefined ? undefined : parseEvent(event)
  if (
    event === undefined ||
    parsedEvent === undefined ||
    !parsedEvent.ok ||
    !rules.events.includes(parsedEvent.value.package)
  ) {
    return refuse(489, undefined, [['Allow-Events', rules.events.join(', ')]])
  }
  if (!accepts(request.headers, rules.bodyType, true)) return refuse(406, undefined, [['Accept', rules.bodyType]])
  if (contactOf(request.headers) === undefined) return refuse(400, 'No usable Contact')

  const text = request.headers.get('Expires')
  const askedS = text === undefined ? rules.defaultExpiresS : parseDeltaSeconds(text)
  if (askedS === undefined) return refuse(400, 'No usable Expires')
  if (askedS > 0 && askedS < BRIEF_S && askedS < rules.minExpiresS) {
    return refuse(423, undefined, [['Min-Expires', String(rules.minExpiresS)]])
  }
  return ok({ event, expiresS: Math.min(askedS, rules.maxExpiresS) })
}
