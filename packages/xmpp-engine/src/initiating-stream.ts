import { unreachable } from '@stox/kernel'
import type { XmlElement, XmlEvent } from '@stox/xml'
import { localNameOf, namespaceOf } from '@stox/xml'
import {
  STREAM_END,
  formatSmAnswer,
  isDialback,
  isFeatures,
  isSasl,
  isStreamManagement,
  ns,
  parseFeatures,
  parseSasl,
  parseStartTls,
  parseStreamError,
  parseStreamHeader,
} from '@stox/xmpp'
import type { StreamEffect, StreamInput, TimerName } from './effects.ts'
import { stay, to } from './effects.ts'
import type { FailureReason } from './failure-reasons.ts'
import { allowsProof } from './feature-order.ts'
import { onDialback } from './initiating-dialback.ts'
import { beginClose, brokenIn, endWith, lastWords, quit } from './initiating-end.ts'
import { onManagement, onStanza } from './initiating-established.ts'
import { proceed } from './initiating-features.ts'
import { onSasl } from './initiating-sasl.ts'
import type { In, InitiatingState, InitiatingWorld, Stepped } from './initiating-state.ts'
import { CLOSED, headerOf } from './initiating-state.ts'
import { refusalOfCondition, refusalOfXml } from './refusal.ts'
import type { StreamFailure } from './stream-failure.ts'
import { lastCounted } from './stream-management.ts'

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

/** What the peer says of our stanzas still counts. */
function onXmlWhileClosing(state: In<'closing'>, event: XmlEvent, world: InitiatingWorld): Stepped {
  if (event.kind === 'stream-end' || event.kind === 'failure') return to(CLOSED, { kind: 'hang-up' })
  if (event.kind !== 'element') return stay(state)
  if (state.bidi !== undefined && isStanza(event.element)) {
    return onStanza(state, state.bidi, event.element, event.bytes, world)
  }
  return state.isManaged ? to(state, ...lastCounted(event.element, world.counts)) : stay(state)
}

function onHeader(state: In<'awaiting-header'>, element: XmlElement, world: InitiatingWorld): Stepped {
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

function isStanza(element: XmlElement): boolean {
  const name = localNameOf(element)
  return namespaceOf(element) === ns.NS_SERVER && (name === 'message' || name === 'presence' || name === 'iq')
}

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
