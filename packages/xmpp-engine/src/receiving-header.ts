import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { DomainName, StreamCondition, StreamErrorInfo, StreamFeatures, StreamHeader } from '@stox/xmpp'
import { STREAM_END, formatFeatures, formatStreamError, formatStreamHeader, parseStreamHeader } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import { to } from './effects.ts'
import { allowsDialback, allowsExternal, limitsOf, whyNoMethod } from './feature-order.ts'
import { endWith } from './receiving-end.ts'
import { prove } from './receiving-pairs.ts'
import type { In, ReceivingWorld, Stepped } from './receiving-state.ts'
import { CLOSED, featuresOf } from './receiving-state.ts'
import type { RefusalKind } from './refusal.ts'
import { refusalOfCondition } from './refusal.ts'
import type { CertificateVerdict, StreamRules } from './rules.ts'
import { certificateFailure } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'

/** Answered with our header and features, or with our header and why not. @see RFC 6120 §4.7, mapping F.3 */
export function onHeader(state: In<'awaiting-header'>, element: XmlElement, world: ReceivingWorld): Stepped {
  const parsed = parseStreamHeader(element)
  if (!parsed.ok) {
    return endWith(state, parsed.failure, world, refusalOfCondition(parsed.failure.condition), 'stream header')
  }
  const header = parsed.value
  const remote = header.from ?? state.before?.remote
  const answer = answerTo(header, remote, world)
  const addressed: StreamEffect = { kind: 'addressed', local: header.to, remote }
  const admitted = admit(state, answer, world)
  if (!admitted.ok) {
    const { refusal, error, detail, failure } = admitted.failure
    return to(
      CLOSED,
      addressed,
      { kind: 'refused', refusal, detail, isLast: true },
      { kind: 'write', text: formatStreamHeader(answer) + formatStreamError(error) + STREAM_END },
      { kind: 'ended', failure },
      { kind: 'hang-up' },
    )
  }

  const { local, rules, certificate } = admitted.value
  const open: In<'open'> = {
    name: 'open',
    encrypted: state.encrypted,
    streamId: answer.id,
    local,
    remote,
    rules,
    isCertified: certificate?.ok === true,
    sasl: { failures: 0, isAwaitingResponse: false },
    pairs: new Map(),
    hasAnswered: false,
    questions: 0,
    isManaged: false,
    isBidi: state.isBidi,
    limits: state.limits,
    isDraining: false,
    denied: undefined,
  }
  // The limits are those of the authenticated stream: dialback has no features of its own after it. @see XEP-0478 §3
  const offered = {
    ...(state.proven === undefined ? featuresOf(open, world) : AFTER_SASL),
    limits: rules && limitsOf(rules, world.times.idleMs),
  }
  const features = answer.version === undefined ? '' : formatFeatures(offered)
  const written: StreamEffect = { kind: 'write', text: formatStreamHeader(answer) + features }
  if (state.proven !== undefined && rules !== undefined) {
    const proven = prove(open, local, state.proven, rules, world)
    return to(proven.state, addressed, written, ...proven.effects)
  }
  if (remote === undefined || certificate?.ok !== false) return to(open, addressed, written)
  return to(open, addressed, { kind: 'unproven-by-certificate', remote, reason: certificate.reason }, written)
}

interface Admitted {
  readonly local: DomainName
  readonly rules: StreamRules | undefined
  /** Where one could prove who comes. */
  readonly certificate: CertificateVerdict | undefined
}

interface NotAdmitted {
  readonly refusal: RefusalKind
  readonly detail: string
  /** What the peer hears. */
  readonly error: StreamErrorInfo
  readonly failure: StreamFailure
}

function refuse(
  refusal: RefusalKind,
  condition: StreamCondition,
  detail: string,
  text?: string,
  failure: StreamFailure = { kind: 'protocol', condition, refusal, detail },
): Result<never, NotAdmitted> {
  return fail({ refusal, detail, error: { condition, text }, failure })
}

/** Who comes, to whom, and may he? `answer` is from the domain that he wants. */
function admit(
  state: In<'awaiting-header'>,
  answer: StreamHeader,
  world: ReceivingWorld,
): Result<Admitted, NotAdmitted> {
  const { before } = state
  const { from: local, to: remote } = answer
  if (local === undefined) return refuse('improper-addressing', 'improper-addressing', 'no `to` in the header')
  if (!world.isServed(local)) return refuse('host-unknown', 'host-unknown', `a stream to ${local}`)
  // Addresses may not change when a stream starts anew. @see RFC 6120 §4.7.1, §4.7.2
  if (before !== undefined && (before.local !== local || (before.remote ?? remote) !== remote)) {
    const detail = 'the addresses changed when the stream started anew'
    return refuse('improper-addressing', 'improper-addressing', detail, 'other addresses than before')
  }
  if (remote !== undefined && world.isServed(remote)) {
    return refuse('own-domain', 'invalid-from', `a stream from ${remote}, which is ours`)
  }
  const judgement = remote === undefined ? undefined : world.judge(local, remote)
  if (judgement?.allowed === false) {
    // Never tells which domains are listed. @see mapping F.3
    return refuse('unknown-partner', judgement.condition, `${remote} to ${local}: ${judgement.reason}`)
  }
  // Before TLS, which is what a stream costs.
  const penalty = state.proven === undefined ? world.penaltyOf(local, remote) : undefined
  if (penalty !== undefined) {
    const detail = `${remote ?? 'somebody'} to ${local}: ${penalty}`
    return refuse('penalty', 'policy-violation', detail, 'too many streams ended in errors: wait')
  }
  if (remote === undefined || judgement === undefined) return ok({ local, rules: undefined, certificate: undefined })
  return admitPartner(state, { local, remote, rules: judgement.rules, isOld: answer.version === undefined }, world)
}

/** By the partner's record. `isOld`: from before 1.0. */
function admitPartner(
  { encrypted, proven }: In<'awaiting-header'>,
  comer: {
    readonly local: DomainName
    readonly remote: DomainName
    readonly rules: StreamRules
    readonly isOld: boolean
  },
  world: ReceivingWorld,
): Result<Admitted, NotAdmitted> {
  const { local, remote, rules, isOld } = comer
  const why = whyNoMethod(rules)
  if (why !== undefined) return refuse('no-method', 'unsupported-feature', `${remote}: ${why}`, why)
  if (rules.tls === 'notSupported' && encrypted) {
    // Direct TLS, or STARTTLS before the peer had said who it is.
    const detail = 'the peer speaks TLS and the partner record says it is not supported'
    const failure: StreamFailure = { kind: 'tls-failed', reason: 'no-method', detail }
    const text = 'no TLS is agreed on: come without it'
    return refuse('no-method', 'policy-violation', `${remote}: ${detail}`, text, failure)
  }
  if (rules.tls === 'required' && !encrypted && isOld) {
    const detail = `${remote} speaks no XMPP 1.0, and TLS is required`
    return refuse('tls-required', 'unsupported-version', detail, 'TLS is required, which needs XMPP 1.0')
  }
  if (rules.tls === 'required' && !encrypted && !world.canEncrypt(local)) {
    const detail = `TLS is required, and there is no certificate for ${local}`
    return refuse('tls-failed', 'internal-server-error', detail)
  }
  if (proven !== undefined && !world.hasRoom(local, remote)) {
    return refuse('connection-limit', 'resource-constraint', `${remote} has its connections`)
  }
  const mayProve = encrypted && proven === undefined && allowsExternal(rules)
  const certificate = mayProve ? world.judgeCertificate(remote) : undefined
  if (certificate?.ok === false && !allowsDialback(rules, true)) {
    const { reason } = certificate
    return refuse('certificate', 'not-authorized', `${remote}: ${reason}`, reason, certificateFailure(certificate))
  }
  return ok({ local, rules, certificate })
}

const AFTER_SASL: StreamFeatures = {
  startTls: undefined,
  mechanisms: [],
  dialback: undefined,
  limits: undefined,
  streamManagement: true,
  bidi: false,
}

/** The lower of both versions; none for a stream from before 1.0, which has no features. @see RFC 6120 §4.7.5 */
function answerTo(
  header: StreamHeader,
  remote: DomainName | undefined,
  world: ReceivingWorld,
): StreamHeader & { readonly id: string } {
  return {
    from: header.to,
    to: remote,
    id: world.ids.token(),
    version: header.version === undefined || header.version.major < 1 ? undefined : { major: 1, minor: 0 },
    lang: 'en',
    declaresDialback: true,
  }
}
