import type { DatabaseSync } from 'node:sqlite'
import type { StoreDeps } from './deps.ts'
import { NotedRecords } from './noted-records.ts'
import type { PublicationRecord, PublicationStore } from './ports.ts'
import { integer, text } from './sqlite-database.ts'
import type { WriteHealth } from './write-behind.ts'

const UPSERT = `INSERT INTO publication (id, data, updated_at_ms) VALUES (?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET data = excluded.data, updated_at_ms = excluded.updated_at_ms`

export class SqlitePublications implements PublicationStore {
  readonly #db: DatabaseSync
  readonly #noted: NotedRecords<PublicationRecord>

  constructor(db: DatabaseSync, deps: StoreDeps, health: WriteHealth) {
    const upsert = db.prepare(UPSERT)
    const remove = db.prepare('DELETE FROM publication WHERE id = ?')
    this.#db = db
    this.#noted = new NotedRecords(
      {
        ...{ name: 'publications', db, health },
        write: ({ id, data, updatedAtMs }) => void upsert.run(id, data, updatedAtMs),
        remove: (id) => void remove.run(id),
      },
      deps,
    )
  }

  put(record: PublicationRecord): void
  put(record: PublicationRecord, options: { readonly durable: true }): Promise<void>
  put(record: PublicationRecord, options?: { readonly durable: true }): Promise<void> | void {
    void this.#noted.note(record.id, record, undefined)
    // At once, not with the rest of the turn: the next PUBLISH leaves in it.
    if (options !== undefined) return this.flush()
  }

  delete(id: string): void {
    void this.#noted.note(id, null, undefined)
  }

  async all(): Promise<readonly PublicationRecord[]> {
    this.#noted.flush()
    return this.#db
      .prepare('SELECT * FROM publication ORDER BY id')
      .all()
      .map((row) => ({ id: text(row['id']), data: text(row['data']), updatedAtMs: integer(row['updated_at_ms']) }))
  }

  async flush(): Promise<void> {
    this.#noted.flush()
  }

  close(): void {
    this.#noted.close()
  }
}
