import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { StoreDeps } from './deps.ts'
import type { PublicationRecord, PublicationStore } from './ports.ts'
import { integer, text, transaction } from './sqlite-database.ts'
import { WriteBehind, type WriteHealth } from './write-behind.ts'

const FLUSH_MS = 50

const UPSERT = `INSERT INTO publication (id, data, updated_at_ms) VALUES (?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET data = excluded.data, updated_at_ms = excluded.updated_at_ms`

export class SqlitePublications implements PublicationStore {
  readonly #db: DatabaseSync
  readonly #health: WriteHealth
  readonly #upsert: StatementSync
  readonly #remove: StatementSync
  readonly #behind: WriteBehind
  /** The newest of each that is not yet written, null for a deletion. */
  #noted = new Map<string, PublicationRecord | null>()

  constructor(db: DatabaseSync, deps: StoreDeps, health: WriteHealth) {
    this.#db = db
    this.#health = health
    this.#upsert = db.prepare(UPSERT)
    this.#remove = db.prepare('DELETE FROM publication WHERE id = ?')
    this.#behind = new WriteBehind('publications', FLUSH_MS, deps, () => this.#writeNoted())
  }

  put(record: PublicationRecord): void
  put(record: PublicationRecord, options: { readonly durable: true }): Promise<void>
  put(record: PublicationRecord, options?: { readonly durable: true }): Promise<void> | void {
    this.#noted.set(record.id, record)
    if (options !== undefined) return this.flush()
    this.#behind.note()
  }

  delete(id: string): void {
    this.#noted.set(id, null)
    this.#behind.note()
  }

  async all(): Promise<readonly PublicationRecord[]> {
    this.#behind.flush()
    return this.#db
      .prepare('SELECT * FROM publication ORDER BY id')
      .all()
      .map((row) => ({ id: text(row['id']), data: text(row['data']), updatedAtMs: integer(row['updated_at_ms']) }))
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
          else this.#upsert.run(id, record.data, record.updatedAtMs)
        }
      }),
    )
    this.#noted = new Map()
    return false
  }
}
