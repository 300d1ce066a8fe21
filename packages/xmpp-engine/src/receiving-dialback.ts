import { unreachable } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { Dialback, DialbackCondition, DialbackVerdict, DomainName, StreamErrorInfo } from '@stox/xmpp'
import { STREAM_END, formatDialback, parseDialback } from '@stox/xmpp'
import { isDialbackKey } from './dialback.ts'
import type { StreamEffect, StreamInput } from './effects.ts'
import { stay, to } from './effects.ts'
import type { FailureReason } from './failure-reasons.ts'
import { allowsDialback } from './feature-order.ts'
import type { Proof } from './proven-peer.ts'
import { provePeer } from './proven-peer.ts'
import { endWith } from './receiving-end.ts'
import { prove } from './receiving-pairs.ts'
import type { In, ReceivingWorld, Stepped } from './receiving-state.ts'
import { CLOSED, errorOf, hasProven, keyOf, refused } from './receiving-state.ts'
import type { Judgement } from './rules.ts'

/** More pairs than this on one stream are refused. */
export const MAX_PAIRS = 100

/** Before a pair has proven itself; each question costs us a key or a connection. @see mapping F.5 */
const MAX_QUESTIONS = 200

/** What a refusal of dialback comes from, when it is ours. */
const WHY_DENIED: Partial<Readonly<Record<DialbackCondition, FailureReason>>> = {
  'policy-violation': 'tls-required',
  'item-not-found': 'host-unknown',
  'not-acceptable': 'unknown-partner',
  'resource-constraint': 'connection-limit',
}

export function onDialback(state: In<'open'>, element: XmlElement, world: ReceivingWorld): Stepped {
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
  state: In<'open'>,
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
  state: In<'open'>,
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
export function onVerdict(
  state: In<'open'>,
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

/** The rules may have changed while we asked, and a key verified in the clear proves less than one verified over TLS. */
function judged(verdict: DialbackVerdict, judgement: Judgement, provenBy: Proof): DialbackVerdict {
  if (verdict.type !== 'valid') return verdict
  if (!judgement.allowed) return { type: 'error', condition: 'not-acceptable', text: undefined }
  if (!allowsDialback(judgement.rules, provenBy === 'dialback-over-tls')) {
    return { type: 'error', condition: 'policy-violation', text: 'the key could be verified in the clear only' }
  }
  return verdict
}

const resultText = (local: DomainName, remote: DomainName, verdict: DialbackVerdict): string =>
  formatDialback({ kind: 'result-answer', from: local, to: remote, verdict })
