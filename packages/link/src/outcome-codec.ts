import { STANZA_CONDITIONS, unreachable } from '@stox/kernel'
import type { AbsorbedReason, Failure, Fault, Outcome, Retry, StanzaCondition, StanzaErrorType } from '@stox/kernel'
import type * as wire from './gen/stox/link/v1/link_pb.ts'

/** A guard from a table that the compiler keeps complete. */
function guardOf<T extends string>(table: Readonly<Record<T, true>>): (text: string) => text is T {
  const names = new Set(Object.keys(table))
  return (text): text is T => names.has(text)
}

const CONDITIONS: ReadonlySet<string> = new Set(STANZA_CONDITIONS)
const isCondition = (text: string): text is StanzaCondition => CONDITIONS.has(text)
const isErrorType = guardOf<StanzaErrorType>({ auth: true, cancel: true, continue: true, modify: true, wait: true })
const isRetry = guardOf<Retry>({ never: true, later: true, 'after-change': true })
const isFault = guardOf<Fault>({
  sender: true,
  recipient: true,
  partner: true,
  'sip-peer': true,
  network: true,
  policy: true,
  us: true,
})
const isReason = guardOf<AbsorbedReason>({
  'error-stanza': true,
  'no-content': true,
  'forged-carbon': true,
  'pubsub-event': true,
  'answered-here': true,
  'presence-kept': true,
  duplicate: true,
  expired: true,
  'headline-failed': true,
  'shutting-down': true,
})

/** Longest text of a failure that is taken over from the other side. */
const MAX_TEXT = 1024

export function outcomeToWire(seq: number, outcome: Outcome): wire.Outcome {
  return { $typeName: 'stox.link.v1.Outcome', seq, end: endOf(outcome) }
}

function endOf(outcome: Outcome): wire.Outcome['end'] {
  switch (outcome.kind) {
    case 'delivered':
      return { case: 'delivered', value: outcome.status }
    case 'bounced':
      return { case: 'bounced', value: failureToWire(outcome.failure) }
    case 'absorbed':
      return { case: 'absorbed', value: outcome.reason }
    default:
      return unreachable(outcome)
  }
}

function failureToWire(failure: Failure): wire.Failure {
  return {
    $typeName: 'stox.link.v1.Failure',
    fault: failure.fault,
    retry: failure.retry,
    condition: failure.condition,
    status: failure.status,
    detail: failure.detail,
    ...(failure.errorType === undefined ? {} : { errorType: failure.errorType }),
    ...(failure.text === undefined ? {} : { text: failure.text }),
    ...(failure.alternate === undefined ? {} : { alternate: failure.alternate }),
    ...(failure.retryAfterS === undefined ? {} : { retryAfterS: failure.retryAfterS }),
  }
}

/** Never fails: an end that cannot be read is a bounce that says so, for the stanza has ended all the same. */
export function outcomeFromWire(outcome: wire.Outcome): Outcome {
  const { end } = outcome
  switch (end.case) {
    case 'delivered':
      if (end.value < 200 || end.value > 299) return unreadable(`delivered with status ${end.value}`)
      return { kind: 'delivered', status: end.value }
    case 'bounced':
      return failureFromWire(end.value)
    case 'absorbed':
      if (!isReason(end.value)) return unreadable(`absorbed, reason ${end.value.slice(0, 64)}`)
      return { kind: 'absorbed', reason: end.value }
    case undefined:
      return unreadable('no end that is known here')
    default:
      return unreachable(end)
  }
}

function failureFromWire(failure: wire.Failure): Outcome {
  const { condition, fault, retry, errorType, status, text, alternate, retryAfterS } = failure
  if (!isCondition(condition)) return unreadable(`condition ${condition.slice(0, 64)}`)
  if (!isFault(fault) || !isRetry(retry)) return unreadable(`fault ${fault.slice(0, 64)}, ${retry.slice(0, 64)}`)
  if (errorType !== undefined && !isErrorType(errorType)) return unreadable(`type ${errorType.slice(0, 64)}`)
  if (status < 300 || status > 699) return unreadable(`bounced with status ${status}`)
  return {
    kind: 'bounced',
    failure: {
      fault,
      retry,
      condition,
      status,
      detail: failure.detail.slice(0, MAX_TEXT),
      ...(errorType === undefined ? {} : { errorType }),
      ...(text === undefined ? {} : { text: text.slice(0, MAX_TEXT) }),
      ...(alternate === undefined ? {} : { alternate: alternate.slice(0, MAX_TEXT) }),
      ...(retryAfterS === undefined ? {} : { retryAfterS }),
    },
  }
}

const unreadable = (what: string): Outcome => ({
  kind: 'bounced',
  failure: {
    fault: 'us',
    retry: 'later',
    condition: 'undefined-condition',
    status: 500,
    detail: `the outcome that came over the link cannot be read: ${what}`,
  },
})
