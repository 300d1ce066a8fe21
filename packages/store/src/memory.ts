import type { StoreDeps } from './deps.ts'
import { ModelTable } from './model-table.ts'
import type {
  AuditEntry,
  AuditRow,
  AuditStore,
  JournalQuery,
  JournalRow,
  JournalStore,
  Page,
  PageQuery,
  PublicationRecord,
  PublicationStore,
  Store,
  StoredJournalRow,
  SubscriptionFilter,
  SubscriptionRecord,
  SubscriptionStore,
  TokenRecord,
  TokenStore,
} from './ports.ts'

/** Keeps nothing beyond the process: for tests, and for trying things out. */
export function openMemoryStore(_deps: StoreDeps): Store {
  const audit = new MemoryAudit()
  return {
    model: new ModelTable(0, [], (_revision, _changes, entries) => entries.forEach((entry) => audit.add(entry))),
    audit,
    tokens: new MemoryTokens(),
    subscriptions: new MemorySubscriptions(),
    publications: new MemoryPublications(),
    journal: new MemoryJournal(),
    health: () => ({ ok: true, detail: 'in memory' }),
    close: () => Promise.resolve(),
  }
}

class MemoryAudit implements AuditStore {
  readonly #rows: AuditRow[] = []

  add(entry: AuditEntry): void {
    this.#rows.push({ ...entry, id: this.#rows.length + 1 })
  }

  append(entry: AuditEntry): Promise<void> {
    this.add(entry)
    return Promise.resolve()
  }

  find(query: Parameters<AuditStore['find']>[0]): Promise<Page<AuditRow>> {
    const before = query.after === undefined ? Number.POSITIVE_INFINITY : Number(query.after)
    const found = this.#rows
      .toReversed()
      .filter(
        (row) =>
          row.id < before &&
          (query.object === undefined || row.object === query.object) &&
          (query.who === undefined || row.who === query.who),
      )
    return Promise.resolve(pageOf(found, query, (row) => String(row.id)))
  }
}

class MemoryTokens implements TokenStore {
  readonly #byName = new Map<string, TokenRecord>()

  add(token: TokenRecord): Promise<boolean> {
    if (this.#byName.has(token.name)) return Promise.resolve(false)
    this.#byName.set(token.name, token)
    return Promise.resolve(true)
  }

  findByHash(hash: string): Promise<TokenRecord | undefined> {
    return Promise.resolve([...this.#byName.values()].find((token) => token.hash === hash))
  }

  list(): Promise<readonly TokenRecord[]> {
    return Promise.resolve([...this.#byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)))
  }

  remove(name: string): Promise<boolean> {
    return Promise.resolve(this.#byName.delete(name))
  }
}

class MemorySubscriptions implements SubscriptionStore {
  readonly #byId = new Map<string, SubscriptionRecord>()

  put(record: SubscriptionRecord): void
  put(record: SubscriptionRecord, options: { readonly durable: true }): Promise<void>
  put(record: SubscriptionRecord): Promise<void> {
    this.#byId.set(record.id, { ...record })
    return Promise.resolve()
  }

  delete(id: string): void
  delete(id: string, options: { readonly durable: true }): Promise<void>
  delete(id: string): Promise<void> {
    this.#byId.delete(id)
    return Promise.resolve()
  }

  get(id: string): Promise<SubscriptionRecord | undefined> {
    return Promise.resolve(this.#byId.get(id))
  }

  list(query: PageQuery & { readonly filter?: SubscriptionFilter | undefined }): Promise<Page<SubscriptionRecord>> {
    const { after = '', filter = {} } = query
    const found = this.#inOrder().filter((record) => record.id > after && matches(record, filter))
    return Promise.resolve(pageOf(found, query, (record) => record.id))
  }

  async *all(): AsyncIterable<SubscriptionRecord> {
    yield* this.#inOrder()
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  #inOrder(): readonly SubscriptionRecord[] {
    return [...this.#byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  }
}

class MemoryPublications implements PublicationStore {
  readonly #byId = new Map<string, PublicationRecord>()

  put(record: PublicationRecord): void
  put(record: PublicationRecord, options: { readonly durable: true }): Promise<void>
  put(record: PublicationRecord): Promise<void> {
    this.#byId.set(record.id, record)
    return Promise.resolve()
  }

  delete(id: string): void {
    this.#byId.delete(id)
  }

  all(): Promise<readonly PublicationRecord[]> {
    return Promise.resolve([...this.#byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)))
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }
}

const matches = (record: SubscriptionRecord, filter: SubscriptionFilter): boolean =>
  (filter.direction === undefined || record.direction === filter.direction) &&
  (filter.authorization === undefined || record.authorization === filter.authorization) &&
  (filter.state === undefined || record.state === filter.state) &&
  (filter.watcher === undefined || record.watcher === filter.watcher) &&
  (filter.contact === undefined || record.contact === filter.contact)

const MOST_ROWS = 100_000

class MemoryJournal implements JournalStore {
  readonly waiting = 0
  readonly dropped = 0
  #rows: StoredJournalRow[] = []
  #seq = 0

  append(row: JournalRow): void {
    this.#seq += 1
    this.#rows.push({ ...row, seq: this.#seq })
    if (this.#rows.length > 2 * MOST_ROWS) this.#rows = this.#rows.slice(-MOST_ROWS)
  }

  find(query: JournalQuery): Promise<Page<StoredJournalRow>> {
    const { after, address, partner, id, correlationId, fromMs = 0, untilMs = Number.POSITIVE_INFINITY } = query
    const before = after === undefined ? Number.POSITIVE_INFINITY : Number(after)
    const found = this.#rows
      .toReversed()
      .filter(
        (row) =>
          row.seq < before &&
          (address === undefined || row.from === address || row.to === address) &&
          (partner === undefined || row.partner === partner) &&
          (id === undefined || row.stanzaId === id || row.callId === id) &&
          (correlationId === undefined || row.correlationId === correlationId) &&
          row.atMs >= fromMs &&
          row.atMs <= untilMs,
      )
    return Promise.resolve(pageOf(found, query, (row) => String(row.seq)))
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  prune(beforeMs: number, limit: number): Promise<number> {
    const gone = new Set(
      this.#rows
        .filter((row) => row.atMs < beforeMs)
        .toSorted((a, b) => a.atMs - b.atMs)
        .slice(0, limit),
    )
    this.#rows = this.#rows.filter((row) => !gone.has(row))
    return Promise.resolve(gone.size)
  }
}

function pageOf<T>(found: readonly T[], query: PageQuery, cursor: (item: T) => string): Page<T> {
  const items = found.slice(0, query.limit)
  const last = items.at(-1)
  return { items, next: found.length > items.length && last !== undefined ? cursor(last) : undefined }
}
