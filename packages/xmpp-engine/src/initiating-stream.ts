import type { Hashes } from '@stox/kernel'
import { unreachable } from '@stox/kernel'
import type { XmlElement, XmlEvent } from '@stox/xml'
import { localNameOf, namespaceOf } from '@stox/xml'
import type {
  AdvertisedLimits,
  DialbackVerdict,
  DomainName,
  SaslElement,
  StreamCondition,
  StreamErrorInfo,
  StreamFeatures,
} from '@stox/xmpp'
import {
  SM_ENABLE,
  STREAM_END,
  formatBidi,
  formatDialback,
  formatSaslAuth,
  formatSmAnswer,
  formatStartTls,
  formatStreamError,
  formatStreamHeader,
  isDialback,
  isFeatures,
  isSasl,
  isStreamManagement,
  ns,
  parseDialback,
  parseFeatures,
  parseSasl,
  parseStartTls,
  parseStreamError,
  parseStreamHeader,
} from '@stox/xmpp'
import { dialbackKey } from './dialback.ts'
import type { Step, StreamEffect, StreamInput, StreamTimes, TimerName } from './effects.ts'
import { stay, to } from './effects.ts'
import type { ExternalChance } from './feature-order.ts'
import { EXTERNAL, allowsExternal, allowsProof, chooseNext } from './feature-order.ts'
import type { Proof, ProvenPeer } from './proven-peer.ts'
import type { FailureReason } from './failure-reasons.ts'
import { dropStanza, passStanza, readStanza } from './read-stanza.ts'
import type { RefusalKind } from './refusal.ts'
import { refusalOfCondition, refusalOfXml } from './refusal.ts'
import type { CertificateVerdict, Judgement, StreamRules } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'
import type { StanzaCounts } from './stream-management.ts'
import { lastCounted, lastWordsOf, onManagementAnswered } from './stream-management.ts'

/** What the stream is for: to carry our stanzas, or to have one dialback key verified. */
export type StreamPurpose =
  | { readonly kind: 'stanzas' }
  /** The id is the one we gave the stream on which the key came. */
  | { readonly kind: 'verify'; readonly streamId: string; readonly key: string }

export interface InitiatingWorld {
  readonly local: DomainName
  readonly remote: DomainName
  readonly purpose: StreamPurpose
  readonly hashes: Hashes
  readonly times: StreamTimes
  readonly counts: StanzaCounts
  dialbackSecret(): string
  judge(local: DomainName, remote: DomainName): Judgement
  /** Of what the peer has shown in its TLS handshake, for `remote`. */
  judgeCertificate(): CertificateVerdict
  /** Do we hold a certificate for `local`? */
  holdsCertificate(): boolean
}

export type InitiatingState =
  /** `provenBy`: the stream starts anew, since the peer knows who we are. */
  | {
      readonly name: 'awaiting-header'
      readonly encrypted: boolean
      readonly provenBy: Proof | undefined
      readonly isBidi: boolean
    }
  | {
      readonly name: 'awaiting-features'
      readonly encrypted: boolean
      readonly provenBy: Proof | undefined
      readonly isBidi: boolean
      readonly streamId: string
    }
  | { readonly name: 'awaiting-proceed' }
  | { readonly name: 'starting-tls' }
  /** `<auth/>` is sent. */
  | {
      readonly name: 'awaiting-success'
      readonly streamId: string
      readonly features: StreamFeatures | undefined
      readonly isBidi: boolean
    }
  /** `db:result` is sent; `refused`: after SASL EXTERNAL was not taken. */
  | {
      readonly name: 'authenticating'
      readonly encrypted: boolean
      readonly refused: StreamFailure | undefined
      readonly features: StreamFeatures | undefined
      readonly isBidi: boolean
    }
  /** `db:verify` is sent. */
  | { readonly name: 'verifying'; readonly encrypted: boolean }
  | {
      readonly name: 'established'
      readonly provenBy: Proof
      readonly idleMs: number
      /** `asked`: our `<enable/>` is on its way; what we send counts from there on. @see XEP-0198 §3 */
      readonly management: 'none' | 'asked' | 'on'
      /** The peer, and how it has proven itself, when it may send on this stream too. @see XEP-0288 */
      readonly bidi: ProvenPeer | undefined
      /** What comes now is left to the peer, which will not find it acknowledged. */
      readonly isDraining: boolean
    }
  /** We have closed our side and wait for the peer to close its own. @see RFC 6120 §4.4 */
  | { readonly name: 'closing'; readonly isManaged: boolean; readonly bidi: ProvenPeer | undefined }
  | { readonly name: 'closed' }

type Stepped = Step<InitiatingState>

const CLOSED: InitiatingState = { name: 'closed' }

/** The connection stands, encrypted already or not; we speak first. */
export function startInitiating(world: InitiatingWorld, encrypted = false): Stepped {
  return to(
    { name: 'awaiting-header', encrypted, provenBy: undefined, isBidi: false },
    { kind: 'arm-timer', timer: 'establishment', afterMs: world.times.establishmentMs },
    { kind: 'write', text: headerOf(world) },
  )
}

/** The initiating server's side of a stream, which is also how the receiving server asks the authoritative one. */
export function advanceInitiating(state: InitiatingState, input: StreamInput, world: InitiatingWorld): Stepped {
  if (state.name === 'closed') return stay(state)
  switch (input.kind) {
    case 'xml':
      return state.name === 'closing' ? onXmlWhileClosing(state, input.event, world) : onXml(state, input.event, world)
    case 'tls-done':
      if (state.name !== 'starting-tls') throw new Error(`TLS was not being started: ${state.name}`)
      return to(
        { name: 'awaiting-header', encrypted: true, provenBy: undefined, isBidi: false },
        { kind: 'write', text: headerOf(world) },
      )
    case 'timer':
      return onTimer(state, input.timer, input.quietMs, world)
    case 'policy-changed':
      return onPolicyChanged(state, world)
    case 'close':
      if (state.name === 'closing') return to(CLOSED, { kind: 'hang-up' })
      if (input.error !== undefined) {
        const { condition, text = 'closed by us' } = input.error
        return endWith(state, condition, text, input.refusal, undefined, input.because)
      }
      return beginClose(state, world)
    case 'injected':
      if (state.name === 'awaiting-header' && state.provenBy !== undefined) {
        return endWith(state, 'policy-violation', 'text behind <success/>')
      }
      if (state.name !== 'starting-tls') return stay(state)
      return to(
        CLOSED,
        { kind: 'refused', refusal: 'plaintext-injection', detail: 'plain text behind <proceed/>', isLast: true },
        {
          kind: 'ended',
          failure: { kind: 'tls-failed', reason: 'plaintext-injection', detail: 'plain text behind <proceed/>' },
        },
        { kind: 'hang-up' },
      )
    case 'gone':
      if (state.name === 'closing') return to(CLOSED, { kind: 'hang-up' })
      return to(CLOSED, { kind: 'ended', failure: brokenIn(state, input.failure) }, { kind: 'hang-up' })
    case 'acknowledge':
      if (state.name !== 'established' || state.management !== 'on') return stay(state)
      return to(state, { kind: 'write', text: formatSmAnswer(world.counts.handled) })
    case 'drain':
      if (state.name !== 'established' || state.bidi === undefined || state.management !== 'on') return stay(state)
      return stay({ ...state, isDraining: true })
    case 'dialback-verdict':
      return stay(state)
    default:
      return unreachable(input)
  }
}

const headerOf = (world: InitiatingWorld): string =>
  formatStreamHeader({
    from: world.local,
    to: world.remote,
    id: undefined,
    version: { major: 1, minor: 0 },
    lang: 'en',
    declaresDialback: true,
  })

/** What a peer without TLS says to `<starttls/>`, which we try where the record requires it. @see RFC 7590 §3.1 */
const KNOWS_NO_TLS: ReadonlySet<string> = new Set<StreamCondition>(['unsupported-stanza-type', 'unsupported-feature'])

/** A peer that hangs up on `<starttls/>` says no to it; one that does so on dialback has said why before. */
function brokenIn(state: InitiatingState, failure: StreamFailure): StreamFailure {
  if (state.name === 'awaiting-proceed' && failure.kind === 'peer-error' && KNOWS_NO_TLS.has(failure.condition)) {
    return { kind: 'tls-failed', reason: 'tls-required', detail: `${failure.condition} to STARTTLS` }
  }
  if (failure.kind !== 'closed' || failure.reason !== undefined) return failure
  switch (state.name) {
    case 'awaiting-proceed':
      return { kind: 'tls-failed', reason: 'starttls-refused', detail: 'the peer hung up on STARTTLS' }
    case 'authenticating':
      return state.refused ?? { ...failure, reason: 'hung-up-authenticating' }
    case 'awaiting-success':
      return { ...failure, reason: 'hung-up-authenticating' }
    case 'established':
      return { ...failure, reason: 'connection-lost' }
    default:
      return { ...failure, reason: 'hung-up' }
  }
}

/** What the peer says of our stanzas still counts. */
function onXmlWhileClosing(
  state: Extract<InitiatingState, { name: 'closing' }>,
  event: XmlEvent,
  world: InitiatingWorld,
): Stepped {
  if (event.kind === 'stream-end' || event.kind === 'failure') return to(CLOSED, { kind: 'hang-up' })
  if (event.kind !== 'element') return stay(state)
  if (state.bidi !== undefined && isStanza(event.element)) {
    return onStanza(state, state.bidi, event.element, event.bytes, world)
  }
  return state.isManaged ? to(state, ...lastCounted(event.element, world.counts)) : stay(state)
}

function onXml(state: InitiatingState, event: XmlEvent, world: InitiatingWorld): Stepped {
  switch (event.kind) {
    case 'stream-start':
      if (state.name !== 'awaiting-header') throw new Error(`a second header in one reader: ${state.name}`)
      return onHeader(state, event.element, world)
    case 'element':
      return onElement(state, event.element, event.bytes, world)
    case 'stream-end': {
      const failure: StreamFailure | undefined =
        state.name === 'established'
          ? undefined
          : { kind: 'closed', detail: `the peer closed its stream in ${state.name}` }
      return to(
        CLOSED,
        { kind: 'write', text: lastWords(state, world) + STREAM_END },
        { kind: 'ended', failure: failure && brokenIn(state, failure) },
        { kind: 'hang-up' },
      )
    }
    case 'failure':
      return endWith(state, event.failure.condition, event.failure.detail, refusalOfXml(event.failure))
    default:
      return unreachable(event)
  }
}

function onHeader(
  state: Extract<InitiatingState, { name: 'awaiting-header' }>,
  element: XmlElement,
  world: InitiatingWorld,
): Stepped {
  const parsed = parseStreamHeader(element)
  if (!parsed.ok) {
    const { condition, text } = parsed.failure
    return endWith(state, condition, text ?? 'stream header', refusalOfCondition(condition))
  }
  const header = parsed.value
  // Some leave `from` out; a wrong one is somebody else. @see RFC 6120 §4.7.1
  if (header.from !== undefined && header.from !== world.remote) {
    return endWith(state, 'invalid-from', `${header.from} answers for ${world.remote}`, 'invalid-from')
  }
  if (header.version !== undefined && header.version.major > 1) {
    return endWith(state, 'unsupported-version', `version ${header.version.major}`, 'unsupported-version')
  }
  // Without the id there is no key; a stream that is refused may lack it, and then its error comes next.
  const streamId = header.id ?? ''
  if (header.version === undefined || header.version.major < 1) {
    return proceed(state, streamId, undefined, world)
  }
  const { encrypted, provenBy, isBidi } = state
  return to({ name: 'awaiting-features', encrypted, provenBy, isBidi, streamId })
}

function proceed(
  state: Extract<InitiatingState, { name: 'awaiting-header' | 'awaiting-features' }>,
  streamId: string,
  features: StreamFeatures | undefined,
  world: InitiatingWorld,
): Stepped {
  const judgement = world.judge(world.local, world.remote)
  if (!judgement.allowed) return quit(state, world, { kind: 'not-allowed', detail: judgement.reason })
  if (state.provenBy !== undefined) return establish(state.provenBy, features, state.isBidi, world)
  const isBidi = wantsBidi(judgement.rules, features, state.encrypted, world)
  const wish = isBidi ? formatBidi(limitsOfOurs(judgement.rules, world)) : ''
  const chance = chanceOf(state.encrypted, world)
  const next = chooseNext(judgement.rules, features, state.encrypted, chance)
  switch (next.kind) {
    case 'nothing':
      return quit(state, world, next.failure)
    case 'starttls':
      return to({ name: 'awaiting-proceed' }, { kind: 'write', text: formatStartTls('starttls') })
    case 'external':
      // The authorization identity is empty by right; old servers want to read the domain. @see XEP-0178 §3
      return to(
        { name: 'awaiting-success', streamId, features, isBidi },
        { kind: 'write', text: wish + formatSaslAuth(EXTERNAL, world.local) },
      )
    case 'dialback': {
      const dialback = startDialback({ encrypted: state.encrypted, streamId, features, isBidi }, world, wish)
      const { certificate } = chance
      if (!state.encrypted || certificate.ok || !allowsExternal(judgement.rules)) return dialback
      const { remote } = world
      const unproven: StreamEffect = { kind: 'unproven-by-certificate', remote, reason: certificate.reason }
      return { ...dialback, effects: [unproven, ...dialback.effects] }
    }
    default:
      return unreachable(next)
  }
}

/**
 * Stanzas that come on a stream of ours are as good as the proof that we reached whom we wanted: a certificate for the
 * partner's domain, where its record takes one. Dialback proves us to the peer, and the peer to us only by DNS: not enough.
 * @see XEP-0288 §4
 */
const wantsBidi = (
  rules: StreamRules,
  features: StreamFeatures | undefined,
  encrypted: boolean,
  world: InitiatingWorld,
): boolean =>
  encrypted &&
  features?.bidi === true &&
  world.purpose.kind === 'stanzas' &&
  allowsExternal(rules) &&
  world.judgeCertificate().ok

/** What we take of the peer where it may send too. @see XEP-0478 §3.2 */
const limitsOfOurs = ({ maxStanzaBytes }: StreamRules, { times }: InitiatingWorld): AdvertisedLimits => ({
  maxBytes: maxStanzaBytes,
  idleSeconds: Math.max(1, Math.floor(times.idleMs / 1000)),
})

const NO_CERTIFICATE: CertificateVerdict = { ok: false, reason: 'the stream is not encrypted' }

/** Who only asks about a key need not say who it is. @see XEP-0220 §2.4 */
function chanceOf(encrypted: boolean, world: InitiatingWorld): ExternalChance {
  return {
    certificate: encrypted ? world.judgeCertificate() : NO_CERTIFICATE,
    holdsCertificate: world.holdsCertificate(),
    isRefused: world.purpose.kind === 'verify',
  }
}

/** @see RFC 6120 §6.4.5, §6.4.6, mapping F.2 */
function onSasl(
  state: Extract<InitiatingState, { name: 'awaiting-success' }>,
  sasl: SaslElement,
  world: InitiatingWorld,
): Stepped {
  if (sasl.kind === 'success') {
    return to(
      { name: 'awaiting-header', encrypted: true, provenBy: 'sasl-external', isBidi: state.isBidi },
      { kind: 'restart' },
      { kind: 'write', text: headerOf(world) },
    )
  }
  if (sasl.kind !== 'failure') {
    return endWith(state, 'unsupported-stanza-type', `<${sasl.kind}/> for EXTERNAL`, 'unsupported-stanza-type')
  }
  const judgement = world.judge(world.local, world.remote)
  if (!judgement.allowed) return quit(state, world, { kind: 'not-allowed', detail: judgement.reason })
  const why = sasl.text ?? `${world.remote} does not accept our certificate`
  const refused: StreamFailure = { kind: 'sasl-refused', condition: sasl.condition, detail: why }
  const next = chooseNext(judgement.rules, state.features, true, { ...chanceOf(true, world), isRefused: true })
  return next.kind === 'dialback'
    ? startDialback({ ...state, encrypted: true }, world, '', refused)
    : quit(state, world, refused)
}

/** @see XEP-0220 §2.1, mapping F.5 */
function startDialback(
  {
    encrypted,
    streamId,
    features,
    isBidi,
  }: Pick<Extract<InitiatingState, { name: 'awaiting-success' }>, 'streamId' | 'features' | 'isBidi'> & {
    readonly encrypted: boolean
  },
  world: InitiatingWorld,
  before: string,
  refused?: StreamFailure,
): Stepped {
  const { local, remote, purpose } = world
  if (purpose.kind === 'verify') {
    const { streamId: id, key } = purpose
    const text = formatDialback({ kind: 'verify-request', from: local, to: remote, id, key })
    return to({ name: 'verifying', encrypted }, { kind: 'write', text })
  }
  if (streamId === '') return endWith(undefined, 'invalid-xml', 'the peer gave its stream no id', 'invalid-xml')
  const key = dialbackKey(world.hashes, world.dialbackSecret(), { receiving: remote, originating: local, streamId })
  const text = formatDialback({ kind: 'result-request', from: local, to: remote, key })
  return to({ name: 'authenticating', encrypted, refused, features, isBidi }, { kind: 'write', text: before + text })
}

function isStanza(element: XmlElement): boolean {
  const name = localNameOf(element)
  return namespaceOf(element) === ns.NS_SERVER && (name === 'message' || name === 'presence' || name === 'iq')
}

function onElement(state: InitiatingState, element: XmlElement, bytes: number, world: InitiatingWorld): Stepped {
  const streamError = parseStreamError(element)
  if (streamError !== undefined) {
    const detail = streamError.text ?? `in ${state.name}`
    return to(
      CLOSED,
      { kind: 'write', text: STREAM_END },
      { kind: 'ended', failure: brokenIn(state, { kind: 'peer-error', condition: streamError.condition, detail }) },
      { kind: 'hang-up' },
    )
  }
  if (isDialback(element)) return onDialback(state, element, world)
  if (state.name === 'established' && isStreamManagement(element)) return onManagement(state, element, world)
  if (isStanza(element)) {
    if (state.name === 'established' && state.bidi !== undefined)
      return onStanza(state, state.bidi, element, bytes, world)
    // Else a stream carries stanzas from its initiator only. @see RFC 6120 §4.2, §10.1
    return endWith(state, 'not-authorized', 'a stanza on a stream of ours', 'wrong-direction')
  }
  const namespace = namespaceOf(element)
  const name = localNameOf(element)
  if (state.name === 'awaiting-features' && isFeatures(element)) {
    return proceed(state, state.streamId, parseFeatures(element), world)
  }
  if (state.name === 'awaiting-proceed' && namespace === ns.NS_TLS) {
    if (parseStartTls(element) === 'proceed') {
      return to(
        { name: 'starting-tls' },
        { kind: 'start-tls', role: 'client', local: world.local, remote: world.remote },
      )
    }
    // DEVIATION: no second try in the clear where TLS is optional, since anybody on the way can say <failure/>.
    return quit(state, world, { kind: 'tls-failed', reason: 'starttls-refused', detail: 'the peer refused STARTTLS' })
  }
  if (state.name === 'awaiting-success' && isSasl(element)) {
    const sasl = parseSasl(element)
    if (sasl.ok) return onSasl(state, sasl.value, world)
  }
  if (isFeatures(element)) return stay(state)
  return endWith(
    state,
    'unsupported-stanza-type',
    `<${name} xmlns='${namespace}'/> in ${state.name}`,
    'unsupported-stanza-type',
  )
}

const isOfPair = (read: { readonly local: DomainName; readonly remote: DomainName }, world: InitiatingWorld): boolean =>
  read.local === world.local && read.remote === world.remote

/** Of the pair that the stream is for, the other way round, and of no other. @see XEP-0288 §4, mapping F.8 */
function onStanza(
  state: Extract<InitiatingState, { name: 'established' | 'closing' }>,
  peer: ProvenPeer,
  element: XmlElement,
  bytes: number,
  world: InitiatingWorld,
): Stepped {
  // Behind our last count nothing can be acknowledged: the peer keeps it, to send it again or to tell its sender.
  if (state.name === 'closing' ? state.isManaged : state.isDraining) return stay(state)
  const read = readStanza(element)
  if (read.kind === 'drop') return to(state, ...dropStanza(read.detail))
  if (state.name === 'closing' && (read.kind === 'break' || !isOfPair(read, world))) return stay(state)
  if (read.kind === 'break') return endWith(state, read.condition, read.detail, read.condition)
  const detail = `a stanza from ${read.remote} for ${read.local}`
  if (read.remote !== world.remote) return endWith(state, 'invalid-from', detail, 'invalid-from')
  if (read.local !== world.local) return endWith(state, 'host-unknown', detail, 'host-unknown')
  return to(state, ...passStanza(read, peer, bytes))
}

function onManagement(
  state: Extract<InitiatingState, { name: 'established' }>,
  element: XmlElement,
  world: InitiatingWorld,
): Stepped {
  const { management } = state
  const isOn = management !== 'none'
  const managed = onManagementAnswered(element, { isOn, isAnswered: management === 'on' }, world.counts)
  if (managed.kind === 'stream-error') {
    const { condition } = managed.error
    return endWith(state, condition, managed.detail, 'stream-management', managed.error)
  }
  if (managed.turns === undefined) return to(state, ...managed.effects)
  return to({ ...state, management: managed.turns === 'on' ? 'on' : 'none' }, ...managed.effects)
}

/** Answers count only for what was asked on this stream. @see XEP-0220 §2.1, mapping F.5 */
function onDialback(state: InitiatingState, element: XmlElement, world: InitiatingWorld): Stepped {
  const parsed = parseDialback(element)
  if (!parsed.ok) {
    const { condition, detail } = parsed.failure
    return endWith(state, condition, detail, refusalOfCondition(condition))
  }
  const dialback = parsed.value
  const isOurs = dialback.from === world.remote && dialback.to === world.local
  if (dialback.kind === 'result-answer' && state.name === 'authenticating' && isOurs) {
    return onResult(state, dialback.verdict, world)
  }
  if (
    dialback.kind === 'verify-answer' &&
    state.name === 'verifying' &&
    isOurs &&
    world.purpose.kind === 'verify' &&
    dialback.id === world.purpose.streamId
  ) {
    const { encrypted } = state
    const close = quit(state, world, undefined)
    const verdict = fromAuthority(dialback.verdict)
    return { ...close, effects: [{ kind: 'verdict', verdict, encrypted }, ...close.effects] }
  }
  if (dialback.kind === 'result-request' && state.name === 'established' && state.bidi !== undefined) {
    // More domains of the peer's on this stream: it may ask, and has to come by a stream of its own. @see XEP-0288 §3
    const { from: theirs, to: ours } = dialback
    const verdict: DialbackVerdict = { type: 'error', condition: 'not-acceptable', text: undefined }
    return to(
      state,
      { kind: 'refused', refusal: 'dialback-refused', detail: `${theirs} to ${ours} on a stream of ours` },
      { kind: 'write', text: formatDialback({ kind: 'result-answer', from: ours, to: theirs, verdict }) },
    )
  }
  return endWith(state, 'not-authorized', `${dialback.kind} in ${state.name}`, 'dialback-unsolicited')
}

/** An error of the authoritative server says nothing of the one who waits for its word. @see XEP-0220 §2.5 */
const fromAuthority = (verdict: DialbackVerdict): DialbackVerdict =>
  verdict.type === 'error'
    ? { ...verdict, condition: 'remote-server-not-found', text: verdict.text ?? verdict.condition }
    : verdict

/** @see XEP-0220 §2.1.1 */
function onResult(
  state: Extract<InitiatingState, { name: 'authenticating' }>,
  verdict: DialbackVerdict,
  world: InitiatingWorld,
): Stepped {
  switch (verdict.type) {
    case 'valid':
      return establish(state.encrypted ? 'dialback-over-tls' : 'dialback-over-tcp', state.features, state.isBidi, world)
    case 'invalid':
      return quit(state, world, { kind: 'dialback-invalid', detail: `${world.remote} found our dialback key invalid` })
    case 'error': {
      const detail = verdict.text ?? `${world.remote} could not verify our dialback key`
      return quit(state, world, { kind: 'dialback-error', condition: verdict.condition, detail })
    }
    default:
      return unreachable(verdict)
  }
}

/** Stanzas may go from now on. */
function establish(
  provenBy: Proof,
  features: StreamFeatures | undefined,
  isBidi: boolean,
  world: InitiatingWorld,
): Stepped {
  const { keepAliveMs } = world.times
  const limits = features?.limits
  // Before the peer does, lest a stanza meets its closing tag. @see XEP-0478 §3
  const idleMs = Math.min(world.times.idleMs, (limits?.idleSeconds ?? Number.POSITIVE_INFINITY) * 900)
  const judgement = world.judge(world.local, world.remote)
  const effects: StreamEffect[] = [
    { kind: 'cancel-timer', timer: 'establishment' },
    { kind: 'arm-timer', timer: 'idle', afterMs: idleMs },
  ]
  if (judgement.allowed && judgement.rules.keepAlive) {
    effects.push({ kind: 'arm-timer', timer: 'keep-alive', afterMs: keepAliveMs })
  }
  // Not waited for: what is behind our <enable/> counts, and a refusal only means that nothing does.
  const isManaged = features?.streamManagement === true
  if (isManaged) effects.push({ kind: 'write', text: SM_ENABLE }, { kind: 'managed', theirs: false, ours: true })
  if (isBidi && judgement.allowed) effects.push({ kind: 'set-max-stanza', bytes: judgement.rules.maxStanzaBytes })
  effects.push({ kind: 'ready', provenBy, limits, isBidi })
  const bidi = isBidi ? provenByCertificate(world.remote) : undefined
  const management = isManaged ? 'asked' : 'none'
  return { state: { name: 'established', provenBy, idleMs, management, bidi, isDraining: false }, effects }
}

/** Its certificate is what SASL EXTERNAL would have gone by. */
const provenByCertificate = (domain: DomainName): ProvenPeer => ({ domain, provenBy: 'sasl-external' }) as ProvenPeer

function onTimer(state: InitiatingState, timer: TimerName, quietMs: number, world: InitiatingWorld): Stepped {
  switch (timer) {
    case 'establishment':
      if (state.name === 'established' || state.name === 'closing') return stay(state)
      return quit(state, world, {
        kind: 'timeout',
        reason: LATE_IN[state.name] ?? 'no-answer',
        detail: `nothing came in ${state.name}`,
      })
    case 'idle':
      if (state.name !== 'established') return stay(state)
      if (quietMs >= state.idleMs) return beginClose(state, world)
      return to(state, { kind: 'arm-timer', timer, afterMs: state.idleMs - quietMs })
    case 'keep-alive': {
      const { keepAliveMs } = world.times
      if (state.name !== 'established') return stay(state)
      if (quietMs < keepAliveMs) return to(state, { kind: 'arm-timer', timer, afterMs: keepAliveMs - quietMs })
      const judgement = world.judge(world.local, world.remote)
      const isPing = judgement.allowed && judgement.rules.keepAliveBy === 'ping'
      // White space between stanzas: @see RFC 6120 §4.6.1
      const sign: StreamEffect = isPing ? { kind: 'ping' } : { kind: 'write', text: ' ' }
      return to(state, sign, { kind: 'arm-timer', timer, afterMs: keepAliveMs })
    }
    case 'close':
      return to(CLOSED, { kind: 'hang-up' })
    default:
      return unreachable(timer)
  }
}

const LATE_IN: Partial<Readonly<Record<InitiatingState['name'], FailureReason>>> = {
  'awaiting-proceed': 'tls-timeout',
  'starting-tls': 'tls-timeout',
  'awaiting-success': 'authentication-timeout',
  authenticating: 'authentication-timeout',
  verifying: 'authentication-timeout',
}

function onPolicyChanged(state: InitiatingState, world: InitiatingWorld): Stepped {
  if (state.name === 'closing') return stay(state)
  const judgement = world.judge(world.local, world.remote)
  if (!judgement.allowed) return quit(state, world, { kind: 'not-allowed', detail: judgement.reason })
  if (state.name === 'established' && !allowsProof(judgement.rules, state.provenBy)) return beginClose(state, world)
  return stay(state)
}

/** Because we want it to end: a failure only to those who still wait for something. */
function beginClose(state: InitiatingState, world: InitiatingWorld): Stepped {
  const failure: StreamFailure | undefined =
    state.name === 'established' ? undefined : { kind: 'closed', detail: `closed by us in ${state.name}` }
  return quit(state, world, failure)
}

/** Politely: the stream is of no more use from here on. @see RFC 6120 §4.4 */
function quit(state: InitiatingState, world: InitiatingWorld, failure: StreamFailure | undefined): Stepped {
  // While TLS starts nothing can be said.
  if (state.name === 'starting-tls') return to(CLOSED, { kind: 'ended', failure }, { kind: 'hang-up' })
  return to(
    {
      name: 'closing',
      isManaged: state.name === 'established' && state.management !== 'none',
      bidi: state.name === 'established' ? state.bidi : undefined,
    },
    { kind: 'write', text: lastWords(state, world) + STREAM_END },
    { kind: 'cancel-timer', timer: 'establishment' },
    { kind: 'arm-timer', timer: 'close', afterMs: world.times.closeMs },
    { kind: 'ended', failure },
  )
}

const lastWords = (state: InitiatingState, world: InitiatingWorld): string =>
  state.name === 'established'
    ? lastWordsOf({ answers: state.management === 'on', asks: state.management !== 'none' }, world.counts)
    : ''

/** A stream error ends the stream. @see RFC 6120 §4.9.1.1 */
function endWith(
  state: InitiatingState | undefined,
  condition: StreamCondition,
  detail: string,
  refusal?: RefusalKind,
  error: StreamErrorInfo = { condition, text: undefined },
  failure: StreamFailure = { kind: 'protocol', condition, ...(refusal === undefined ? {} : { refusal }), detail },
): Stepped {
  const effects: StreamEffect[] = []
  if (refusal !== undefined) effects.push({ kind: 'refused', refusal, detail, isLast: true })
  // While TLS starts nothing can be said.
  if (state?.name !== 'starting-tls') {
    effects.push({ kind: 'write', text: formatStreamError(error) + STREAM_END })
  }
  effects.push({ kind: 'ended', failure }, { kind: 'hang-up' })
  return { state: CLOSED, effects }
}
