import type { StreamErrorInfo } from '@stox/xmpp'
import { STREAM_END, formatStreamError, formatStreamHeader } from '@stox/xmpp'
import type { StreamEffect } from './effects.ts'
import { stay, to } from './effects.ts'
import type { In, ReceivingState, ReceivingWorld, Stepped } from './receiving-state.ts'
import { CLOSED, hasProven } from './receiving-state.ts'
import type { RefusalKind } from './refusal.ts'
import type { StreamFailure } from './stream-failure.ts'
import { lastWordsOf } from './stream-management.ts'

/** Without stream management what the peer sends until it closes too is ours to deliver: so we close our side at once. */
export function onDrain(state: ReceivingState, world: ReceivingWorld): Stepped {
  if (state.name !== 'open') return stay(state)
  return state.isManaged ? stay({ ...state, isDraining: true }) : beginClose(state, world)
}

export const lastWords = (state: ReceivingState, world: ReceivingWorld): string =>
  state.name === 'open' && state.isManaged ? lastWordsOf({ answers: true, asks: state.isBidi }, world.counts) : ''

/** @see RFC 6120 §4.4 */
export function beginClose(state: In<'open'>, world: ReceivingWorld): Stepped {
  return to(
    { ...state, name: 'closing' },
    { kind: 'write', text: lastWords(state, world) + STREAM_END },
    { kind: 'arm-timer', timer: 'close', afterMs: world.times.closeMs },
    ...(state.isBidi ? [{ kind: 'shut' } as const] : []),
  )
}

export const hangUp = (): Stepped => to(CLOSED, { kind: 'ended', failure: undefined }, { kind: 'hang-up' })

/** A stream error ends the stream. Where our header has not been sent, it goes first. @see RFC 6120 §4.9.1.2 */
export function endWith(
  state: ReceivingState,
  error: StreamErrorInfo,
  world: ReceivingWorld,
  refusal?: RefusalKind,
  detail: string = error.text ?? error.condition,
  failure: StreamFailure = {
    kind: 'protocol',
    condition: error.condition,
    ...(refusal === undefined ? {} : { refusal }),
    detail,
  },
): Stepped {
  const effects: StreamEffect[] = []
  if (refusal !== undefined) effects.push({ kind: 'refused', refusal, detail, isLast: true })
  if (state.name === 'awaiting-header') {
    const header = formatStreamHeader({
      from: state.before?.local,
      to: state.before?.remote,
      id: world.ids.token(),
      version: { major: 1, minor: 0 },
      lang: 'en',
      declaresDialback: true,
    })
    effects.push({ kind: 'write', text: header + formatStreamError(error) + STREAM_END })
  } else if (state.name === 'open') {
    effects.push({ kind: 'write', text: lastWords(state, world) + formatStreamError(error) + STREAM_END })
  }
  // While TLS starts, or behind our closing tag, nothing can be said.
  effects.push({ kind: 'ended', failure }, { kind: 'hang-up' })
  return { state: CLOSED, effects }
}

/**
 * Why a stream came to its end, when the peer ended it. What we have refused says more than how the peer took it. Who
 * only came to ask about a key may go as he likes; and behind our closing tag nothing is missed.
 */
export function whyOf(state: ReceivingState, failure: StreamFailure | undefined): StreamFailure | undefined {
  const isBroken = failure?.kind === 'closed' && failure.reason === undefined
  if (state.name === 'closing') return isBroken ? undefined : failure
  if (state.name !== 'open') return isBroken ? { ...failure, reason: 'hung-up' } : failure
  if (hasProven(state)) return isBroken ? { ...failure, reason: 'connection-lost' } : failure
  if (state.denied !== undefined) return state.denied
  if (isBroken || failure === undefined) {
    if (state.hasAnswered) return undefined
    const guess = state.encrypted ? 'it may not accept our certificate' : 'it said nothing'
    return { kind: 'closed', reason: 'hung-up', detail: failure?.detail ?? `it closed its stream: ${guess}` }
  }
  return failure
}
