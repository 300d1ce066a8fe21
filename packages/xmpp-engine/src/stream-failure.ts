import type { Failure, Fault, Retry, StanzaCondition } from '@stox/kernel'
import type { DialbackCondition, DialbackVerdict, DomainName, SaslCondition, StreamCondition } from '@stox/xmpp'
import type { FailureReason } from './failure-reasons.ts'
import type { RefusalKind } from './refusal.ts'

/** Why a stream could not be had, or ended, or could not be used. */
export type StreamFailure = KindOfFailure & {
  /** More exact than the kind, where it is known. */
  readonly reason?: FailureReason
}

type KindOfFailure =
  /** No SRV and no address, or a target of `.`. */
  | { readonly kind: 'domain-not-found'; readonly detail: string }
  /** The name server did not answer, or answered with an error. */
  | { readonly kind: 'dns-trouble'; readonly detail: string }
  | { readonly kind: 'unreachable'; readonly detail: string }
  | { readonly kind: 'timeout'; readonly detail: string }
  | { readonly kind: 'tls-failed'; readonly detail: string }
  /** The peer's certificate is not trusted or does not name it, and the record allows nothing else. */
  | { readonly kind: 'certificate'; readonly detail: string; readonly technical?: string }
  /** The peer does not take our certificate for what we say, and the record allows nothing else. */
  | { readonly kind: 'sasl-refused'; readonly condition: SaslCondition; readonly detail: string }
  /** The partner's record and the peer's offer have nothing in common. */
  | { readonly kind: 'no-method'; readonly detail: string }
  | { readonly kind: 'dialback-invalid'; readonly detail: string }
  | { readonly kind: 'dialback-error'; readonly condition: DialbackCondition; readonly detail: string }
  /** The peer closed the stream with this error. */
  | { readonly kind: 'peer-error'; readonly condition: StreamCondition; readonly detail: string }
  /** We closed the stream with this error. */
  | {
      readonly kind: 'protocol'
      readonly condition: StreamCondition
      readonly refusal?: RefusalKind
      readonly detail: string
    }
  | { readonly kind: 'closed'; readonly detail: string }
  /** Our side of the rules: the partner is not listed, or not enabled. */
  | { readonly kind: 'not-allowed'; readonly detail: string }
  | { readonly kind: 'connection-limit'; readonly detail: string }
  | { readonly kind: 'queue-full'; readonly detail: string }
  /** The stanza's own time ran out while it waited for a stream. */
  | { readonly kind: 'expired'; readonly detail: string }
  | { readonly kind: 'too-big'; readonly detail: string }
  | { readonly kind: 'shutting-down'; readonly detail: string }

interface Row {
  readonly fault: Fault
  readonly retry: Retry
  readonly condition: StanzaCondition
  readonly status: number
  readonly retryAfterS?: number
  /** A sentence for people, with the domain in it. */
  readonly text: (domain: string) => string
}

const NOT_FOUND: Row = {
  fault: 'partner',
  retry: 'after-change',
  condition: 'remote-server-not-found',
  status: 404,
  text: (domain) => `There is no XMPP server for ${domain}`,
}
const NOT_REACHED: Row = {
  fault: 'network',
  retry: 'later',
  condition: 'remote-server-timeout',
  status: 504,
  text: (domain) => `The XMPP server of ${domain} could not be reached`,
}
const NOT_AGREED: Row = {
  fault: 'policy',
  retry: 'after-change',
  condition: 'remote-server-timeout',
  status: 504,
  text: (domain) => `No way to authenticate with the XMPP server of ${domain} could be agreed on`,
}
const WE_ARE_REFUSED: Row = {
  fault: 'partner',
  retry: 'later',
  condition: 'remote-server-timeout',
  status: 502,
  text: (domain) => `The XMPP server of ${domain} does not accept our identity`,
}
const THEIR_POLICY: Row = {
  fault: 'policy',
  retry: 'after-change',
  condition: 'policy-violation',
  status: 403,
  text: (domain) => `The XMPP server of ${domain} refuses this by its policy`,
}
const THEY_ARE_FULL: Row = {
  fault: 'partner',
  retry: 'later',
  condition: 'resource-constraint',
  status: 480,
  retryAfterS: 30,
  text: (domain) => `The XMPP server of ${domain} is overloaded`,
}
const WE_ARE_FULL: Row = {
  fault: 'us',
  retry: 'later',
  condition: 'resource-constraint',
  status: 480,
  retryAfterS: 10,
  text: (domain) => `Too much is waiting for ${domain}`,
}

const SIMPLE: Readonly<Record<Exclude<StreamFailure['kind'], 'peer-error'>, Row>> = {
  'domain-not-found': NOT_FOUND,
  'dns-trouble': NOT_REACHED,
  unreachable: NOT_REACHED,
  timeout: NOT_REACHED,
  'tls-failed': NOT_REACHED,
  certificate: {
    ...NOT_AGREED,
    fault: 'partner',
    text: (domain) => `The certificate of the XMPP server of ${domain} is not valid for it`,
  },
  'sasl-refused': WE_ARE_REFUSED,
  'no-method': NOT_AGREED,
  'dialback-invalid': { ...WE_ARE_REFUSED, condition: 'internal-server-error' },
  'dialback-error': WE_ARE_REFUSED,
  protocol: { ...NOT_REACHED, fault: 'partner' },
  closed: NOT_REACHED,
  'not-allowed': {
    fault: 'policy',
    retry: 'after-change',
    condition: 'not-allowed',
    status: 403,
    text: (domain) => `Federation with ${domain} is not allowed`,
  },
  'connection-limit': WE_ARE_FULL,
  'queue-full': WE_ARE_FULL,
  expired: NOT_REACHED,
  'too-big': {
    fault: 'sender',
    retry: 'after-change',
    condition: 'policy-violation',
    status: 513,
    text: (domain) => `The message is too large for ${domain}`,
  },
  'shutting-down': { ...NOT_REACHED, fault: 'us', text: () => 'The gateway is shutting down' },
}

const OF_PEER_ERROR: Partial<Readonly<Record<StreamCondition, Row>>> = {
  'host-unknown': NOT_FOUND,
  'host-gone': NOT_FOUND,
  'not-authorized': WE_ARE_REFUSED,
  'invalid-from': WE_ARE_REFUSED,
  // What it could not reach is our side, to have our key verified. @see RFC 6120 §4.9.3.16
  'remote-connection-failed': WE_ARE_REFUSED,
  'policy-violation': THEIR_POLICY,
  'resource-constraint': THEY_ARE_FULL,
  // All others, `system-shutdown`, `reset`, `connection-timeout` and `see-other-host` among them: not reached.
}

/** What the sender of a stanza is told. @see mapping B.3, RFC 6120 §10.4.3 */
export function failureOf(failure: StreamFailure, remote: DomainName): Failure {
  const row = failure.kind === 'peer-error' ? (OF_PEER_ERROR[failure.condition] ?? NOT_REACHED) : SIMPLE[failure.kind]
  const { text, ...words } = row
  return { ...words, text: text(remote), detail: detailOf(failure) }
}

/** What the sender's server hears when we could not ask its authoritative server. @see XEP-0220 §2.5, mapping F.5 */
export function verdictOfFailure(failure: StreamFailure): DialbackVerdict {
  return { type: 'error', condition: dialbackConditionOf(failure), text: undefined }
}

function dialbackConditionOf(failure: StreamFailure): DialbackCondition {
  switch (failure.kind) {
    case 'unreachable':
    case 'tls-failed':
      return 'remote-connection-failed'
    case 'timeout':
    case 'closed':
    case 'dns-trouble':
    case 'protocol':
      return 'remote-server-timeout'
    case 'peer-error':
      return OF_PEER_ERROR[failure.condition] === NOT_FOUND ? 'remote-server-not-found' : 'remote-server-timeout'
    case 'connection-limit':
    case 'queue-full':
      return 'resource-constraint'
    case 'not-allowed':
      return 'not-acceptable'
    case 'no-method':
    case 'certificate':
      return 'policy-violation'
    default:
      return 'remote-server-not-found'
  }
}

/** One line for the log. */
export function detailOf(failure: StreamFailure): string {
  return 'condition' in failure ? `${failure.kind} ${failure.condition}: ${failure.detail}` : failure.detail
}
