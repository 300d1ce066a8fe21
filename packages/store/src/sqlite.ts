import { fail, ok, unreachable, type Result } from '@stox/kernel'
import { localDomainSchema, settingsSchema, xmppPartnerSchema } from '@stox/federation'
import type { DatabaseSync } from 'node:sqlite'
import { messageOf } from './caught.ts'
import type { StoreDeps } from './deps.ts'
import { ModelTable } from './model-table.ts'
import {
  AUDIT_VERBS,
  TOKEN_ROLES,
  type AuditEntry,
  type AuditRow,
  type AuditStore,
  type ModelChange,
  type Page,
  type Store,
  type StoreFailure,
  type TokenRecord,
  type TokenStore,
} from './ports.ts'
import { integer, oneOf, openDatabase, orNull, text, transaction, type Row } from './sqlite-database.ts'
import { SqliteJournal } from './sqlite-journal.ts'
import { SqlitePublications } from './sqlite-publications.ts'
import { SqliteSubscriptions } from './sqlite-subscriptions.ts'
import { sweepJournal } from './sweep-journal.ts'
import { WriteHealth } from './write-behind.ts'

/** The embedded store: one file, one process. */
export function openSqliteStore(path: string, deps: StoreDeps): Result<Store, StoreFailure> {
  const opened = openDatabase(path)
  if (!opened.ok) return opened
  const db = opened.value
  const health = new WriteHealth()
  const model = loadModel(db, health, path)
  if (!model.ok) {
    db.close()
    return model
  }
  const subscriptions = new SqliteSubscriptions(db, deps, health)
  const publications = new SqlitePublications(db, deps, health)
  const journal = new SqliteJournal(db, deps, health)
  const sweeper = sweepJournal(journal, () => model.value.current.settings.journalRetentionDays, deps)
  return ok({
    model: model.value,
    audit: new SqliteAudit(db, health),
    tokens: new SqliteTokens(db, health),
    subscriptions,
    publications,
    journal,
    health: () => ({ ok: health.problem === undefined, detail: health.problem ?? path }),
    close: async () => {
      sweeper.cancel()
      subscriptions.close()
      publications.close()
      journal.close()
      db.close()
    },
  })
}

/** Objects are read through their schemas, so that what an older program wrote gets the defaults of newer fields. */
function loadModel(db: DatabaseSync, health: WriteHealth, path: string): Result<ModelTable, StoreFailure> {
  try {
    const revision = integer(db.prepare('SELECT revision FROM model_revision').get()?.['revision'])
    const stored = db
      .prepare('SELECT kind, key, value, revision FROM model_object')
      .all()
      .map((row): [ModelChange, number] => [readChange(row), integer(row['revision'])])
    return ok(
      new ModelTable(revision, stored, (next, changes, audit) =>
        health.run(() => persistModel(db, next, changes, audit)),
      ),
    )
  } catch (error) {
    return fail({
      kind: 'store-unreadable',
      detail: `the federation model in ${path} cannot be read: ${messageOf(error)}`,
      hint: 'restore a backup',
    })
  }
}

function readChange(row: Row): ModelChange {
  const kind = oneOf(['xmpp-partner', 'local-domain', 'settings'], row['kind'])
  const key = text(row['key'])
  const value: unknown = JSON.parse(text(row['value']))
  switch (kind) {
    case 'xmpp-partner':
      return { kind, key, value: xmppPartnerSchema.parse(value) }
    case 'local-domain':
      return { kind, key, value: localDomainSchema.parse(value) }
    case 'settings':
      return { kind, key, value: settingsSchema.parse(value) }
    default:
      return unreachable(kind)
  }
}

function persistModel(
  db: DatabaseSync,
  revision: number,
  changes: readonly ModelChange[],
  audit: readonly AuditEntry[],
): void {
  transaction(db, () => {
    for (const { kind, key, value } of changes) {
      if (value === null) db.prepare('DELETE FROM model_object WHERE kind = ? AND key = ?').run(kind, key)
      else
        db.prepare(
          `INSERT INTO model_object (kind, key, value, revision) VALUES (?, ?, ?, ?)
           ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, revision = excluded.revision`,
        ).run(kind, key, JSON.stringify(value), revision)
    }
    db.prepare('UPDATE model_revision SET revision = ?').run(revision)
    for (const entry of audit) insertAudit(db, entry)
  })
}

function insertAudit(db: DatabaseSync, entry: AuditEntry): void {
  db.prepare('INSERT INTO audit (at_ms, who, verb, object, before_json, after_json) VALUES (?, ?, ?, ?, ?, ?)').run(
    entry.atMs,
    entry.who,
    entry.verb,
    entry.object,
    entry.before,
    entry.after,
  )
}

class SqliteAudit implements AuditStore {
  readonly #db: DatabaseSync
  readonly #health: WriteHealth

  constructor(db: DatabaseSync, health: WriteHealth) {
    this.#db = db
    this.#health = health
  }

  async append(entry: AuditEntry): Promise<void> {
    this.#health.run(() => insertAudit(this.#db, entry))
  }

  async find(query: Parameters<AuditStore['find']>[0]): Promise<Page<AuditRow>> {
    const wanted: [string, string | number | undefined][] = [
      ['id < ?', query.after === undefined ? undefined : Number(query.after)],
      ['object = ?', query.object],
      ['who = ?', query.who],
    ]
    const asked = wanted.flatMap(([condition, value]): [string, string | number][] =>
      value === undefined ? [] : [[condition, value]],
    )
    const where = asked.length === 0 ? '' : `WHERE ${asked.map(([condition]) => condition).join(' AND ')}`
    const rows = this.#db
      .prepare(`SELECT * FROM audit ${where} ORDER BY id DESC LIMIT ?`)
      .all(...asked.map(([, value]) => value), query.limit + 1)
      .map((row) => ({
        id: integer(row['id']),
        atMs: integer(row['at_ms']),
        who: text(row['who']),
        verb: oneOf(AUDIT_VERBS, row['verb']),
        object: text(row['object']),
        before: orNull(text, row['before_json']),
        after: orNull(text, row['after_json']),
      }))
    const items = rows.slice(0, query.limit)
    return { items, next: rows.length > items.length ? String(items.at(-1)?.id) : undefined }
  }
}

class SqliteTokens implements TokenStore {
  readonly #db: DatabaseSync
  readonly #health: WriteHealth

  constructor(db: DatabaseSync, health: WriteHealth) {
    this.#db = db
    this.#health = health
  }

  async add(token: TokenRecord): Promise<boolean> {
    const insert =
      'INSERT INTO token (name, role, hash, created_at_ms) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING'
    const { changes } = this.#health.run(() =>
      this.#db.prepare(insert).run(token.name, token.role, token.hash, token.createdAtMs),
    )
    return Number(changes) === 1
  }

  async findByHash(hash: string): Promise<TokenRecord | undefined> {
    const row = this.#db.prepare('SELECT * FROM token WHERE hash = ?').get(hash)
    return row === undefined ? undefined : readToken(row)
  }

  async list(): Promise<readonly TokenRecord[]> {
    return this.#db.prepare('SELECT * FROM token ORDER BY name').all().map(readToken)
  }

  async remove(name: string): Promise<boolean> {
    const { changes } = this.#health.run(() => this.#db.prepare('DELETE FROM token WHERE name = ?').run(name))
    return Number(changes) === 1
  }
}

const readToken = (row: Row): TokenRecord => ({
  name: text(row['name']),
  role: oneOf(TOKEN_ROLES, row['role']),
  hash: text(row['hash']),
  createdAtMs: integer(row['created_at_ms']),
})
