import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { StoreDeps } from './deps.ts'
import { NotedRecords } from './noted-records.ts'
import {
  AUTHORIZATIONS,
  SUBSCRIPTION_DIRECTIONS,
  type Page,
  type PageQuery,
  type SubscriptionFilter,
  type SubscriptionRecord,
  type SubscriptionStore,
} from './ports.ts'
import { integer, oneOf, orNull, text, type Row } from './sqlite-database.ts'
import type { WriteHealth } from './write-behind.ts'

const PAGE_ROWS = 500

const UPSERT = `INSERT INTO subscription (id, direction, watcher, contact, authorization, state, data, due_at_ms, updated_at_ms)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET authorization = excluded.authorization, state = excluded.state, data = excluded.data,
    due_at_ms = excluded.due_at_ms, updated_at_ms = excluded.updated_at_ms`

export class SqliteSubscriptions implements SubscriptionStore {
  readonly #db: DatabaseSync
  readonly #byId: StatementSync
  readonly #noted: NotedRecords<SubscriptionRecord>

  constructor(db: DatabaseSync, deps: StoreDeps, health: WriteHealth) {
    const upsert = db.prepare(UPSERT)
    const remove = db.prepare('DELETE FROM subscription WHERE id = ?')
    this.#db = db
    this.#byId = db.prepare('SELECT * FROM subscription WHERE id = ?')
    this.#noted = new NotedRecords(
      {
        ...{ name: 'subscriptions', db, health },
        write: (record) => void upsert.run(...columnsOf(record)),
        remove: (id) => void remove.run(id),
      },
      deps,
    )
  }

  put(record: SubscriptionRecord): void
  put(record: SubscriptionRecord, options: { readonly durable: true }): Promise<void>
  put(record: SubscriptionRecord, options?: { readonly durable: true }): Promise<void> | void {
    return this.#noted.note(record.id, record, options)
  }

  delete(id: string): void
  delete(id: string, options: { readonly durable: true }): Promise<void>
  delete(id: string, options?: { readonly durable: true }): Promise<void> | void {
    return this.#noted.note(id, null, options)
  }

  async get(id: string): Promise<SubscriptionRecord | undefined> {
    const noted = this.#noted.peek(id)
    if (noted !== undefined) return noted ?? undefined
    const row = this.#byId.get(id)
    return row === undefined ? undefined : readRow(row)
  }

  async list(
    query: PageQuery & { readonly filter?: SubscriptionFilter | undefined },
  ): Promise<Page<SubscriptionRecord>> {
    this.#noted.flush()
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
    this.#noted.flush()
  }

  close(): void {
    this.#noted.close()
  }
}

const columnsOf = (record: SubscriptionRecord) =>
  [
    record.id,
    record.direction,
    record.watcher,
    record.contact,
    record.authorization,
    record.state,
    record.data,
    record.dueAtMs,
    record.updatedAtMs,
  ] as const

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
