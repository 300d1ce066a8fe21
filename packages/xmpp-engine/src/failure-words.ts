import type { StreamCondition } from '@stox/xmpp'
import type { FailureReason } from './failure-reasons.ts'
import { FAILURE_REASONS } from './failure-reasons.ts'
import type { RefusalKind } from './refusal.ts'
import type { StreamFailure } from './stream-failure.ts'

/** What an administrator reads of a stream that failed. */
export interface FailureWords {
  /** How far it came, or what it failed at. */
  readonly stage: (typeof FAILURE_REASONS)[FailureReason]['stage']
  /** A stable name for the metrics. */
  readonly reason: FailureReason
  readonly sentence: string
  readonly advice: string
  /** For experts. */
  readonly detail: string
}

/** Between whom; `theirs` is undefined while nobody has said who it is. */
export interface FailureParties {
  readonly ours: string | undefined
  readonly theirs: string | undefined
}

export function wordsOf(failure: StreamFailure, { ours, theirs }: FailureParties): FailureWords {
  const reason = reasonOf(failure)
  const row = FAILURE_REASONS[reason]
  const us = ours ?? 'a domain of ours'
  const them = theirs ?? 'an unknown server'
  const detail = 'condition' in failure ? `${failure.condition}: ${failure.detail}` : failure.detail
  const sentence = row.sentence(them, us).replace(/^an unknown/, 'An unknown')
  const words = { stage: row.stage, reason, sentence, advice: row.advice(them, us), detail }
  if (failure.kind !== 'certificate') return words
  // Whoever has judged the certificate says what is wrong with it; and then what to do.
  const wrong = /^(.*); [^;]*$/s.exec(failure.detail)?.[1]
  return { ...words, sentence: wrong ?? sentence, detail: failure.technical ?? failure.detail }
}

function reasonOf(failure: StreamFailure): FailureReason {
  if (failure.reason !== undefined) return failure.reason
  switch (failure.kind) {
    case 'peer-error':
      return OF_PEER_ERROR[failure.condition] ?? 'peer-error'
    case 'protocol':
      return failure.refusal === undefined
        ? (OF_OUR_ERROR[failure.condition] ?? 'protocol-error')
        : (OF_REFUSAL[failure.refusal] ?? 'protocol-error')
    default:
      return failure.kind
  }
}

/** The peer could not read what we wrote. */
const UNREAD = 'peer-protocol-error'

const OF_PEER_ERROR: Partial<Readonly<Record<StreamCondition, FailureReason>>> = {
  'host-unknown': 'peer-host-unknown',
  'host-gone': 'peer-host-unknown',
  'not-authorized': 'peer-not-authorized',
  'invalid-from': 'peer-not-authorized',
  'policy-violation': 'peer-policy-violation',
  'resource-constraint': 'peer-resource-constraint',
  'system-shutdown': 'peer-shutdown',
  reset: 'peer-reset',
  'connection-timeout': 'peer-timeout',
  'unsupported-feature': 'no-method',
  'see-other-host': 'peer-see-other-host',
  conflict: 'peer-conflict',
  'remote-connection-failed': 'dialback-error',
  'unsupported-version': 'unsupported-version',
  'bad-format': UNREAD,
  'bad-namespace-prefix': UNREAD,
  'improper-addressing': UNREAD,
  'invalid-namespace': UNREAD,
  'invalid-xml': UNREAD,
  'not-well-formed': UNREAD,
  'restricted-xml': UNREAD,
  'unsupported-encoding': UNREAD,
  'unsupported-stanza-type': UNREAD,
}

const OF_OUR_ERROR: Partial<Readonly<Record<StreamCondition, FailureReason>>> = {
  'connection-timeout': 'no-answer',
  'host-gone': 'not-allowed',
  'policy-violation': 'not-allowed',
  'resource-constraint': 'connection-limit',
  'invalid-from': 'invalid-from',
  'not-authorized': 'not-authorized',
  'unsupported-version': 'unsupported-version',
}

const OF_REFUSAL: Partial<Readonly<Record<RefusalKind, FailureReason>>> = {
  'stanza-too-big': 'stanza-too-big',
  'unsupported-version': 'unsupported-version',
  'host-unknown': 'host-unknown',
  'invalid-from': 'invalid-from',
  'own-domain': 'own-domain',
  'not-authorized': 'not-authorized',
  'unknown-partner': 'unknown-partner',
  'no-method': 'no-method',
  certificate: 'certificate',
  'sasl-refused': 'sasl-not-accepted',
  'tls-required': 'tls-required',
  'tls-failed': 'no-own-certificate',
  'plaintext-injection': 'plaintext-injection',
  'dialback-invalid': 'dialback-forged',
  'dialback-unsolicited': 'dialback-unsolicited',
  'dialback-refused': 'dialback-error',
  'establishment-timeout': 'not-in-time',
  'connection-limit': 'connection-limit',
  penalty: 'penalty',
  'too-much-unproven': 'too-much-unproven',
}
