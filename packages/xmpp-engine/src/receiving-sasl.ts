import { unreachable } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { SaslCondition, StreamErrorInfo } from '@stox/xmpp'
import { formatSaslChallenge, formatSaslFailure, formatSaslSuccess, parseDomain, parseSasl } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import { to } from './effects.ts'
import { EXTERNAL, allowsExternal } from './feature-order.ts'
import { provePeer } from './proven-peer.ts'
import { endWith } from './receiving-end.ts'
import type { In, ReceivingWorld, Stepped } from './receiving-state.ts'
import { refused } from './receiving-state.ts'

/** @see mapping F.3, RFC 6120 §6.4.5 */
const MAX_SASL_FAILURES = 3

/** @see RFC 6120 §6.4, §6.5, XEP-0178 §3, mapping F.3 */
export function onSasl(state: In<'open'>, element: XmlElement, world: ReceivingWorld): Stepped {
  const refuseWith = (condition: SaslCondition, detail: string): Stepped => {
    const failures = state.sasl.failures + 1
    const next = { ...state, sasl: { failures, isAwaitingResponse: false } }
    const effects: StreamEffect[] = [
      refused('sasl-refused', `${state.remote ?? 'somebody'} to ${state.local}: ${condition}, ${detail}`),
      { kind: 'write', text: formatSaslFailure(condition) },
    ]
    if (failures < MAX_SASL_FAILURES) return to(next, ...effects)
    const error: StreamErrorInfo = { condition: 'policy-violation', text: 'too many attempts to authenticate' }
    const failure = { kind: 'protocol', condition: error.condition, refusal: 'sasl-refused', detail } as const
    const end = endWith(next, error, world, undefined, undefined, failure)
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
  state: In<'open'>,
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
      limits: state.limits,
    },
    { kind: 'write', text: formatSaslSuccess() },
    { kind: 'restart' },
  )
}
