import { unreachable } from '@stox/kernel'
import type { XmlElement, XmlEvent } from '@stox/xml'
import { localNameOf, namespaceOf } from '@stox/xml'
import type { DomainName, StreamErrorInfo, StreamFeatures, StreamHeader } from '@stox/xmpp'
import {
  STREAM_END,
  formatFeatures,
  formatSmAnswer,
  formatStartTls,
  formatStreamError,
  formatStreamHeader,
  isBidi,
  limitsIn,
  isDialback,
  isSasl,
  isStreamManagement,
  ns,
  parseDomain,
  parseStartTls,
  parseStreamError,
  parseStreamHeader,
} from '@stox/xmpp'
import type { StreamEffect, StreamInput, TimerName } from './effects.ts'
import { stay, to } from './effects.ts'
import { allowsDialback, allowsExternal, allowsProof, whyNoMethod } from './feature-order.ts'
import { dropStanza, passStanza, readStanza } from './read-stanza.ts'
import { onDialback, onVerdict } from './receiving-dialback.ts'
import { beginClose, endWith, hangUp, lastWords, onDrain, whyOf } from './receiving-end.ts'
import { KEEP_ALIVE_GRACE, prove } from './receiving-pairs.ts'
import { onSasl } from './receiving-sasl.ts'
import type { Before, Open, OpenStream, ReceivingState, ReceivingWorld, Stepped } from './receiving-state.ts'
import { CLOSED, errorOf, featuresOf, hasProven, keyOf } from './receiving-state.ts'
import type { RefusalKind } from './refusal.ts'
import { refusalOfCondition, refusalOfXml } from './refusal.ts'
import type { StreamRules } from './rules.ts'
import { certificateFailure } from './rules.ts'
import type { StreamFailure } from './stream-failure.ts'
import { lastCounted, onManagementAsked } from './stream-management.ts'

/** `direct`: TLS comes first, and then the header. @see XEP-0368 */
export function startReceiving(world: ReceivingWorld, tls: 'starttls' | 'direct' = 'starttls'): Stepped {
  const establishment: StreamEffect = {
    kind: 'arm-timer',
    timer: 'establishment',
    afterMs: world.times.establishmentMs,
  }
  if (tls === 'starttls') {
    return to(
      {
        name: 'awaiting-header',
        encrypted: false,
        proven: undefined,
        before: undefined,
        isBidi: false,
        limits: undefined,
      },
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
        limits: undefined,
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
  }
  // Before TLS, which is what a stream costs.
  const penalty = state.proven === undefined ? world.penaltyOf(local, remote) : undefined
  if (penalty !== undefined) {
    const error: StreamErrorInfo = { condition: 'policy-violation', text: 'too many streams ended in errors: wait' }
    return refuseHere('penalty', error, `${remote ?? 'somebody'} to ${local}: ${penalty}`)
  }
  if (remote !== undefined && rules !== undefined) {
    const why = whyNoMethod(rules)
    if (why !== undefined) {
      return refuseHere('no-method', { condition: 'unsupported-feature', text: why }, `${remote}: ${why}`)
    }
    if (rules.tls === 'notSupported' && state.encrypted) {
      // Direct TLS, or STARTTLS before the peer had said who it is.
      const detail = 'the peer speaks TLS and the partner record says it is not supported'
      const error: StreamErrorInfo = { condition: 'policy-violation', text: 'no TLS is agreed on: come without it' }
      return refuseHere('no-method', error, `${remote}: ${detail}`, { kind: 'tls-failed', reason: 'no-method', detail })
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
    limits: state.limits,
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
  if (isBidi(element) && mayTurnBidi(state, world)) {
    return stay({ ...state, isBidi: true, limits: limitsIn(element) })
  }
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
