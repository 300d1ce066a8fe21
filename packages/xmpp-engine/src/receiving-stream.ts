import type { Hashes, Ids } from '@stox/kernel'
import { unreachable } from '@stox/kernel'
import type { XmlElement, XmlEvent } from '@stox/xml'
import { localNameOf, namespaceOf } from '@stox/xml'
import type {
  Dialback,
  DialbackCondition,
  DialbackVerdict,
  DomainName,
  SaslCondition,
  StreamErrorInfo,
  StreamFeatures,
  StreamHeader,
} from '@stox/xmpp'
import {
  STREAM_END,
  formatDialback,
  formatFeatures,
  formatSaslChallenge,
  formatSaslFailure,
  formatSaslSuccess,
  formatSmAnswer,
  formatStartTls,
  formatStreamError,
  formatStreamHeader,
  isBidi,
  isDialback,
  isSasl,
  isStreamManagement,
  ns,
  parseDialback,
  parseDomain,
  parseSasl,
  parseStartTls,
  parseStreamError,
  parseStreamHeader,
} from '@stox/xmpp'
import { isDialbackKey } from './dialback.ts'
import type { Step, StreamEffect, StreamInput, StreamTimes, TimerName } from './effects.ts'
import { stay, to } from './effects.ts'
import { EXTERNAL, allowsDialback, allowsExternal, allowsProof, featuresFor, whyNoMethod } from './feature-order.ts'
import type { Proof, ProvenPeer } from './proven-peer.ts'
import { dropStanza, passStanza, readStanza } from './read-stanza.ts'
import type { RefusalKind } from './refusal.ts'
import { refusalOfCondition, refusalOfXml } from './refusal.ts'
import type { FailureReason } from './failure-reasons.ts'
import type { CertificateVerdict, Judgement, StreamRules } from './rules.ts'
import type { StanzaCounts } from './stream-management.ts'
import { lastCounted, lastWordsOf, onManagementAsked } from './stream-management.ts'
import { certificateFailure } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'

/** What a receiving stream asks of the rest of the house. Live: answers may change while the stream stands. */
export interface ReceivingWorld {
  readonly ids: Ids
  readonly hashes: Hashes
  readonly times: StreamTimes
  readonly counts: StanzaCounts
  dialbackSecret(): string
  isServed(domain: DomainName): boolean
  judge(local: DomainName, remote: DomainName): Judgement
  /** Is there room for one more connection of this partner? */
  hasRoom(local: DomainName, remote: DomainName): boolean
  /** Do we hold a certificate for this domain of ours? */
  canEncrypt(local: DomainName): boolean
  /** Of what the peer has shown in its TLS handshake. */
  judgeCertificate(remote: DomainName): CertificateVerdict
}

/** Authorization is for a pair of domains, not for a stream. @see XEP-0220 §2.6 */
type Pair =
  | { readonly name: 'verifying'; readonly local: DomainName; readonly remote: DomainName }
  | { readonly name: 'proven'; readonly local: DomainName; readonly peer: ProvenPeer; readonly rules: StreamRules }

interface OpenStream {
  readonly encrypted: boolean
  readonly streamId: string
  /** The `to` of the header. */
  readonly local: DomainName
  /** The `from` of the header, which old servers leave out. */
  readonly remote: DomainName | undefined
  readonly rules: StreamRules | undefined
  /** The peer's certificate names `remote` and leads to an authority that we trust. */
  readonly isCertified: boolean
  readonly sasl: {
    readonly failures: number
    /** `<auth/>` came without its initial response, and we have asked for it. */
    readonly isAwaitingResponse: boolean
  }
  readonly pairs: ReadonlyMap<string, Pair>
  /** Somebody had a key verified here: such a connection need not authenticate. @see XEP-0220 §2.4 */
  readonly hasAnswered: boolean
  /** Dialback elements that came before any pair was proven. */
  readonly questions: number
  /** Stanzas are acknowledged. @see XEP-0198 */
  readonly isManaged: boolean
  /** Our own stanzas for a pair that has proven itself may use it too. @see XEP-0288 */
  readonly isBidi: boolean
  /** What comes now is left to the peer, which will not find it acknowledged. */
  readonly isDraining: boolean
  /** Why dialback was refused the last time. */
  readonly denied: StreamFailure | undefined
}

interface Before {
  readonly local: DomainName
  readonly remote: DomainName | undefined
}

export type ReceivingState =
  | {
      readonly name: 'awaiting-header'
      readonly encrypted: boolean
      /** SASL has succeeded and the stream starts anew. */
      readonly proven: ProvenPeer | undefined
      /** What the header before this one said, or the handshake of direct TLS. */
      readonly before: Before | undefined
      readonly isBidi: boolean
    }
  | ({ readonly name: 'open' } & OpenStream)
  /** Without `local`: before any header. @see XEP-0368 */
  | { readonly name: 'starting-tls'; readonly local: DomainName | undefined; readonly remote: DomainName | undefined }
  /** We have closed our side and still take what the peer has under way. @see RFC 6120 §4.4 */
  | ({ readonly name: 'closing' } & OpenStream)
  | { readonly name: 'closed' }

type Open = Extract<ReceivingState, { name: 'open' | 'closing' }>
type Stepped = Step<ReceivingState>

/** More pairs than this on one stream are refused. */
export const MAX_PAIRS = 100
/** Before a pair has proven itself; each question costs us a key or a connection. @see mapping F.5 */
const MAX_QUESTIONS = 200
/** @see mapping F.3, RFC 6120 §6.4.5 */
const MAX_SASL_FAILURES = 3
/** A peer with the same interval as ours is not cut off for being a moment late. */
const KEEP_ALIVE_GRACE = 1.1

const CLOSED: ReceivingState = { name: 'closed' }
const keyOf = (local: DomainName, remote: DomainName): string => `${local} ${remote}`
const provePeer = (domain: DomainName, provenBy: Proof): ProvenPeer => ({ domain, provenBy }) as ProvenPeer

/** `direct`: TLS comes first, and then the header. @see XEP-0368 */
export function startReceiving(world: ReceivingWorld, tls: 'starttls' | 'direct' = 'starttls'): Stepped {
  const establishment: StreamEffect = {
    kind: 'arm-timer',
    timer: 'establishment',
    afterMs: world.times.establishmentMs,
  }
  if (tls === 'starttls') {
    return to(
      { name: 'awaiting-header', encrypted: false, proven: undefined, before: undefined, isBidi: false },
      establishment,
    )
  }
  return to({ name: 'starting-tls', local: undefined, remote: undefined }, establishment, {
    kind: 'start-tls',
    role: 'server',
    local: undefined,
    remote: undefined,
  })
}

/** The receiving server's side of a stream, which is also the authoritative server's. @see RFC 6120 §4, XEP-0220 */
export function advanceReceiving(state: ReceivingState, input: StreamInput, world: ReceivingWorld): Stepped {
  if (state.name === 'closed') return stay(state)
  switch (input.kind) {
    case 'xml':
      return onXml(state, input.event, world)
    case 'tls-done':
      if (state.name !== 'starting-tls') throw new Error(`TLS was not being started: ${state.name}`)
      return to({
        name: 'awaiting-header',
        encrypted: true,
        proven: undefined,
        before: state.local === undefined ? askedFor(input.serverName) : { local: state.local, remote: state.remote },
        isBidi: false,
      })
    case 'timer':
      return onTimer(state, input.timer, input.quietMs, world)
    case 'dialback-verdict':
      return state.name === 'open' ? onVerdict(state, input, world) : stay(state)
    case 'policy-changed':
      return state.name === 'open' ? onPolicyChanged(state, world) : stay(state)
    case 'acknowledge':
      if (state.name !== 'open' || !state.isManaged) return stay(state)
      return to(state, { kind: 'write', text: formatSmAnswer(world.counts.handled) })
    case 'drain':
      return onDrain(state, world)
    case 'close':
      if (input.error !== undefined) {
        return endWith(state, input.error, world, input.refusal, input.because?.detail, input.because)
      }
      return state.name === 'open' ? beginClose(state, world) : hangUp()
    case 'injected':
      if (state.name === 'awaiting-header' && state.proven !== undefined) {
        return endWith(state, errorOf('policy-violation'), world, undefined, 'text behind <auth/>')
      }
      if (state.name !== 'starting-tls') return stay(state)
      return to(
        CLOSED,
        { kind: 'refused', refusal: 'plaintext-injection', detail: 'plain text behind <starttls/>', isLast: true },
        {
          kind: 'ended',
          failure: {
            kind: 'protocol',
            condition: 'policy-violation',
            refusal: 'plaintext-injection',
            detail: 'text behind <starttls/>',
          },
        },
        { kind: 'hang-up' },
      )
    case 'gone':
      return to(CLOSED, { kind: 'ended', failure: whyOf(state, input.failure) }, { kind: 'hang-up' })
    default:
      return unreachable(input)
  }
}

/** The stream must be for the domain whose certificate was shown. @see XEP-0368 §3, mapping F.6 */
function askedFor(serverName: string | undefined): Before | undefined {
  const local = serverName === undefined ? undefined : parseDomain(serverName)
  return local?.ok === true ? { local: local.value, remote: undefined } : undefined
}

/**
 * Why a stream came to its end, when the peer ended it. What we have refused says more than how the peer took it. Who
 * only came to ask about a key may go as he likes; and behind our closing tag nothing is missed.
 */
function whyOf(state: ReceivingState, failure: StreamFailure | undefined): StreamFailure | undefined {
  const isBroken = failure?.kind === 'closed' && failure.reason === undefined
  if (state.name === 'closing') return isBroken ? undefined : failure
  if (state.name !== 'open') return isBroken ? { ...failure, reason: 'hung-up' } : failure
  if (hasProven(state)) return isBroken ? { ...failure, reason: 'connection-lost' } : failure
  if (state.denied !== undefined) return state.denied
  if (isBroken || failure === undefined) {
    if (state.hasAnswered) return undefined
    const guess = state.encrypted ? 'it may not accept our certificate' : 'it said nothing'
    return { kind: 'closed', reason: 'hung-up', detail: failure?.detail ?? `it closed its stream: ${guess}` }
  }
  return failure
}

/** The pairs that may send. */
export function provenPairs(
  state: ReceivingState,
): readonly { readonly local: DomainName; readonly peer: ProvenPeer }[] {
  if (state.name !== 'open' && state.name !== 'closing') return []
  return [...state.pairs.values()].filter((pair) => pair.name === 'proven')
}

function onXml(state: ReceivingState, event: XmlEvent, world: ReceivingWorld): Stepped {
  switch (event.kind) {
    case 'stream-start':
      if (state.name !== 'awaiting-header') throw new Error(`a second header in one reader: ${state.name}`)
      return onHeader(state, event.element, world)
    case 'element':
      if (state.name !== 'open' && state.name !== 'closing') return stay(state)
      return onElement(state, event.element, event.bytes, world)
    case 'stream-end':
      if (state.name === 'closing') return hangUp()
      return to(
        CLOSED,
        { kind: 'write', text: lastWords(state, world) + STREAM_END },
        { kind: 'ended', failure: whyOf(state, undefined) },
        { kind: 'hang-up' },
      )
    case 'failure': {
      const { condition, detail } = event.failure
      return endWith(state, { condition, text: undefined }, world, refusalOfXml(event.failure), detail)
    }
    default:
      return unreachable(event)
  }
}

function onHeader(
  state: Extract<ReceivingState, { name: 'awaiting-header' }>,
  element: XmlElement,
  world: ReceivingWorld,
): Stepped {
  const parsed = parseStreamHeader(element)
  if (!parsed.ok) {
    return endWith(state, parsed.failure, world, refusalOfCondition(parsed.failure.condition), 'stream header')
  }
  const header = parsed.value
  const local = header.to
  const remote = header.from ?? state.before?.remote
  const answer = answerTo(header, remote, world)
  const addressed: StreamEffect = { kind: 'addressed', local, remote }
  const refuseHere = (
    refusal: RefusalKind,
    error: StreamErrorInfo,
    detail: string,
    failure: StreamFailure = { kind: 'protocol', condition: error.condition, refusal, detail },
  ): Stepped =>
    to(
      CLOSED,
      addressed,
      { kind: 'refused', refusal, detail, isLast: true },
      { kind: 'write', text: formatStreamHeader(answer) + formatStreamError(error) + STREAM_END },
      { kind: 'ended', failure },
      { kind: 'hang-up' },
    )

  if (local === undefined) {
    return refuseHere(
      'improper-addressing',
      { condition: 'improper-addressing', text: undefined },
      'no `to` in the header',
    )
  }
  if (!world.isServed(local)) {
    return refuseHere('host-unknown', { condition: 'host-unknown', text: undefined }, `a stream to ${local}`)
  }
  // Addresses may not change when a stream starts anew. @see RFC 6120 §4.7.1, §4.7.2
  const { before } = state
  if (before !== undefined && (before.local !== local || (before.remote ?? remote) !== remote)) {
    const error: StreamErrorInfo = { condition: 'improper-addressing', text: 'other addresses than before' }
    return refuseHere('improper-addressing', error, 'the addresses changed when the stream started anew')
  }

  let rules: StreamRules | undefined
  let isCertified = false
  const unproven: StreamEffect[] = []
  if (remote !== undefined) {
    if (world.isServed(remote)) {
      const detail = `a stream from ${remote}, which is ours`
      return refuseHere('own-domain', { condition: 'invalid-from', text: undefined }, detail)
    }
    const judgement = world.judge(local, remote)
    if (!judgement.allowed) {
      // Never tells which domains are listed. @see mapping F.3
      const detail = `${remote} to ${local}: ${judgement.reason}`
      return refuseHere('unknown-partner', { condition: judgement.condition, text: undefined }, detail)
    }
    rules = judgement.rules
    const why = whyNoMethod(rules)
    if (why !== undefined) {
      return refuseHere('no-method', { condition: 'unsupported-feature', text: why }, `${remote}: ${why}`)
    }
    if (rules.tls === 'required' && !state.encrypted) {
      if (answer.version === undefined) {
        const error: StreamErrorInfo = {
          condition: 'unsupported-version',
          text: 'TLS is required, which needs XMPP 1.0',
        }
        return refuseHere('tls-required', error, `${remote} speaks no XMPP 1.0, and TLS is required`)
      }
      if (!world.canEncrypt(local)) {
        const error: StreamErrorInfo = { condition: 'internal-server-error', text: undefined }
        return refuseHere('tls-failed', error, `TLS is required, and there is no certificate for ${local}`)
      }
    }
    if (state.encrypted && state.proven === undefined && allowsExternal(rules)) {
      const certificate = world.judgeCertificate(remote)
      isCertified = certificate.ok
      if (!certificate.ok && !allowsDialback(rules, true)) {
        const error: StreamErrorInfo = { condition: 'not-authorized', text: certificate.reason }
        return refuseHere('certificate', error, `${remote}: ${certificate.reason}`, certificateFailure(certificate))
      }
      if (!certificate.ok) unproven.push({ kind: 'unproven-by-certificate', remote, reason: certificate.reason })
    }
    if (state.proven !== undefined && !world.hasRoom(local, remote)) {
      const error: StreamErrorInfo = { condition: 'resource-constraint', text: undefined }
      return refuseHere('connection-limit', error, `${remote} has its connections`)
    }
  }

  const open: Extract<ReceivingState, { name: 'open' }> = {
    name: 'open',
    encrypted: state.encrypted,
    streamId: answer.id,
    local,
    remote,
    rules,
    isCertified,
    sasl: { failures: 0, isAwaitingResponse: false },
    pairs: new Map(),
    hasAnswered: false,
    questions: 0,
    isManaged: false,
    isBidi: state.isBidi,
    isDraining: false,
    denied: undefined,
  }
  const offered = {
    ...(state.proven === undefined ? featuresOf(open, world) : AFTER_SASL),
    limits: limitsOf(rules, world),
  }
  const features = answer.version === undefined ? '' : formatFeatures(offered)
  const written: StreamEffect = { kind: 'write', text: formatStreamHeader(answer) + features }
  if (state.proven === undefined || rules === undefined) return to(open, addressed, ...unproven, written)
  const proven = prove(open, local, state.proven, rules, world)
  return to(proven.state, addressed, written, ...proven.effects)
}

const AFTER_SASL: StreamFeatures = {
  startTls: undefined,
  mechanisms: [],
  dialback: undefined,
  limits: undefined,
  streamManagement: true,
  bidi: false,
}

/** Those of the authenticated stream: dialback has no features of its own after it. @see XEP-0478 §3 */
const limitsOf = (rules: StreamRules | undefined, { times }: ReceivingWorld): StreamFeatures['limits'] =>
  rules && { maxBytes: rules.maxStanzaBytes, idleSeconds: Math.max(1, Math.floor(times.idleMs / 1000)) }

const featuresOf = (state: OpenStream, world: ReceivingWorld): StreamFeatures =>
  featuresFor(state.rules, state.encrypted, world.canEncrypt(state.local), state.isCertified)

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

function onElement(state: Open, element: XmlElement, bytes: number, world: ReceivingWorld): Stepped {
  const namespace = namespaceOf(element)
  const name = localNameOf(element)
  if (namespace === ns.NS_SERVER) {
    if (name === 'message' || name === 'presence' || name === 'iq') return onStanza(state, element, bytes, world)
    return endWith(state, errorOf('unsupported-stanza-type'), world, 'unsupported-stanza-type', `<${name}/>`)
  }
  const streamError = parseStreamError(element)
  if (streamError !== undefined) {
    const detail = streamError.text ?? 'the peer closed its stream'
    return to(
      CLOSED,
      { kind: 'write', text: state.name === 'open' ? lastWords(state, world) + STREAM_END : '' },
      { kind: 'ended', failure: whyOf(state, { kind: 'peer-error', condition: streamError.condition, detail }) },
      { kind: 'hang-up' },
    )
  }
  if (state.name === 'closing') return state.isManaged ? to(state, ...lastCounted(element, world.counts)) : stay(state)
  if (isBidi(element) && mayTurnBidi(state, world)) return stay({ ...state, isBidi: true })
  if (isStreamManagement(element)) return onManagement(state, element, world)
  if (isDialback(element)) return onDialback(state, element, world)
  if (isSasl(element)) return onSasl(state, element, world)
  if (namespace === ns.NS_TLS && parseStartTls(element) === 'starttls') return onStartTls(state, world)
  const condition = namespace === ns.NS_CLIENT ? 'invalid-namespace' : 'unsupported-stanza-type'
  return endWith(state, errorOf(condition), world, condition, `<${name} xmlns='${namespace}'/>`)
}

/** Before authentication, where it was offered. @see XEP-0288 §3 */
const mayTurnBidi = (state: OpenStream, world: ReceivingWorld): boolean =>
  !state.isBidi && state.pairs.size === 0 && featuresOf(state, world).bidi

function onManagement(
  state: Extract<ReceivingState, { name: 'open' }>,
  element: XmlElement,
  world: ReceivingWorld,
): Stepped {
  const managed = onManagementAsked(element, { isOn: state.isManaged, isProven: hasProven(state) }, world.counts)
  if (managed.kind === 'stream-error') {
    return endWith(state, managed.error, world, 'stream-management', managed.detail)
  }
  return to(managed.turns === 'on' ? { ...state, isManaged: true } : state, ...managed.effects)
}

/** @see RFC 6120 §5.4.2 */
function onStartTls(state: Extract<ReceivingState, { name: 'open' }>, world: ReceivingWorld): Stepped {
  const { startTls } = featuresOf(state, world)
  if (startTls === undefined || state.pairs.size > 0) {
    const isByRecord = state.rules?.tls === 'notSupported' && !state.encrypted
    const detail = isByRecord
      ? 'the peer wants TLS and the partner record says it is not supported'
      : 'STARTTLS was not offered here'
    return to(
      CLOSED,
      { kind: 'refused', refusal: 'tls-failed', detail, isLast: true },
      { kind: 'write', text: formatStartTls('failure') + STREAM_END },
      { kind: 'ended', failure: { kind: 'tls-failed', reason: isByRecord ? 'no-method' : 'protocol-error', detail } },
      { kind: 'hang-up' },
    )
  }
  return to(
    { name: 'starting-tls', local: state.local, remote: state.remote },
    { kind: 'write', text: formatStartTls('proceed') },
    { kind: 'start-tls', role: 'server', local: state.local, remote: state.remote },
  )
}

/** @see RFC 6120 §6.4, §6.5, XEP-0178 §3, mapping F.3 */
function onSasl(state: Extract<ReceivingState, { name: 'open' }>, element: XmlElement, world: ReceivingWorld): Stepped {
  const refuseWith = (condition: SaslCondition, detail: string): Stepped => {
    const failures = state.sasl.failures + 1
    const next = { ...state, sasl: { failures, isAwaitingResponse: false } }
    const effects: StreamEffect[] = [
      refused('sasl-refused', `${state.remote ?? 'somebody'} to ${state.local}: ${condition}, ${detail}`),
      { kind: 'write', text: formatSaslFailure(condition) },
    ]
    if (failures < MAX_SASL_FAILURES) return to(next, ...effects)
    const error: StreamErrorInfo = { condition: 'policy-violation', text: 'too many attempts to authenticate' }
    const end = endWith(next, error, world)
    return to(end.state, ...effects, ...end.effects)
  }

  const parsed = parseSasl(element)
  if (!parsed.ok) return refuseWith(parsed.failure.condition, 'malformed')
  const sasl = parsed.value
  switch (sasl.kind) {
    case 'auth':
      if (!state.encrypted) return refuseWith('encryption-required', 'on a plain stream')
      if (sasl.mechanism !== EXTERNAL) return refuseWith('invalid-mechanism', sasl.mechanism)
      if (sasl.initial === undefined) {
        const next = { ...state, sasl: { ...state.sasl, isAwaitingResponse: true } }
        return to(next, { kind: 'write', text: formatSaslChallenge() })
      }
      return onAuthorization(state, sasl.initial, world, refuseWith)
    case 'response':
      if (!state.sasl.isAwaitingResponse) return refuseWith('malformed-request', 'a response to nothing')
      return onAuthorization(state, sasl.text ?? '', world, refuseWith)
    case 'abort':
      return refuseWith('aborted', 'aborted by the peer')
    case 'challenge':
    case 'success':
    case 'failure':
      return refuseWith('malformed-request', `<${sasl.kind}/> from who asks`)
    default:
      return unreachable(sasl)
  }
}

/** The peer may be who its certificate says, and nobody else. @see XEP-0178 §3 */
function onAuthorization(
  state: Extract<ReceivingState, { name: 'open' }>,
  authorization: string,
  world: ReceivingWorld,
  refuseWith: (condition: SaslCondition, detail: string) => Stepped,
): Stepped {
  const { local, remote } = state
  if (remote === undefined || !state.isCertified) return refuseWith('not-authorized', 'EXTERNAL was not offered')
  // Also on a stream that has proven itself already: what it has proven cannot be taken along into a new one.
  if (state.pairs.size > 0) return refuseWith('not-authorized', 'dialback has begun')
  const judgement = world.judge(local, remote)
  if (!judgement.allowed || !allowsExternal(judgement.rules)) {
    return refuseWith('not-authorized', 'the partner record does not allow it')
  }
  if (authorization !== '') {
    const wanted = parseDomain(authorization)
    if (!wanted.ok || wanted.value !== remote) return refuseWith('invalid-authzid', `for ${remote}`)
  }
  return to(
    {
      name: 'awaiting-header',
      encrypted: true,
      proven: provePeer(remote, 'sasl-external'),
      before: { local, remote },
      isBidi: state.isBidi,
    },
    { kind: 'write', text: formatSaslSuccess() },
    { kind: 'restart' },
  )
}

/** Who speaks, to whom, and only then what. @see mapping F.8 */
function onStanza(state: Open, element: XmlElement, bytes: number, world: ReceivingWorld): Stepped {
  // Behind our last count nothing can be acknowledged: the peer keeps it, to send it again or to tell its sender.
  if (state.isManaged && (state.isDraining || state.name === 'closing')) return stay(state)
  const read = readStanza(element)
  if (read.kind === 'stanza' || read.kind === 'answer') {
    const pair = state.pairs.get(keyOf(read.local, read.remote))
    if (pair?.name === 'proven') return to(state, ...passStanza(read, pair.peer, bytes))
    return onStranger(state, read.local, read.remote, world)
  }
  if (!hasProven(state)) return onUnauthenticated(state, world)
  if (read.kind === 'break') return endWith(state, errorOf(read.condition), world, read.condition, read.detail)
  return to(state, ...dropStanza(read.detail))
}

const hasProven = (state: Open): boolean => [...state.pairs.values()].some((pair) => pair.name === 'proven')

const onUnauthenticated = (state: Open, world: ReceivingWorld): Stepped =>
  endWith(state, errorOf('not-authorized'), world, 'not-authorized', 'a stanza before authentication')

/** A stanza of a pair that has not proven itself here. @see RFC 6120 §4.9.3.6, §4.9.3.9, §8.1.1.2 */
function onStranger(state: Open, local: DomainName, remote: DomainName, world: ReceivingWorld): Stepped {
  if (!hasProven(state)) return onUnauthenticated(state, world)
  const detail = `a stanza from ${remote} for ${local}`
  if (world.isServed(remote)) return endWith(state, errorOf('invalid-from'), world, 'own-domain', detail)
  const knowsSender = [...state.pairs.values()].some((pair) => pair.name === 'proven' && pair.peer.domain === remote)
  const condition = knowsSender && !world.isServed(local) ? 'host-unknown' : 'invalid-from'
  return endWith(state, errorOf(condition), world, condition, detail)
}

function onDialback(
  state: Extract<ReceivingState, { name: 'open' }>,
  element: XmlElement,
  world: ReceivingWorld,
): Stepped {
  const parsed = parseDialback(element)
  if (!parsed.ok) {
    const { condition, detail } = parsed.failure
    return endWith(state, errorOf(condition), world, condition, detail)
  }
  const dialback = parsed.value
  const asked = hasProven(state) ? state : { ...state, questions: state.questions + 1 }
  if (asked.questions > MAX_QUESTIONS) {
    const error: StreamErrorInfo = { condition: 'policy-violation', text: 'too many keys before authentication' }
    return endWith(state, error, world, 'dialback-refused')
  }
  switch (dialback.kind) {
    case 'result-request':
      return onResultRequest(asked, dialback, world)
    case 'verify-request':
      return onVerifyRequest(asked, dialback, world)
    case 'result-answer':
    case 'verify-answer':
      // We ask nothing on a stream that others opened, so nothing can be answered. @see XEP-0220 §2.1
      return endWith(state, errorOf('not-authorized'), world, 'dialback-unsolicited', 'an answer to nothing')
    default:
      return unreachable(dialback)
  }
}

/** We are the receiving server: the sender must be asked about. @see XEP-0220 §2.1.1 */
function onResultRequest(
  state: Extract<ReceivingState, { name: 'open' }>,
  request: Extract<Dialback, { kind: 'result-request' }>,
  world: ReceivingWorld,
): Stepped {
  const { from: remote, to: local } = request
  const answer = (verdict: DialbackVerdict): StreamEffect => ({
    kind: 'write',
    text: resultText(local, remote, verdict),
  })
  const refuseWith = (condition: Extract<DialbackVerdict, { type: 'error' }>['condition'], detail: string): Stepped =>
    to(
      { ...state, denied: { kind: 'no-method', reason: WHY_DENIED[condition] ?? 'no-method', detail } },
      { kind: 'refused', refusal: 'dialback-refused', detail: `${remote} to ${local}: ${detail}` },
      answer({ type: 'error', condition, text: undefined }),
    )

  if (!world.isServed(local)) return refuseWith('item-not-found', 'not served here')
  if (world.isServed(remote)) {
    return endWith(state, errorOf('not-authorized'), world, 'own-domain', `dialback for ${remote}, which is ours`)
  }
  const judgement = world.judge(local, remote)
  if (!judgement.allowed) {
    if (state.pairs.size > 0 || state.remote !== undefined) return refuseWith('not-acceptable', judgement.reason)
    // The header did not say who comes: this is where we learn it.
    const detail = `${remote} to ${local}: ${judgement.reason}`
    return endWith(state, errorOf(judgement.condition), world, 'unknown-partner', detail)
  }
  if (!allowsDialback(judgement.rules, state.encrypted)) {
    return allowsDialback(judgement.rules, true)
      ? refuseWith('policy-violation', 'TLS is required')
      : refuseWith('not-authorized', 'dialback is not allowed')
  }
  const key = keyOf(local, remote)
  const pair = state.pairs.get(key)
  // The same connection has proven it already; or the answer is on its way.
  if (pair?.name === 'proven') return to(state, answer({ type: 'valid' }))
  if (pair?.name === 'verifying') return stay(state)
  if (state.pairs.size >= MAX_PAIRS || !world.hasRoom(local, remote)) {
    return refuseWith('resource-constraint', 'too many connections or pairs')
  }
  return to(
    { ...state, pairs: new Map(state.pairs).set(key, { name: 'verifying', local, remote }) },
    { kind: 'verify', local, remote, streamId: state.streamId, key: request.key },
  )
}

/** We are the authoritative server: did we make this key? Also for peers that have not proven anything. @see XEP-0220 §2.1.2 */
function onVerifyRequest(
  state: Extract<ReceivingState, { name: 'open' }>,
  request: Extract<Dialback, { kind: 'verify-request' }>,
  world: ReceivingWorld,
): Stepped {
  const { from, to: local, id, key } = request
  const subject = { receiving: from, originating: local, streamId: id }
  let verdict: DialbackVerdict
  if (!world.isServed(local)) verdict = { type: 'error', condition: 'item-not-found', text: undefined }
  else verdict = { type: isDialbackKey(world.hashes, world.dialbackSecret(), subject, key) ? 'valid' : 'invalid' }
  const effects: StreamEffect[] = [
    { kind: 'write', text: formatDialback({ kind: 'verify-answer', from: local, to: from, id, verdict }) },
  ]
  if (verdict.type === 'valid') effects.push({ kind: 'vouched' })
  if (verdict.type === 'invalid') {
    effects.push({ kind: 'refused', refusal: 'dialback-invalid', detail: `${from} asked about a key that is not ours` })
  }
  return { state: state.hasAnswered ? state : { ...state, hasAnswered: true }, effects }
}

/** @see XEP-0220 §2.1.1, §2.5 */
function onVerdict(
  state: Extract<ReceivingState, { name: 'open' }>,
  input: Extract<StreamInput, { kind: 'dialback-verdict' }>,
  world: ReceivingWorld,
): Stepped {
  const { local, remote } = input
  const key = keyOf(local, remote)
  if (state.pairs.get(key)?.name !== 'verifying') return stay(state)
  const pairs = new Map(state.pairs)
  pairs.delete(key)
  const judgement = world.judge(local, remote)
  const provenBy: Proof = state.encrypted && input.encrypted ? 'dialback-over-tls' : 'dialback-over-tcp'
  const verdict = judged(input.verdict, judgement, provenBy)
  const answer: StreamEffect = { kind: 'write', text: resultText(local, remote, verdict) }

  if (verdict.type === 'error') {
    const detail = `${remote} to ${local}: ${verdict.condition} ${verdict.text ?? ''}`.trim()
    return to({ ...state, pairs, denied: { kind: 'no-method', detail } }, refused('dialback-refused', detail), answer)
  }
  if (verdict.type === 'invalid') {
    const detail = `${remote} says that it made no such key for ${local}`
    if (pairs.size > 0) {
      const forbidden: DialbackVerdict = { type: 'error', condition: 'forbidden', text: undefined }
      const text = resultText(local, remote, forbidden)
      return to({ ...state, pairs }, refused('dialback-invalid', detail), { kind: 'write', text })
    }
    return to(
      CLOSED,
      { kind: 'refused', refusal: 'dialback-invalid', detail, isLast: true },
      answer,
      { kind: 'write', text: STREAM_END },
      { kind: 'ended', failure: { kind: 'dialback-invalid', reason: 'dialback-forged', detail } },
      { kind: 'hang-up' },
    )
  }
  if (!judgement.allowed) return stay(state) // `judged` has made it an error
  const proven = prove({ ...state, pairs }, local, provePeer(remote, provenBy), judgement.rules, world)
  return to(proven.state, answer, ...proven.effects)
}

/** The pair may send from now on. */
function prove(
  state: Extract<ReceivingState, { name: 'open' }>,
  local: DomainName,
  peer: ProvenPeer,
  rules: StreamRules,
  world: ReceivingWorld,
): Stepped {
  const isFirst = !hasProven(state)
  const pairs = new Map(state.pairs).set(keyOf(local, peer.domain), { name: 'proven', local, peer, rules })
  const effects: StreamEffect[] = []
  if (isFirst) {
    const { idleMs, keepAliveMs } = world.times
    effects.push(
      { kind: 'cancel-timer', timer: 'establishment' },
      { kind: 'arm-timer', timer: 'idle', afterMs: idleMs },
    )
    if (rules.keepAlive) {
      effects.push({ kind: 'arm-timer', timer: 'keep-alive', afterMs: keepAliveMs * KEEP_ALIVE_GRACE })
    }
  }
  effects.push(
    { kind: 'set-max-stanza', bytes: maxStanzaOf(pairs) },
    { kind: 'proven', local, peer, isBidi: state.isBidi },
  )
  return { state: { ...state, pairs }, effects }
}

/** What a refusal of dialback comes from, when it is ours. */
const WHY_DENIED: Partial<Readonly<Record<DialbackCondition, FailureReason>>> = {
  'policy-violation': 'tls-required',
  'item-not-found': 'host-unknown',
  'not-acceptable': 'unknown-partner',
  'resource-constraint': 'connection-limit',
}

const refused = (refusal: RefusalKind, detail: string): StreamEffect => ({ kind: 'refused', refusal, detail })

/** The rules may have changed while we asked, and a key verified in the clear proves less than one verified over TLS. */
function judged(verdict: DialbackVerdict, judgement: Judgement, provenBy: Proof): DialbackVerdict {
  if (verdict.type !== 'valid') return verdict
  if (!judgement.allowed) return { type: 'error', condition: 'not-acceptable', text: undefined }
  if (!allowsDialback(judgement.rules, provenBy === 'dialback-over-tls')) {
    return { type: 'error', condition: 'policy-violation', text: 'the key could be verified in the clear only' }
  }
  return verdict
}

const maxStanzaOf = (pairs: ReadonlyMap<string, Pair>): number =>
  Math.max(...[...pairs.values()].map((pair) => (pair.name === 'proven' ? pair.rules.maxStanzaBytes : 0)))

const resultText = (local: DomainName, remote: DomainName, verdict: DialbackVerdict): string =>
  formatDialback({ kind: 'result-answer', from: local, to: remote, verdict })

function onTimer(state: ReceivingState, timer: TimerName, quietMs: number, world: ReceivingWorld): Stepped {
  switch (timer) {
    case 'establishment': {
      if (state.name === 'closing' || (state.name === 'open' && hasProven(state))) return stay(state)
      // A connection that was there for verification has done its work.
      if (state.name === 'open' && state.hasAnswered) return beginClose(state, world)
      const error: StreamErrorInfo = { condition: 'connection-timeout', text: 'not authenticated in time' }
      return endWith(state, error, world, 'establishment-timeout', `in state ${state.name}`)
    }
    case 'idle':
      if (state.name !== 'open') return stay(state)
      if (quietMs >= world.times.idleMs) return beginClose(state, world)
      return to(state, { kind: 'arm-timer', timer, afterMs: world.times.idleMs - quietMs })
    case 'close':
      return hangUp()
    case 'keep-alive': {
      if (state.name !== 'open') return stay(state)
      const longestMs = world.times.keepAliveMs * KEEP_ALIVE_GRACE
      if (quietMs >= longestMs) return beginClose(state, world)
      return to(state, { kind: 'arm-timer', timer, afterMs: longestMs - quietMs })
    }
    default:
      return unreachable(timer)
  }
}

function onPolicyChanged(state: Extract<ReceivingState, { name: 'open' }>, world: ReceivingWorld): Stepped {
  if (!world.isServed(state.local)) return endWith(state, errorOf('host-gone'), world)
  for (const pair of state.pairs.values()) {
    const remote = pair.name === 'proven' ? pair.peer.domain : pair.remote
    const judgement = world.judge(pair.local, remote)
    if (!world.isServed(pair.local)) return endWith(state, errorOf('host-gone'), world)
    if (!judgement.allowed) return endWith(state, errorOf(judgement.condition), world)
    if (pair.name === 'proven' && !allowsProof(judgement.rules, pair.peer.provenBy)) {
      return endWith(state, errorOf('reset'), world)
    }
  }
  if (state.remote !== undefined) {
    const judgement = world.judge(state.local, state.remote)
    if (!judgement.allowed) return endWith(state, errorOf(judgement.condition), world)
  }
  return stay(state)
}

/** Without stream management what the peer sends until it closes too is ours to deliver: so we close our side at once. */
function onDrain(state: ReceivingState, world: ReceivingWorld): Stepped {
  if (state.name !== 'open') return stay(state)
  return state.isManaged ? stay({ ...state, isDraining: true }) : beginClose(state, world)
}

const lastWords = (state: ReceivingState, world: ReceivingWorld): string =>
  state.name === 'open' && state.isManaged ? lastWordsOf({ answers: true, asks: state.isBidi }, world.counts) : ''

/** @see RFC 6120 §4.4 */
function beginClose(state: Extract<ReceivingState, { name: 'open' }>, world: ReceivingWorld): Stepped {
  return to(
    { ...state, name: 'closing' },
    { kind: 'write', text: lastWords(state, world) + STREAM_END },
    { kind: 'arm-timer', timer: 'close', afterMs: world.times.closeMs },
    ...(state.isBidi ? [{ kind: 'shut' } as const] : []),
  )
}

const hangUp = (): Stepped => to(CLOSED, { kind: 'ended', failure: undefined }, { kind: 'hang-up' })

const errorOf = (condition: StreamErrorInfo['condition']): StreamErrorInfo => ({ condition, text: undefined })

/** A stream error ends the stream. Where our header has not been sent, it goes first. @see RFC 6120 §4.9.1.2 */
function endWith(
  state: ReceivingState,
  error: StreamErrorInfo,
  world: ReceivingWorld,
  refusal?: RefusalKind,
  detail: string = error.text ?? error.condition,
  failure: StreamFailure = {
    kind: 'protocol',
    condition: error.condition,
    ...(refusal === undefined ? {} : { refusal }),
    detail,
  },
): Stepped {
  const effects: StreamEffect[] = []
  if (refusal !== undefined) effects.push({ kind: 'refused', refusal, detail, isLast: true })
  if (state.name === 'awaiting-header') {
    const header = formatStreamHeader({
      from: state.before?.local,
      to: state.before?.remote,
      id: world.ids.token(),
      version: { major: 1, minor: 0 },
      lang: 'en',
      declaresDialback: true,
    })
    effects.push({ kind: 'write', text: header + formatStreamError(error) + STREAM_END })
  } else if (state.name === 'open') {
    effects.push({ kind: 'write', text: lastWords(state, world) + formatStreamError(error) + STREAM_END })
  }
  // While TLS starts, or behind our closing tag, nothing can be said.
  effects.push({ kind: 'ended', failure }, { kind: 'hang-up' })
  return { state: CLOSED, effects }
}
