import { fail, ok, type Result } from '@stox/kernel'
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite'
import { messageOf, sqliteCodeOf } from './caught.ts'
import { MIGRATIONS } from './migrations/migrations.ts'
import type { StoreFailure } from './ports.ts'

/** `stox` in ASCII: marks a file as ours. @see SQLite file format §1.3 */
const APPLICATION_ID = 0x73_74_6f_78
const LOCK_WAIT_MS = 2000

export type Row = Readonly<Record<string, SQLOutputValue>>
export type Params = readonly SQLInputValue[]

/**
 * Opens or makes the file, for us alone, and brings its schema up to date. What was committed survives the death of the
 * process; what was committed since the last checkpoint may not survive the death of the machine, but the file stays whole.
 * @see SQLite, Write-Ahead Logging; PRAGMA synchronous
 */
export function openDatabase(path: string): Result<DatabaseSync, StoreFailure> {
  const writable = makeFile(path)
  if (!writable.ok) return writable
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { timeout: LOCK_WAIT_MS })
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    // No index is made up for one query: a search of the journal would read all of it to make one.
    db.exec('PRAGMA automatic_index = OFF')
    const migrated = migrate(db, path)
    if (!migrated.ok) db.close()
    return migrated
  } catch (error) {
    db?.close()
    return fail(failureOf(error, path))
  }
}

/** One after the other: `recursive` never returns below a folder in which nothing can be made, such as /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

/** Made readable for us only: it holds the dialback passphrase. */
function makeFile(path: string): Result<void, StoreFailure> {
  try {
    makeFolder(dirname(path))
    closeSync(openSync(path, 'a+', 0o600))
    return ok(undefined)
  } catch (error) {
    return fail({
      kind: 'store-unreadable',
      detail: `cannot open ${path}: ${messageOf(error)}`,
      hint: 'name a file in a directory that this user may write to',
    })
  }
}

function migrate(db: DatabaseSync, path: string): Result<DatabaseSync, StoreFailure> {
  const version = integer(db.prepare('PRAGMA user_version').get()?.['user_version'])
  const owner = integer(db.prepare('PRAGMA application_id').get()?.['application_id'])
  const tables = integer(db.prepare('SELECT count(*) AS tables FROM sqlite_master').get()?.['tables'])
  if (owner !== APPLICATION_ID && (version !== 0 || tables !== 0)) {
    return fail({
      kind: 'store-not-a-database',
      detail: `${path} is the database of another program`,
      hint: 'name another file',
    })
  }
  if (version > MIGRATIONS.length) {
    return fail({
      kind: 'store-too-new',
      detail: `${path} has schema version ${version}, this program knows up to ${MIGRATIONS.length}`,
      hint: 'start the newer program that wrote it, or restore a backup from before the upgrade',
    })
  }
  // The exclusive lock is taken by the first write: taken here even when there is nothing to migrate.
  transaction(db, () => {
    for (const sql of MIGRATIONS.slice(version)) db.exec(sql)
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`)
  })
  return ok(db)
}

export function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const value = work()
    db.exec('COMMIT')
    return value
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** @see SQLite result codes: 5 BUSY, 6 LOCKED, 26 NOTADB */
function failureOf(error: unknown, path: string): StoreFailure {
  const code = sqliteCodeOf(error)
  if (code === 26) {
    return {
      kind: 'store-not-a-database',
      detail: `${path} is no SQLite database`,
      hint: 'name another file, or move this one away',
    }
  }
  if (code === 5 || code === 6) {
    return {
      kind: 'store-in-use',
      detail: `${path} is in use by another process`,
      hint: 'stop the other gateway, or give this one a file of its own',
    }
  }
  return {
    kind: 'store-unreadable',
    detail: `cannot use ${path}: ${messageOf(error)}`,
    hint: 'check the disk, or restore a backup',
  }
}

// What comes out of a column is checked where it is read.

export function integer(value: SQLOutputValue | undefined): number {
  if (typeof value !== 'number') throw new TypeError(`not a number in the database: ${String(value)}`)
  return value
}

export function text(value: SQLOutputValue | undefined): string {
  if (typeof value !== 'string') throw new TypeError(`not a text in the database: ${String(value)}`)
  return value
}

export function bytes(value: SQLOutputValue | undefined): Uint8Array {
  if (!ArrayBuffer.isView(value)) throw new TypeError('not a blob in the database')
  return value
}

export const orNull = <T>(
  read: (value: SQLOutputValue | undefined) => T,
  value: SQLOutputValue | undefined,
): T | null => (value === null ? null : read(value))

export function oneOf<const T extends string>(values: readonly T[], value: SQLOutputValue | undefined): T {
  const found = values.find((each) => each === value)
  if (found === undefined) throw new TypeError(`none of ${values.join(', ')} in the database: ${String(value)}`)
  return found
}
