import type { Clock, Log, Timer, Timers } from '@stox/kernel'
import type { SubscriptionRecord, SubscriptionStore } from '@stox/store'
import { PacedTurns, RESUMPTION_PACE } from './paced-turns.ts'
import { entryOfRecord, xmppEnd } from './watch-entry.ts'
import type { WatchEntry } from './watch-entry.ts'
import type { WatchTable } from './watch-table.ts'

export interface PresenceHealingDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
  readonly store: Pick<SubscriptionStore, 'all'>
}

/** Streams come up in pairs, and edges with many of them. */
const HEAL_AFTER_MS = 500

/** Takes up what the last process left, and makes good what a broken road has lost: at a steady pace, one by one. */
export class PresenceHealing {
  readonly #deps: PresenceHealingDeps
  readonly #table: WatchTable
  readonly #advance: (entry: WatchEntry, event: { readonly kind: 'resume' | 'heal' }) => void
  readonly #resuming: PacedTurns<WatchEntry>
  readonly #healing: PacedTurns<WatchEntry>
  /** Domains whose streams have come up; undefined: all. */
  readonly #soon = new Map<string | undefined, Timer>()
  #loaded: readonly WatchEntry[] = []
  #closed = false

  constructor(
    deps: PresenceHealingDeps,
    table: WatchTable,
    advance: (entry: WatchEntry, event: { readonly kind: 'resume' | 'heal' }) => void,
  ) {
    this.#deps = deps
    this.#table = table
    this.#advance = advance
    this.#resuming = new PacedTurns(deps, RESUMPTION_PACE, (entry) => this.#resume(entry))
    this.#healing = new PacedTurns(deps, RESUMPTION_PACE, (entry) => advance(entry, { kind: 'heal' }))
  }

  /** Reads what the last process left. */
  async load(): Promise<void> {
    const kept: { readonly entry: WatchEntry; readonly dueAtMs: number }[] = []
    for await (const record of this.#deps.store.all()) {
      const entry = this.#readable(record)
      if (entry === undefined) continue
      entry.awaitsResumption = true
      this.#table.keep(entry)
      kept.push({ entry, dueAtMs: record.dueAtMs ?? Number.POSITIVE_INFINITY })
    }
    // What would expire first comes first.
    kept.sort((a, b) => (a.dueAtMs === b.dueAtMs ? 0 : a.dueAtMs - b.dueAtMs))
    this.#loaded = kept.map(({ entry }) => entry)
  }

  /** Takes it up. Nobody is asked again. */
  start(): void {
    const count = this.#loaded.length
    this.#resuming.add(this.#loaded)
    this.#loaded = []
    if (count > 0) this.#deps.log.info('subscriptions-resumed', { count, spreadMs: this.#resuming.leftMs })
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#soon.values()) timer.cancel()
    this.#soon.clear()
    this.#healing.close()
    this.#resuming.close()
  }

  /** Whoever says something does not wait for his turn. True: it was not his turn yet. */
  resumeFirst(entry: WatchEntry): boolean {
    if (!entry.awaitsResumption) return false
    this.#resuming.drop(entry)
    this.#resume(entry)
    return true
  }

  /** Streams to that domain have come up; undefined: to all may have. */
  healSoon(domain: string | undefined): void {
    if (this.#closed) return
    this.#soon.get(domain)?.cancel()
    this.#soon.set(
      domain,
      this.#deps.timers.arm(HEAL_AFTER_MS, () => {
        this.#soon.delete(domain)
        this.#healing.add(this.#toHeal(domain))
      }),
    )
  }

  /** Who is to be resumed yet is healed by that. */
  *#toHeal(domain: string | undefined): Iterable<WatchEntry> {
    for (const entry of this.#table)
      if (!entry.awaitsResumption && (domain === undefined || xmppEnd(entry).domain === domain)) yield entry
  }

  #resume(entry: WatchEntry): void {
    if (!entry.awaitsResumption) return
    entry.awaitsResumption = false
    this.#advance(entry, { kind: 'resume' })
  }

  #readable(record: SubscriptionRecord): WatchEntry | undefined {
    try {
      return entryOfRecord(record)
    } catch (error) {
      this.#deps.log.error('subscription-unreadable', { id: record.id, detail: String(error) })
      return undefined
    }
  }
}
