import type { XmlElement } from '@stox/xml'
import type { StreamFeatures } from '@stox/xmpp'
import { SM_ENABLE } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import { stay, to } from './effects.ts'
import { endWith } from './initiating-end.ts'
import type { In, InitiatingWorld, Stepped } from './initiating-state.ts'
import type { Proof, ProvenPeer } from './proven-peer.ts'
import { provePeer } from './proven-peer.ts'
import { dropStanza, passStanza, readStanza } from './read-stanza.ts'
import { onManagementAnswered } from './stream-management.ts'

/** Stanzas may go from now on. */
export function establish(
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
  // Its certificate is what SASL EXTERNAL would have gone by.
  const bidi = isBidi ? provePeer(world.remote, 'sasl-external') : undefined
  const management = isManaged ? 'asked' : 'none'
  return { state: { name: 'established', provenBy, idleMs, management, bidi, isDraining: false }, effects }
}

/** Of the pair that the stream is for, the other way round, and of no other. @see XEP-0288 §4, mapping F.8 */
export function onStanza(
  state: In<'established' | 'closing'>,
  peer: ProvenPeer,
  element: XmlElement,
  bytes: number,
  world: InitiatingWorld,
): Stepped {
  // Behind our last count nothing can be acknowledged: the peer keeps it, to send it again or to tell its sender.
  if (state.name === 'closing' ? state.isManaged : state.isDraining) return stay(state)
  const read = readStanza(element)
  if (read.kind === 'drop') return to(state, ...dropStanza(read.detail))
  const isClosing = state.name === 'closing'
  if (read.kind === 'break') {
    return isClosing ? stay(state) : endWith(state, read.condition, read.detail, read.condition)
  }
  if (isClosing && (read.local !== world.local || read.remote !== world.remote)) return stay(state)
  const detail = `a stanza from ${read.remote} for ${read.local}`
  if (read.remote !== world.remote) return endWith(state, 'invalid-from', detail, 'invalid-from')
  if (read.local !== world.local) return endWith(state, 'host-unknown', detail, 'host-unknown')
  return to(state, ...passStanza(read, peer, bytes))
}

export function onManagement(state: In<'established'>, element: XmlElement, world: InitiatingWorld): Stepped {
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
