import { nameOfOutcome, type Clock, type Log, type Outcome } from '@stox/kernel'
import type { MessageDirection, Metrics } from '@stox/telemetry'

/** What is told about a stanza when it has ended: never its body. */
export interface EndedStanza {
  readonly correlationId: string
  readonly direction: MessageDirection
  readonly kind: 'message' | 'presence' | 'iq' | 'unknown'
  readonly type: string
  readonly from: string
  readonly to: string
  readonly id: string | undefined
  readonly startedMs: number
}

export interface EndDeps {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'messageEnded' | 'presencePassed'>
}

/**
 * One log line and one count for each stanza, at its end. The line of a message that was delivered is the gateway's, which
 * has the same correlation id: here it is for who looks closer.
 */
export function noteEnd({ clock, log, metrics }: EndDeps, ended: EndedStanza, outcome: Outcome): void {
  const { correlationId, direction, kind, type, from, to, id, startedMs } = ended
  const durationMs = clock.monotonicMs() - startedMs
  if (kind === 'message') metrics.messageEnded(direction, outcome.kind, durationMs)
  if (kind === 'presence') metrics.presencePassed(direction, type)
  const level = kind === 'message' && outcome.kind === 'delivered' ? 'debug' : 'info'
  log[level]('stanza-ended', {
    correlationId,
    direction,
    kind,
    type,
    from,
    to,
    id,
    outcome: nameOfOutcome(outcome),
    detail: outcome.kind === 'bounced' ? outcome.failure.detail : undefined,
    durationMs: Math.round(durationMs * 10) / 10,
  })
}
