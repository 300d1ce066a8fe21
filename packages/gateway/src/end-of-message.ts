import type { Clock, Log, Outcome } from '@stox/kernel'
import { nameOfOutcome } from '@stox/kernel'
import type { JournalRow, JournalStore } from '@stox/store'
import type { Metrics } from '@stox/telemetry'

/** What is known of a message when it is accepted. */
export interface MessageStory {
  readonly correlationId: string
  readonly direction: JournalRow['direction']
  readonly kind: JournalRow['kind']
  readonly startedAtMs: number
  readonly startedMonotonicMs: number
  /** Bare addresses. */
  from: string
  to: string
  partner: string
  edge: string
  stanzaId: string | null
  callId: string | null
}

export interface EndDeps {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<Metrics, 'messageEnded'>
  readonly journal: Pick<JournalStore, 'append'>
}

/** One row, one line, one count: at the end, once, whatever the end is. Never a body. */
export function endMessage(deps: EndDeps, story: MessageStory, outcome: Outcome): void {
  const durationMs = Math.round(deps.clock.monotonicMs() - story.startedMonotonicMs)
  const failure = outcome.kind === 'bounced' ? outcome.failure : undefined
  const status = outcome.kind === 'delivered' ? outcome.status : (failure?.status ?? null)
  deps.journal.append({
    correlationId: story.correlationId,
    atMs: story.startedAtMs,
    direction: story.direction,
    kind: story.kind,
    from: story.from,
    to: story.to,
    partner: story.partner,
    stanzaId: story.stanzaId,
    callId: story.callId,
    outcome: outcome.kind,
    status,
    condition: failure?.condition ?? null,
    detail: failure?.detail ?? (outcome.kind === 'absorbed' ? outcome.reason : ''),
    durationMs,
    edge: story.edge,
  })
  deps.metrics.messageEnded(story.direction, outcome.kind, durationMs)
  deps.log.info('message', {
    correlationId: story.correlationId,
    direction: story.direction,
    from: story.from,
    to: story.to,
    outcome: nameOfOutcome(outcome),
    // What is undefined is not written.
    status: status ?? undefined,
    detail: failure?.detail,
    durationMs,
  })
}
