import type { StreamCondition, StreamErrorInfo } from '@stox/xmpp'
import { STREAM_END, formatStreamError } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import { to } from './effects.ts'
import type { InitiatingState, InitiatingWorld, Stepped } from './initiating-state.ts'
import { CLOSED } from './initiating-state.ts'
import type { RefusalKind } from './refusal.ts'
import type { StreamFailure } from './stream-failure.ts'
import { lastWordsOf } from './stream-management.ts'

/** Because we want it to end: a failure only to those who still wait for something. */
export function beginClose(state: InitiatingState, world: InitiatingWorld): Stepped {
  const failure: StreamFailure | undefined =
    state.name === 'established' ? undefined : { kind: 'closed', detail: `closed by us in ${state.name}` }
  return quit(state, world, failure)
}

/** Politely: the stream is of no more use from here on. @see RFC 6120 §4.4 */
export function quit(state: InitiatingState, world: InitiatingWorld, failure: StreamFailure | undefined): Stepped {
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

export const lastWords = (state: InitiatingState, world: InitiatingWorld): string =>
  state.name === 'established'
    ? lastWordsOf({ answers: state.management === 'on', asks: state.management !== 'none' }, world.counts)
    : ''

/** A stream error ends the stream. @see RFC 6120 §4.9.1.1 */
export function endWith(
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

/** What a peer without TLS says to `<starttls/>`, which we try where the record requires it. @see RFC 7590 §3.1 */
const KNOWS_NO_TLS: ReadonlySet<string> = new Set<StreamCondition>(['unsupported-stanza-type', 'unsupported-feature'])

/** A peer that hangs up on `<starttls/>` says no to it; one that does so on dialback has said why before. */
export function brokenIn(state: InitiatingState, failure: StreamFailure): StreamFailure {
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
