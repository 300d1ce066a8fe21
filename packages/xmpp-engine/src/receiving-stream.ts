import { unreachable } from '@stox/kernel'
import type { XmlElement, XmlEvent } from '@stox/xml'
import { localNameOf, namespaceOf } from '@stox/xml'
import type { DomainName, StreamErrorInfo } from '@stox/xmpp'
import {
  STREAM_END,
  formatSmAnswer,
  formatStartTls,
  isBidi,
  limitsIn,
  isDialback,
  isSasl,
  isStreamManagement,
  ns,
  parseDomain,
  parseStartTls,
  parseStreamError,
} from '@stox/xmpp'
import type { StreamEffect, StreamInput, TimerName } from './effects.ts'
import { stay, to } from './effects.ts'
import { allowsProof } from './feature-order.ts'
import { dropStanza, passStanza, readStanza } from './read-stanza.ts'
import { onDialback, onVerdict } from './receiving-dialback.ts'
import { beginClose, endWith, hangUp, lastWords, onDrain, whyOf } from './receiving-end.ts'
import { onHeader } from './receiving-header.ts'
import { KEEP_ALIVE_GRACE } from './receiving-pairs.ts'
import { onSasl } from './receiving-sasl.ts'
import type { Before, In, Open, OpenStream, ReceivingState, ReceivingWorld, Stepped } from './receiving-state.ts'
import { CLOSED, errorOf, featuresOf, hasProven, keyOf } from './receiving-state.ts'
import { refusalOfXml } from './refusal.ts'
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

function onManagement(state: In<'open'>, element: XmlElement, world: ReceivingWorld): Stepped {
  const managed = onManagementAsked(element, { isOn: state.isManaged, isProven: hasProven(state) }, world.counts)
  if (managed.kind === 'stream-error') {
    return endWith(state, managed.error, world, 'stream-management', managed.detail)
  }
  return to(managed.turns === 'on' ? { ...state, isManaged: true } : state, ...managed.effects)
}

/** @see RFC 6120 §5.4.2 */
function onStartTls(state: In<'open'>, world: ReceivingWorld): Stepped {
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

function onPolicyChanged(state: In<'open'>, world: ReceivingWorld): Stepped {
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
