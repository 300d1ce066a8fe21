import { unreachable } from '@stox/kernel'
import type { StreamFeatures } from '@stox/xmpp'
import { formatBidi, formatSaslAuth, formatStartTls } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import { to } from './effects.ts'
import { EXTERNAL, allowsExternal, chooseNext, limitsOf } from './feature-order.ts'
import { startDialback } from './initiating-dialback.ts'
import { quit } from './initiating-end.ts'
import { establish } from './initiating-established.ts'
import { chanceOf } from './initiating-sasl.ts'
import type { In, InitiatingWorld, Stepped } from './initiating-state.ts'
import type { StreamRules } from './rules.ts'

/** What we do next, by what the peer offers; `features` are undefined on a stream from before 1.0. @see mapping F.2 */
export function proceed(
  state: In<'awaiting-header' | 'awaiting-features'>,
  streamId: string,
  features: StreamFeatures | undefined,
  world: InitiatingWorld,
): Stepped {
  const judgement = world.judge(world.local, world.remote)
  if (!judgement.allowed) return quit(state, world, { kind: 'not-allowed', detail: judgement.reason })
  if (state.provenBy !== undefined) return establish(state.provenBy, features, state.isBidi, world)
  const isBidi = wantsBidi(judgement.rules, features, state.encrypted, world)
  const wish = isBidi ? formatBidi(limitsOf(judgement.rules, world.times.idleMs)) : ''
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
