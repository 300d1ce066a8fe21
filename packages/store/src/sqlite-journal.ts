import { BoundedQueue } from '@stox/kernel'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { StoreDeps } from './deps.ts'
import {
  JOURNAL_DIRECTIONS,
  JOURNAL_KINDS,
  JOURNAL_OUTCOMES,
  type JournalQuery,
  type JournalRow,
  type JournalStore,
  type Page,
  type StoredJournalRow,
} from './ports.ts'
import { integer, oneOf, orNull, text, transaction, type Params, type Row } from './sqlite-database.ts'
import { WriteBehind, type WriteHealth } from './write-behind.ts'

const FLUSH_MS = 200
/** Bounds how long one write keeps the event loop. */
const BATCH_ROWS = 500
const WAITING_ROWS = 20_000

const COLUMNS = [
  'correlation_id',
  'at_ms',
  'direction',
  'kind',
  'from_address',
  'to_address',
  'partner',
  'stanza_id',
  'call_id',
  'outcome',
  'status',
  'condition',
  'detail',
  'duration_ms',
  'edge',
]
const INSERT = `INSERT INTO journal (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})`

export class SqliteJournal implements JournalStore {
  readonly #db: DatabaseSync
  readonly #health: WriteHealth
  readonly #insert: StatementSync
  readonly #waiting: BoundedQueue<JournalRow>
  readonly #behind: WriteBehind
  /** Taken off the queue and not yet written. */
  #batch: JournalRow[] = []
  #dropped = 0

  constructor(db: DatabaseSync, deps: StoreDeps, health: WriteHealth, options: { readonly waitingRows?: number } = {}) {
    this.#db = db
    this.#health = health
    this.#insert = db.prepare(INSERT)
    this.#waiting = new BoundedQueue(options.waitingRows ?? WAITING_ROWS)
    this.#behind = new WriteBehind('journal', FLUSH_MS, deps, () => this.#writeBatch())
  }

  get waiting(): number {
    return this.#waiting.length + this.#batch.length
  }

  get dropped(): number {
    return this.#dropped
  }

  append(row: JournalRow): void {
    if (!this.#waiting.push(row)) {
      this.#waiting.shift()
      this.#dropped += 1
      this.#waiting.push(row)
    }
    this.#behind.note()
  }

  async find(query: JournalQuery): Promise<Page<StoredJournalRow>> {
    this.#behind.flush()
    const { sql, params } = findSql(query)
    const rows = this.#db
      .prepare(sql)
      .all(...params)
      .map(readRow)
    const items = rows.slice(0, query.limit)
    return { items, next: rows.length > items.length ? String(items.at(-1)?.seq) : undefined }
  }

  async flush(): Promise<void> {
    this.#behind.flush()
  }

  async prune(beforeMs: number, limit: number): Promise<number> {
    const oldest = 'SELECT seq FROM journal WHERE at_ms < ? ORDER BY at_ms LIMIT ?'
    const gone = this.#health.run(() =>
      this.#db.prepare(`DELETE FROM journal WHERE seq IN (${oldest})`).run(beforeMs, limit),
    )
    return Number(gone.changes)
  }

  close(): void {
    this.#behind.close()
  }

  #writeBatch(): boolean {
    while (this.#batch.length < BATCH_ROWS) {
      const row = this.#waiting.shift()
      if (row === undefined) break
      this.#batch.push(row)
    }
    if (this.#batch.length > 0)
      this.#health.run(() => transaction(this.#db, () => this.#batch.forEach((row) => this.#insertRow(row))))
    this.#batch = []
    return this.#waiting.length > 0
  }

  #insertRow(row: JournalRow): void {
    this.#insert.run(
      row.correlationId,
      row.atMs,
      row.direction,
      row.kind,
      row.from,
      row.to,
      row.partner,
      row.stanzaId,
      row.callId,
      row.outcome,
      row.status,
      row.condition,
      row.detail,
      row.durationMs,
      row.edge,
    )
  }
}

/**
 * An address is looked for at either end, and an id in either world: each is a look-up of its own in its own index,
 * newest first, and the newest of all of them are the page. One row more than the page tells whether there is another.
 */
function findSql(query: JournalQuery): { readonly sql: string; readonly params: Params } {
  const common: [string, string | number | undefined][] = [
    ['seq < ?', query.after === undefined ? undefined : Number(query.after)],
    ['partner = ?', query.partner],
    ['correlation_id = ?', query.correlationId],
    ['at_ms >= ?', query.fromMs],
    ['at_ms <= ?', query.untilMs],
  ]
  const ends = query.address === undefined ? [undefined] : ['from_address = ?', 'to_address = ?']
  const ids = query.id === undefined ? [undefined] : ['stanza_id = ?', 'call_id = ?']
  const limit = query.limit + 1
  const params: (string | number)[] = []
  const lookups = ends.flatMap((end) =>
    ids.map((id) => {
      const wanted: [string | undefined, string | number | undefined][] = [
        [end, query.address],
        [id, query.id],
        ...common,
      ]
      const where = wanted.flatMap(([condition, value]) => {
        if (condition === undefined || value === undefined) return []
        params.push(value)
        return [condition]
      })
      params.push(limit)
      return `SELECT * FROM (SELECT seq FROM journal ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`} ORDER BY seq DESC LIMIT ?)`
    }),
  )
  params.push(limit)
  return { sql: `SELECT * FROM journal WHERE seq IN (${lookups.join(' UNION ')}) ORDER BY seq DESC LIMIT ?`, params }
}

const readRow = (row: Row): StoredJournalRow => ({
  seq: integer(row['seq']),
  correlationId: text(row['correlation_id']),
  atMs: integer(row['at_ms']),
  direction: oneOf(JOURNAL_DIRECTIONS, row['direction']),
  kind: oneOf(JOURNAL_KINDS, row['kind']),
  from: text(row['from_address']),
  to: text(row['to_address']),
  partner: text(row['partner']),
  stanzaId: orNull(text, row['stanza_id']),
  callId: orNull(text, row['call_id']),
  outcome: oneOf(JOURNAL_OUTCOMES, row['outcome']),
  status: orNull(integer, row['status']),
  condition: orNull(text, row['condition']),
  detail: text(row['detail']),
  durationMs: integer(row['duration_ms']),
  edge: text(row['edge']),
})
