import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { StoreDeps } from './deps.ts'
import {
  AUTHORIZATIONS,
  SUBSCRIPTION_DIRECTIONS,
  type Page,
  type PageQuery,
  type SubscriptionFilter,
  type SubscriptionRecord,
  type SubscriptionStore,
} from './ports.ts'
import { integer, oneOf, orNull, text, transaction, type Row } from './sqlite-database.ts'
import { WriteBehind, type WriteHealth } from './write-behind.ts'

const FLUSH_MS = 50
const PAGE_ROWS = 500

const UPSERT = `INSERT INTO subscription (id, direction, watcher, contact, authorization, state, data, due_at_ms, updated_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET authorization = excluded.authorization, state = excluded.state, data = excluded.data,
    due_at_ms = excluded.due_at_ms, updated_at_ms = excluded.updated_at_ms`

export class SqliteSubscriptions implements SubscriptionStore {
  readonly #db: DatabaseSync
  readonly #health: WriteHealth
  readonly #upsert: StatementSync
  readonly #remove: StatementSync
  readonly #byId: StatementSync
  readonly #behind: WriteBehind
  /** The newest of each that is not yet written, null for a deletion: at most one for each subscription there is. */
  #noted = new Map<string, SubscriptionRecord | null>()
  #soon: Promise<void> | undefined

  constructor(db: DatabaseSync, deps: StoreDeps, health: WriteHealth) {
    this.#db = db
    this.#health = health
    this.#upsert = db.prepare(UPSERT)
    this.#remove = db.prepare('DELETE FROM subscription WHERE id = ?')
    this.#byId = db.prepare('SELECT * FROM subscription WHERE id = ?')
    this.#behind = new WriteBehind('subscriptions', FLUSH_MS, deps, () => this.#writeNoted())
  }

  put(record: SubscriptionRecord): void
  put(record: SubscriptionRecord, options: { readonly durable: true }): Promise<void>
  put(record: SubscriptionRecord, options?: { readonly durable: true }): Promise<void> | void {
    this.#noted.set(record.id, record)
    if (options !== undefined) return this.#writtenSoon()
    this.#behind.note()
  }

  delete(id: string): void
  delete(id: string, options: { readonly durable: true }): Promise<void>
  delete(id: string, options?: { readonly durable: true }): Promise<void> | void {
    this.#noted.set(id, null)
    if (options !== undefined) return this.#writtenSoon()
    this.#behind.note()
  }

  /** With everything else of this turn of the event loop, in one transaction: on a busy day that is many. */
  #writtenSoon(): Promise<void> {
    this.#soon ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#soon = undefined
        this.flush().then(resolve, reject)
      })
    })
    return this.#soon
  }

  async get(id: string): Promise<SubscriptionRecord | undefined> {
    const noted = this.#noted.get(id)
    if (noted !== undefined) return noted ?? undefined
    const row = this.#byId.get(id)
    return row === undefined ? undefined : readRow(row)
  }

  async list(
    query: PageQuery & { readonly filter?: SubscriptionFilter | undefined },
  ): Promise<Page<SubscriptionRecord>> {
    this.#behind.flush()
    const { direction, authorization, state, watcher, contact } = query.filter ?? {}
    const wanted = Object.entries({ direction, authorization, state, watcher, contact }).flatMap(
      ([column, value]): [string, string][] => (value === undefined ? [] : [[column, value]]),
    )
    const where = ['id > ?', ...wanted.map(([column]) => `${column} = ?`)].join(' AND ')
    const rows = this.#db
      .prepare(`SELECT * FROM subscription WHERE ${where} ORDER BY id LIMIT ?`)
      .all(query.after ?? '', ...wanted.map(([, value]) => value), query.limit + 1)
      .map(readRow)
    const items = rows.slice(0, query.limit)
    return { items, next: rows.length > items.length ? items.at(-1)?.id : undefined }
  }

  async *all(): AsyncIterable<SubscriptionRecord> {
    for (let after: string | undefined = ''; after !== undefined;) {
      // Each page starts where the one before it ended.
      // oxlint-disable-next-line no-await-in-loop
      const page: Page<SubscriptionRecord> = await this.list({ limit: PAGE_ROWS, after })
      yield* page.items
      after = page.next
    }
  }

  async flush(): Promise<void> {
    this.#behind.flush()
  }

  close(): void {
    this.#behind.close()
  }

  #writeNoted(): boolean {
    if (this.#noted.size === 0) return false
    this.#health.run(() =>
      transaction(this.#db, () => {
        for (const [id, record] of this.#noted) {
          if (record === null) this.#remove.run(id)
          else this.#write(record)
        }
      }),
    )
    this.#noted = new Map()
    return false
  }

  #write(record: SubscriptionRecord): void {
    this.#upsert.run(
      record.id,
      record.direction,
      record.watcher,
      record.contact,
      record.authorization,
      record.state,
      record.data,
      record.dueAtMs,
      record.updatedAtMs,
    )
  }
}

const readRow = (row: Row): SubscriptionRecord => ({
  id: text(row['id']),
  direction: oneOf(SUBSCRIPTION_DIRECTIONS, row['direction']),
  watcher: text(row['watcher']),
  contact: text(row['contact']),
  authorization: oneOf(AUTHORIZATIONS, row['authorization']),
  state: text(row['state']),
  data: text(row['data']),
  dueAtMs: orNull(integer, row['due_at_ms']),
  updatedAtMs: integer(row['updated_at_ms']),
})
