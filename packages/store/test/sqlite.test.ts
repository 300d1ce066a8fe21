import { VirtualTime, silentLog, type Log } from '@stox/kernel'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openSqliteStore, openStore, type JournalQuery, type Store, type StoreFailure } from '../src/index.ts'
import { openDatabase } from '../src/sqlite-database.ts'
import { SqliteJournal, findSql } from '../src/sqlite-journal.ts'
import { SqlitePublications } from '../src/sqlite-publications.ts'
import { WriteHealth } from '../src/write-behind.ts'
import { journalRow, localDomain, partner, settings, subscription } from './fixtures/samples.ts'

const directory = mkdtempSync(join(tmpdir(), 'stox-sqlite-'))
afterAll(() => rmSync(directory, { recursive: true }))
let count = 0
let path: string
let time: VirtualTime
const stores: Store[] = []
beforeEach(() => {
  path = join(directory, `data-${(count += 1)}`, 'stox.db')
  time = new VirtualTime()
})
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
})

function open(log: Log = silentLog): Store {
  const opened = openSqliteStore(path, { clock: time, timers: time, log })
  if (!opened.ok) throw new Error(opened.failure.detail)
  stores.push(opened.value)
  return opened.value
}

async function close(store: Store): Promise<void> {
  stores.splice(stores.indexOf(store), 1)
  await store.close()
}

function failureAt(at: string): StoreFailure | undefined {
  const opened = openSqliteStore(at, { clock: time, timers: time, log: silentLog })
  if (!opened.ok) return opened.failure
  stores.push(opened.value)
  return undefined
}

const kindAt = (at: string): string | undefined => failureAt(at)?.kind

describe('what is kept', () => {
  test('everything is there again after closing and opening', async () => {
    const first = open()
    await first.model.commit(
      [
        {
          kind: 'xmpp-partner',
          key: 'a.example',
          value: partner('a.example', { proxy: { host: '127.0.0.1', port: 5299 } }),
        },
        { kind: 'local-domain', key: 'c.example', value: localDomain('c.example') },
        { kind: 'settings', key: 'settings', value: settings({ dialbackPassphrase: 'kept-for-the-next-start' }) },
      ],
      { who: 'alice', atMs: 1 },
    )
    await first.tokens.add({ name: 't', role: 'viewer', hash: 'h', createdAtMs: 1 })
    first.subscriptions.put(subscription('r@m.example', 'j@c.example'))
    first.publications.put({ id: 'j@c.example', data: '{}', updatedAtMs: 1 })
    first.journal.append(journalRow('c1'))
    const model = await first.model.read()
    await close(first)

    const second = open()
    expect(await second.model.read()).toEqual(model)
    expect((await second.model.get('xmpp-partner', 'a.example'))?.revision).toBe(1)
    expect((await second.audit.find({ limit: 10 })).items).toHaveLength(3)
    expect(await second.tokens.findByHash('h')).toMatchObject({ name: 't' })
    expect((await second.subscriptions.list({ limit: 10 })).items).toEqual([subscription('r@m.example', 'j@c.example')])
    expect(await second.publications.all()).toEqual([{ id: 'j@c.example', data: '{}', updatedAtMs: 1 }])
    expect((await second.journal.find({ limit: 10 })).items).toHaveLength(1)
  })

  test('a field that did not exist when the object was written gets its default', async () => {
    await close(open())
    const db = new DatabaseSync(path)
    db.prepare("INSERT INTO model_object VALUES ('xmpp-partner', 'a.example', ?, 1)").run(
      JSON.stringify({ domain: 'a.example', enabled: false }),
    )
    db.close()
    expect((await open().model.read()).partners).toEqual([partner('a.example', { enabled: false })])
  })

  test('the file is ours alone to read', () => {
    open()
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  test('kill -9: what was said to be written is there, and of the rest at most the last moment is not', async () => {
    await close(open())
    const child = spawn(
      process.execPath,
      [
        '--conditions=stox-source',
        '--disable-warning=ExperimentalWarning',
        join(process.cwd(), 'packages/store/test/fixtures/writer.ts'),
        path,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    let said = ''
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.split('\n').length >= 20) resolve()
      })
    })
    child.kill('SIGKILL')
    await once(child, 'close')

    const ids = new Set<string>()
    for await (const record of open().subscriptions.all()) ids.add(record.id)
    const numbersOf = (kind: string, from: Iterable<string>): number[] =>
      [...from].flatMap((id) => new RegExp(`${kind}-(\\d+)@`).exec(id)?.[1] ?? []).map(Number)
    const promised = said.split('\n').slice(0, -1)
    expect(promised.filter((id) => !ids.has(id))).toEqual([])
    // None is missing in between, and all that were noted before the last one that was said to be written are there.
    const buffered = numbersOf('buffered', ids)
    expect(Math.max(...buffered)).toBe(buffered.length)
    expect(buffered.length).toBeGreaterThanOrEqual(Math.max(...numbersOf('durable', promised)))
  })
})

const correlations = async (store: Store, query: Omit<JournalQuery, 'limit'>): Promise<string[]> =>
  (await store.journal.find({ limit: 10, ...query })).items.map(({ correlationId }) => correlationId)

describe('the journal over many chunks', () => {
  test('any row is found by any of its keys, also after a restart in the middle of a chunk', async () => {
    const append = (store: Store, from: number, until: number): void => {
      for (let at = from; at < until; at += 1) {
        const keys = {
          from: `u${at}@m.example`,
          to: `v${at}@c.example`,
          partner: `p${at}.example`,
          callId: `call-${at}`,
        }
        store.journal.append(journalRow(`c${at}`, { ...keys, atMs: 1000 + at }))
      }
    }
    const first = open()
    append(first, 0, 1500)
    await close(first)
    const store = open()
    append(store, 1500, 4000)
    for (const at of [0, 1023, 1024, 1499, 1500, 2047, 2048, 3999]) {
      const keys: Omit<JournalQuery, 'limit'>[] = [
        { correlationId: `c${at}` },
        { address: `u${at}@m.example` },
        { address: `v${at}@c.example` },
        { partner: `p${at}.example` },
        { id: `s-c${at}` },
        { id: `call-${at}` },
        { fromMs: 1000 + at, untilMs: 1000 + at },
      ]
      // oxlint-disable-next-line no-await-in-loop
      expect(await Promise.all(keys.map((query) => correlations(store, query)))).toEqual(keys.map(() => [`c${at}`]))
    }
    expect(await correlations(store, { address: 'v12@m.example' })).toEqual([])
  })

  test('numbers go on after everything was pruned', async () => {
    const first = open()
    for (let at = 0; at < 1100; at += 1) first.journal.append(journalRow(`c${at}`))
    await first.journal.flush()
    expect(await first.journal.prune(2000, 5000)).toBe(1100)
    await close(first)
    const second = open()
    second.journal.append(journalRow('next'))
    expect((await second.journal.find({ limit: 10 })).items.map(({ seq }) => seq)).toEqual([1101])
    expect(await correlations(second, { correlationId: 'c1050' })).toEqual([])
  })

  test.each<[Omit<JournalQuery, 'limit'>]>([
    [{ address: 'a@b', after: '77', fromMs: 1 }],
    [{ correlationId: 'c' }],
    [{ partner: 'p', id: 'i' }],
    [{ untilMs: 1 }],
    [{}],
  ])('a search by %j walks the chunks in order: nothing is read in full, nothing is sorted', (query) => {
    const opened = openDatabase(path)
    if (!opened.ok) throw new Error(opened.failure.detail)
    const db = opened.value
    const journal = new SqliteJournal(db, { clock: time, timers: time, log: silentLog }, new WriteHealth())
    const { sql, params } = findSql({ limit: 50, ...query })
    const plan = db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...params)
      .map((row) => row['detail'])
    expect(plan).toEqual([
      query.after === undefined ? 'SCAN c' : 'SEARCH c USING INTEGER PRIMARY KEY (rowid<?)',
      'SEARCH j USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)',
    ])
    journal.close()
    db.close()
  })
})

describe('what cannot be opened', () => {
  test('a folder in which nothing can be made', () => expect(kindAt('/proc/none/stox.db')).toBe('store-unreadable'))
  test('a directory', () => expect(kindAt(directory)).toBe('store-unreadable'))

  test('a path through a file', () => {
    const file = join(directory, 'plain-file')
    writeFileSync(file, '')
    expect(kindAt(join(file, 'stox.db'))).toBe('store-unreadable')
  })

  test('a file that is no database', () => {
    const file = join(directory, 'letter.txt')
    writeFileSync(file, 'Dear Romeo, '.repeat(100))
    expect(failureAt(file)).toEqual({
      kind: 'store-not-a-database',
      detail: `${file} is no SQLite database`,
      hint: expect.any(String),
    })
  })

  test('a database of another program', () => {
    const file = join(directory, 'other.db')
    const db = new DatabaseSync(file)
    db.exec('CREATE TABLE letters (text TEXT)')
    db.close()
    expect(kindAt(file)).toBe('store-not-a-database')
  })

  test('a newer schema', async () => {
    await close(open())
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 999')
    db.close()
    expect(failureAt(path)).toMatchObject({
      kind: 'store-too-new',
      detail: expect.stringContaining('schema version 999'),
    })
  })

  test('a model that is none', async () => {
    await close(open())
    const db = new DatabaseSync(path)
    db.exec(`INSERT INTO model_object VALUES ('xmpp-partner', 'a.example', '{"domain":7}', 1)`)
    db.close()
    expect(kindAt(path)).toBe('store-unreadable')
  })

  test('a store that another gateway has open', () => {
    open()
    expect(kindAt(path)).toBe('store-in-use')
  })

  test.each([['postgres://db/stox'], ['stox.db'], ['sqlite:']])('no store at %s', (url) =>
    expect(openStore(url, { clock: time, timers: time, log: silentLog })).toMatchObject({
      ok: false,
      failure: { kind: 'store-unreadable' },
    }),
  )
})

/** A journal over a file, and a way to make its disk fail. */
function journalOf(waitingRows: number): {
  journal: SqliteJournal
  health: WriteHealth
  db: DatabaseSync
  lines: string[]
} {
  const opened = openDatabase(path)
  if (!opened.ok) throw new Error(opened.failure.detail)
  const health = new WriteHealth()
  const lines: string[] = []
  const log = { ...silentLog, error: (event: string) => void lines.push(event) }
  return {
    journal: new SqliteJournal(opened.value, { clock: time, timers: time, log }, health, { waitingRows }),
    health,
    db: opened.value,
    lines,
  }
}
const written = (db: DatabaseSync): unknown => db.prepare('SELECT count(*) AS n FROM journal').get()?.['n']

describe('writing behind', () => {
  test('a row is written after 200 ms, not before, and then no timer waits', () => {
    const { journal, db } = journalOf(10)
    journal.append(journalRow('c1'))
    time.advance(199)
    expect([written(db), journal.waiting]).toEqual([0, 1])
    time.advance(1)
    expect([written(db), journal.waiting, time.armed]).toEqual([1, 0, 0])
    db.close()
  })

  test('many are written batch by batch, with turns for others in between', () => {
    const { journal, db } = journalOf(5000)
    for (let at = 0; at < 1200; at += 1) journal.append(journalRow(`c${at}`))
    time.advance(200)
    expect(written(db)).toBe(500)
    time.advance(10)
    expect(written(db)).toBe(1200)
    db.close()
  })

  test('when too many wait the oldest are dropped, and counted', async () => {
    const { journal, db } = journalOf(3)
    for (let at = 0; at < 5; at += 1) journal.append(journalRow(`c${at}`))
    expect([journal.waiting, journal.dropped]).toEqual([3, 2])
    expect((await journal.find({ limit: 10 })).items.map(({ correlationId }) => correlationId)).toEqual([
      'c4',
      'c3',
      'c2',
    ])
    db.close()
  })

  test('a disk that fails is said to, tried again, and loses nothing that fits', async () => {
    const { journal, health, db, lines } = journalOf(10)
    db.exec("CREATE TEMP TRIGGER full BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    journal.append(journalRow('c1'))
    time.advance(200)
    expect([lines, health.problem, journal.waiting]).toEqual([['store-write-failed'], 'disk is full', 1])
    await expect(journal.flush()).rejects.toThrow('disk is full')
    db.exec('DROP TRIGGER full')
    time.advance(1000)
    expect([health.problem, journal.waiting, written(db)]).toEqual([undefined, 0, 1])
    db.close()
  })

  test('a subscription is written after 50 ms', () => {
    const store = open()
    store.subscriptions.put(subscription('r@m.example', 'j@c.example'))
    const armed = time.armed
    time.advance(50)
    expect(time.armed).toBe(armed - 1)
  })

  test('no timer is left when a store is closed', async () => {
    const store = open()
    store.subscriptions.put(subscription('r@m.example', 'j@c.example'))
    store.journal.append(journalRow('c1'))
    await close(store)
    expect(time.armed).toBe(0)
  })

  test('the journal is swept after its retention', async () => {
    const store = open()
    await store.model.commit([{ kind: 'settings', key: 'settings', value: settings({ journalRetentionDays: 1 }) }], {
      who: 'a',
      atMs: 0,
    })
    store.journal.append(journalRow('old', { atMs: time.wallMs() - 86_400_000 - 1 }))
    store.journal.append(journalRow('young', { atMs: time.wallMs() }))
    time.advance(60_000)
    await Promise.resolve()
    expect((await store.journal.find({ limit: 10 })).items.map(({ correlationId }) => correlationId)).toEqual(['young'])
  })

  test('1,000 rows take milliseconds, however many there are already', async () => {
    const store = open()
    for (let at = 0; at < 10_000; at += 1) store.journal.append(journalRow(`warm-${at}`))
    await store.journal.flush()
    const cpuMs: number[] = []
    for (let round = 0; round < 5; round += 1) {
      for (let at = 0; at < 1000; at += 1) {
        store.journal.append(journalRow(`c${round}-${at}-${'x'.repeat(24)}`, { from: `u${at % 97}@m.example` }))
      }
      const before = process.cpuUsage()
      // One after the other, since each is measured.
      // oxlint-disable-next-line no-await-in-loop
      await store.journal.flush()
      const { user, system } = process.cpuUsage(before)
      cpuMs.push((user + system) / 1000)
    }
    // 4 to 8 ms; with an index for each key it was 70 and more.
    expect(Math.min(...cpuMs)).toBeLessThan(40)
  })
})

test('a file that cannot be written is unreadable', () => {
  if (process.getuid?.() === 0) return // the superuser may write anywhere
  chmodSync(directory, 0o500)
  expect(failureAt(join(directory, 'sub', 'stox.db'))?.kind).toBe('store-unreadable')
  chmodSync(directory, 0o700)
})

test('an etag of a publication is written when put returns, for the next PUBLISH leaves in this turn', () => {
  const opened = openDatabase(path)
  if (!opened.ok) throw new Error(opened.failure.detail)
  const db = opened.value
  const publications = new SqlitePublications(db, { clock: time, timers: time, log: silentLog }, new WriteHealth())
  const written = () =>
    db
      .prepare('SELECT id, data FROM publication')
      .all()
      .map((row) => ({ ...row }))
  publications.put({ id: 'a user', data: 'what can wait', updatedAtMs: 1 })
  expect(written()).toEqual([])
  void publications.put({ id: 'a user', data: 'an etag', updatedAtMs: 2 }, { durable: true })
  expect(written()).toEqual([{ id: 'a user', data: 'an etag' }])
  publications.close()
  db.close()
})
