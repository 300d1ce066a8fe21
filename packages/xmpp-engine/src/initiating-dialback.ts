import { unreachable } from '@stox/kernel'
import type { XmlElement } from '@stox/xml'
import type { DialbackVerdict } from '@stox/xmpp'
import { formatDialback, parseDialback } from '@stox/xmpp'
import { dialbackKey } from './dialback.ts'
import { to } from './effects.ts'
import { endWith, quit } from './initiating-end.ts'
import { establish } from './initiating-established.ts'
import type { In, InitiatingState, InitiatingWorld, Stepped } from './initiating-state.ts'
import { refusalOfCondition } from './refusal.ts'
import type { StreamFailure } from './stream-failure.ts'

/** @see XEP-0220 §2.1, mapping F.5 */
export function startDialback(
  {
    encrypted,
    streamId,
    features,
    isBidi,
  }: Pick<In<'awaiting-success'>, 'streamId' | 'features' | 'isBidi'> & {
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

/** Answers count only for what was asked on this stream. @see XEP-0220 §2.1, mapping F.5 */
export function onDialback(state: InitiatingState, element: XmlElement, world: InitiatingWorld): Stepped {
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
function onResult(state: In<'authenticating'>, verdict: DialbackVerdict, world: InitiatingWorld): Stepped {
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
