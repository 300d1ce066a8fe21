import { BoundedQueue } from '@stox/kernel'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { StoreDeps } from './deps.ts'
import { FILTER_BYTES, addKey, mayHoldKey } from './key-filter.ts'
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
import { bytes, integer, oneOf, orNull, text, transaction, type Params, type Row } from './sqlite-database.ts'
import { WriteBehind, type WriteHealth } from './write-behind.ts'

const FLUSH_MS = 200
/** Bounds how long one write keeps the event loop. */
const BATCH_ROWS = 500
const WAITING_ROWS = 20_000
/** As many as fill a filter of keys to one wrong yes in a hundred. */
const CHUNK_ROWS = 1024

const COLUMNS = [
  'seq',
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
const UPSERT_CHUNK = `INSERT INTO journal_chunk (first_seq, last_seq, oldest_ms, newest_ms, keys) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (first_seq) DO UPDATE SET last_seq = excluded.last_seq, oldest_ms = excluded.oldest_ms,
    newest_ms = excluded.newest_ms, keys = excluded.keys`

/** About a thousand rows in a line, with the span of their times and a filter of their keys. */
interface Chunk {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly oldestMs: number
  readonly newestMs: number
  readonly keys: Uint8Array
}

/** Kinds of keys are told apart, so that an address is not found as an id. */
const key = {
  address: (value: string): string => `a ${value}`,
  partner: (value: string): string => `p ${value}`,
  id: (value: string): string => `i ${value}`,
  correlation: (value: string): string => `c ${value}`,
}

/**
 * Rows are only ever appended, so that writing 1,000 of them takes a few milliseconds. Ordinary indexes over six random
 * keys took 100 to 170 ms, most of it for pages touched all over the file; so instead of an index each chunk of rows has
 * a filter that says which keys it may hold, and a search reads the chunks that may.
 */
export class SqliteJournal implements JournalStore {
  readonly #db: DatabaseSync
  readonly #health: WriteHealth
  readonly #insert: StatementSync
  readonly #upsertChunk: StatementSync
  readonly #waiting: BoundedQueue<JournalRow>
  readonly #behind: WriteBehind
  /** Taken off the queue and not yet written. */
  #batch: JournalRow[] = []
  #dropped = 0
  #lastSeq: number
  /** The one that is being filled. */
  #chunk: Chunk | undefined

  constructor(db: DatabaseSync, deps: StoreDeps, health: WriteHealth, options: { readonly waitingRows?: number } = {}) {
    this.#db = db
    this.#health = health
    db.function('may_hold', { deterministic: true }, (keys, wanted) =>
      ArrayBuffer.isView(keys) && typeof wanted === 'string' && mayHoldKey(keys, wanted) ? 1 : 0,
    )
    this.#insert = db.prepare(INSERT)
    this.#upsertChunk = db.prepare(UPSERT_CHUNK)
    this.#chunk = lastChunk(db)
    this.#lastSeq = this.#chunk?.lastSeq ?? 0
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

  /** Rows lie in the order in which they ended, so nearly in that in which they were accepted: the oldest are in front. */
  async prune(beforeMs: number, limit: number): Promise<number> {
    const front = this.#db.prepare('SELECT seq, at_ms FROM journal ORDER BY seq LIMIT ?').all(limit)
    const young = front.findIndex((row) => integer(row['at_ms']) >= beforeMs)
    const old = young === -1 ? front : front.slice(0, young)
    const upTo = old.at(-1)?.['seq']
    if (upTo === undefined) return 0
    this.#health.run(() =>
      transaction(this.#db, () => {
        this.#db.prepare('DELETE FROM journal WHERE seq <= ?').run(upTo)
        // The chunk that is being filled stays, and with it the number of the last row.
        this.#db
          .prepare('DELETE FROM journal_chunk WHERE last_seq <= ? AND first_seq <> ?')
          .run(upTo, this.#chunk?.firstSeq ?? 0)
      }),
    )
    return old.length
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
    if (this.#batch.length > 0) this.#chunk = this.#health.run(() => transaction(this.#db, () => this.#insertBatch()))
    this.#lastSeq += this.#batch.length
    this.#batch = []
    return this.#waiting.length > 0
  }

  /** Gives the chunk that is being filled afterwards. Should the write fail, its filter holds some keys too many. */
  #insertBatch(): Chunk | undefined {
    let seq = this.#lastSeq
    let chunk = this.#chunk
    for (const row of this.#batch) {
      seq += 1
      this.#insertRow(seq, row)
      if (chunk !== undefined && chunk.lastSeq - chunk.firstSeq + 1 >= CHUNK_ROWS) {
        this.#saveChunk(chunk)
        chunk = undefined
      }
      chunk = extended(chunk, seq, row)
    }
    if (chunk !== undefined) this.#saveChunk(chunk)
    return chunk
  }

  #saveChunk(chunk: Chunk): void {
    this.#upsertChunk.run(chunk.firstSeq, chunk.lastSeq, chunk.oldestMs, chunk.newestMs, chunk.keys)
  }

  #insertRow(seq: number, row: JournalRow): void {
    this.#insert.run(
      seq,
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

function extended(chunk: Chunk | undefined, seq: number, row: JournalRow): Chunk {
  const keys = chunk?.keys ?? new Uint8Array(FILTER_BYTES)
  addKey(keys, key.address(row.from))
  addKey(keys, key.address(row.to))
  addKey(keys, key.partner(row.partner))
  addKey(keys, key.correlation(row.correlationId))
  if (row.stanzaId !== null) addKey(keys, key.id(row.stanzaId))
  if (row.callId !== null) addKey(keys, key.id(row.callId))
  return {
    firstSeq: chunk?.firstSeq ?? seq,
    lastSeq: seq,
    oldestMs: Math.min(chunk?.oldestMs ?? row.atMs, row.atMs),
    newestMs: Math.max(chunk?.newestMs ?? row.atMs, row.atMs),
    keys,
  }
}

function lastChunk(db: DatabaseSync): Chunk | undefined {
  const row = db.prepare('SELECT * FROM journal_chunk ORDER BY first_seq DESC LIMIT 1').get()
  if (row === undefined) return undefined
  return {
    firstSeq: integer(row['first_seq']),
    lastSeq: integer(row['last_seq']),
    oldestMs: integer(row['oldest_ms']),
    newestMs: integer(row['newest_ms']),
    keys: bytes(row['keys']),
  }
}

/** Newest chunk first, and in it newest row first, until the page is full. One row more tells whether there is another page. */
export function findSql(query: JournalQuery): { readonly sql: string; readonly params: Params } {
  const { after, address, partner, id, correlationId, fromMs, untilMs } = query
  const conditions: string[] = []
  const params: (string | number)[] = []
  const where = (condition: string, ...values: readonly (string | number)[]): void => {
    conditions.push(condition)
    params.push(...values)
  }
  if (after !== undefined) where('c.first_seq < ? AND j.seq < ?', Number(after), Number(after))
  if (fromMs !== undefined) where('c.newest_ms >= ? AND j.at_ms >= ?', fromMs, fromMs)
  if (untilMs !== undefined) where('c.oldest_ms <= ? AND j.at_ms <= ?', untilMs, untilMs)
  if (address !== undefined)
    where('may_hold(c.keys, ?) AND (j.from_address = ? OR j.to_address = ?)', key.address(address), address, address)
  if (partner !== undefined) where('may_hold(c.keys, ?) AND j.partner = ?', key.partner(partner), partner)
  if (id !== undefined) where('may_hold(c.keys, ?) AND (j.stanza_id = ? OR j.call_id = ?)', key.id(id), id, id)
  if (correlationId !== undefined)
    where('may_hold(c.keys, ?) AND j.correlation_id = ?', key.correlation(correlationId), correlationId)
  const sql = `SELECT j.* FROM journal_chunk c CROSS JOIN journal j ON j.seq BETWEEN c.first_seq AND c.last_seq
    ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`} ORDER BY c.first_seq DESC, j.seq DESC LIMIT ?`
  return { sql, params: [...params, query.limit + 1] }
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
