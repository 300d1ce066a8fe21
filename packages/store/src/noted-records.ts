import type { DatabaseSync } from 'node:sqlite'
import type { StoreDeps } from './deps.ts'
import { transaction } from './sqlite-database.ts'
import { WriteBehind, type WriteHealth } from './write-behind.ts'

const FLUSH_MS = 50

export interface NotedRecordsOptions<R> {
  /** Of its table, for the log. */
  readonly name: string
  readonly db: DatabaseSync
  readonly health: WriteHealth
  write(record: R): void
  remove(id: string): void
}

/** Records of one table that are written a little later, many in one transaction: the newest of each. */
export class NotedRecords<R extends { readonly id: string }> {
  readonly #options: NotedRecordsOptions<R>
  readonly #behind: WriteBehind
  /** Not yet written; null for a deletion: at most one for each record there is. */
  #noted = new Map<string, R | null>()
  #soon: Promise<void> | undefined

  constructor(options: NotedRecordsOptions<R>, deps: StoreDeps) {
    this.#options = options
    this.#behind = new WriteBehind(options.name, FLUSH_MS, deps, () => this.#write())
  }

  /** Null deletes. With `durable` resolves when it is on the disk; rejects when it could not be written. */
  note(id: string, record: R | null, options: { readonly durable: true } | undefined): Promise<void> | void {
    this.#noted.set(id, record)
    if (options !== undefined) return this.#writtenSoon()
    this.#behind.note()
  }

  /** Undefined: nothing waits to be written. */
  peek(id: string): R | null | undefined {
    return this.#noted.get(id)
  }

  flush(): void {
    this.#behind.flush()
  }

  close(): void {
    this.#behind.close()
  }

  /** With everything else of this turn of the event loop, in one transaction: on a busy day that is many. */
  #writtenSoon(): Promise<void> {
    this.#soon ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#soon = undefined
        try {
          this.flush()
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
    return this.#soon
  }

  #write(): boolean {
    if (this.#noted.size === 0) return false
    const { db, health, write, remove } = this.#options
    health.run(() =>
      transaction(db, () => {
        for (const [id, record] of this.#noted) {
          if (record === null) remove(id)
          else write(record)
        }
      }),
    )
    this.#noted = new Map()
    return false
  }
}
