import type { DomainName } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import type { ProvenPeer } from './proven-peer.ts'
import type { In, Pair, ReceivingState, ReceivingWorld, Stepped } from './receiving-state.ts'
import { hasProven, keyOf } from './receiving-state.ts'
import type { StreamRules } from './rules.ts'

/** A peer with the same interval as ours is not cut off for being a moment late. */
export const KEEP_ALIVE_GRACE = 1.1

/** The pairs that may send. */
export function provenPairs(
  state: ReceivingState,
): readonly { readonly local: DomainName; readonly peer: ProvenPeer }[] {
  if (state.name !== 'open' && state.name !== 'closing') return []
  return [...state.pairs.values()].filter((pair) => pair.name === 'proven')
}

/** The pair may send from now on. */
export function prove(
  state: In<'open'>,
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
    { kind: 'proven', local, peer, isBidi: state.isBidi, limits: state.limits },
  )
  return { state: { ...state, pairs }, effects }
}

const maxStanzaOf = (pairs: ReadonlyMap<string, Pair>): number =>
  Math.max(...[...pairs.values()].map((pair) => (pair.name === 'proven' ? pair.rules.maxStanzaBytes : 0)))
