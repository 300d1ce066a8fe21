import { VirtualTime, silentLog } from '@stox/kernel'
import { EMPTY_MODEL } from '@stox/federation'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore, type JournalQuery, type ModelChange, type Store, type SubscriptionFilter } from '../src/index.ts'
import { journalRow, localDomain, partner, settings, subscription } from './fixtures/samples.ts'

const put = (domain: string, expected?: number | 'absent', more: object = {}): ModelChange => ({
  kind: 'xmpp-partner',
  key: domain,
  value: partner(domain, more),
  expected,
})
const remove = (domain: string, expected?: number): ModelChange => ({
  kind: 'xmpp-partner',
  key: domain,
  value: null,
  expected,
})

const passphrase = (dialbackPassphrase: string): ModelChange => ({
  kind: 'settings',
  key: 'settings',
  value: settings({ dialbackPassphrase }),
})

async function idsIn(store: Store): Promise<string[]> {
  const ids: string[] = []
  for await (const record of store.subscriptions.all()) ids.push(record.id)
  return ids
}

/** What every store promises, asked of each. */
describe.each([['memory:'], ['sqlite:']])('%s', (scheme) => {
  const directory = mkdtempSync(join(tmpdir(), 'stox-store-'))
  let count = 0
  let store: Store
  beforeEach(() => {
    const time = new VirtualTime()
    const url = scheme === 'memory:' ? scheme : `sqlite:${join(directory, `${(count += 1)}.db`)}`
    const opened = openStore(url, { clock: time, timers: time, log: silentLog })
    if (!opened.ok) throw new Error(opened.failure.detail)
    store = opened.value
  })
  afterEach(() => store.close())
  afterAll(() => rmSync(directory, { recursive: true }))

  const by = { who: 'alice', atMs: 5 }
  test('healthy from the start, and empty', async () => {
    expect(store.health().ok).toBe(true)
    expect(await store.model.read()).toEqual(EMPTY_MODEL)
  })

  describe('model', () => {
    test('a commit changes all it names, in one revision', async () => {
      const committed = await store.model.commit(
        [
          put('b.example'),
          put('a.example'),
          { kind: 'local-domain', key: 'c.example', value: localDomain('c.example') },
          { kind: 'settings', key: 'settings', value: settings({ federation: true }) },
        ],
        by,
      )
      const model = {
        partners: [partner('a.example'), partner('b.example')],
        localDomains: [localDomain('c.example')],
        settings: settings({ federation: true }),
        revision: 1,
      }
      expect(committed).toEqual({ ok: true, value: model })
      expect(await store.model.read()).toEqual(model)
      expect(await store.model.get('xmpp-partner', 'a.example')).toEqual({
        key: 'a.example',
        value: partner('a.example'),
        revision: 1,
      })
      expect((await store.model.list('xmpp-partner')).map((row) => row.key)).toEqual(['a.example', 'b.example'])
    })

    test('each object has the revision in which it last changed, and none comes back', async () => {
      await store.model.commit([put('a.example'), put('b.example')], by)
      await store.model.commit([put('a.example', 1, { enabled: false })], by)
      expect((await store.model.list('xmpp-partner')).map((row) => row.revision)).toEqual([2, 1])
      await store.model.commit([remove('a.example', 2)], by)
      await store.model.commit([put('a.example', 'absent')], by)
      expect((await store.model.get('xmpp-partner', 'a.example'))?.revision).toBe(4)
    })

    test.each<[string, ModelChange, number | undefined]>([
      ['an older revision', put('a.example', 7), 1],
      ['something where nothing was expected', put('a.example', 'absent'), 1],
      ['nothing where something was expected', put('z.example', 1), undefined],
      ['a deletion of an older revision', remove('a.example', 7), 1],
    ])('a conflict changes nothing: %s', async (_what, change, actual) => {
      await store.model.commit([put('a.example')], by)
      const before = await store.model.read()
      expect(await store.model.commit([put('b.example'), change], by)).toEqual({
        ok: false,
        failure: { kind: 'revision-conflict', change, actual },
      })
      expect(await store.model.read()).toEqual(before)
      expect((await store.audit.find({ limit: 10 })).items).toHaveLength(1)
    })

    test('a change checked on an older model is refused', async () => {
      await store.model.commit([put('a.example')], by)
      expect(await store.model.commit([put('b.example')], { ...by, expectedModel: 0 })).toEqual({
        ok: false,
        failure: { kind: 'model-moved', actual: 1 },
      })
      expect((await store.model.commit([put('b.example')], { ...by, expectedModel: 1 })).ok).toBe(true)
    })

    test('a change that changes nothing leaves no trace', async () => {
      await store.model.commit([put('a.example')], by)
      expect(await store.model.commit([put('a.example', 1), remove('z.example')], by)).toMatchObject({
        ok: true,
        value: { revision: 1 },
      })
      expect((await store.audit.find({ limit: 10 })).items).toHaveLength(1)
    })
  })

  describe('audit', () => {
    test('who, what, before and after, newest first', async () => {
      await store.model.commit([put('a.example')], by)
      await store.model.commit([put('a.example', 1, { enabled: false })], { who: 'bob', atMs: 6 })
      await store.model.commit([remove('a.example', 2)], { who: 'bob', atMs: 7 })
      const { items } = await store.audit.find({ limit: 10 })
      expect(items.map(({ atMs, who, verb, object }) => [atMs, who, verb, object])).toEqual([
        [7, 'bob', 'delete', 'xmpp-partner/a.example'],
        [6, 'bob', 'change', 'xmpp-partner/a.example'],
        [5, 'alice', 'create', 'xmpp-partner/a.example'],
      ])
      expect(
        items.map(({ before, after }) =>
          [before, after].map((json) => (json === null ? null : JSON.parse(json).enabled)),
        ),
      ).toEqual([
        [false, null],
        [true, false],
        [null, true],
      ])
    })

    test('secrets are not in it', async () => {
      await store.model.commit([passphrase('s3cr3t-passphrase-1')], by)
      await store.model.commit([passphrase('s3cr3t-passphrase-2')], by)
      const { items } = await store.audit.find({ limit: 10 })
      expect(JSON.stringify(items)).not.toContain('s3cr3t')
      expect(
        items.map(({ before, after }) =>
          [before, after].map((json) => (json === null ? null : JSON.parse(json).dialbackPassphrase)),
        ),
      ).toEqual([
        ['(secret)', '(secret)'],
        [null, '(secret)'],
      ])
    })

    test('pages, and by object and by whom', async () => {
      await Promise.all(
        ['alice', 'bob', 'alice', 'bob', 'alice'].map((who, at) =>
          store.audit.append({
            atMs: at,
            who,
            verb: 'refresh',
            object: `subscription/${at % 2}`,
            before: null,
            after: null,
          }),
        ),
      )
      const first = await store.audit.find({ limit: 2 })
      const second = await store.audit.find({ limit: 2, after: first.next })
      const third = await store.audit.find({ limit: 2, after: second.next })
      expect([first, second, third].map((page) => page.items.map((row) => row.atMs))).toEqual([[4, 3], [2, 1], [0]])
      expect(third.next).toBeUndefined()
      expect((await store.audit.find({ limit: 9, who: 'bob' })).items.map((row) => row.atMs)).toEqual([3, 1])
      expect(
        (await store.audit.find({ limit: 9, object: 'subscription/0', after: '4' })).items.map((row) => row.atMs),
      ).toEqual([2, 0])
    })
  })

  test('tokens: by hash, one of each name, gone when removed', async () => {
    const token = { name: 'first', role: 'administrator', hash: 'ab', createdAtMs: 1 } as const
    expect(await store.tokens.add(token)).toBe(true)
    expect(await store.tokens.add({ ...token, hash: 'cd' })).toBe(false)
    expect(await store.tokens.findByHash('ab')).toEqual(token)
    expect(await store.tokens.findByHash('cd')).toBeUndefined()
    await store.tokens.add({ ...token, name: 'ci', role: 'viewer', hash: 'ef' })
    expect((await store.tokens.list()).map(({ name }) => name)).toEqual(['ci', 'first'])
    expect([await store.tokens.remove('ci'), await store.tokens.remove('ci')]).toEqual([true, false])
    expect(await store.tokens.findByHash('ef')).toBeUndefined()
  })

  test('publications: the newest of what was put, in order, until it is deleted', async () => {
    const record = { id: 'b', data: '{"etag":"e1"}', updatedAtMs: 1 }
    store.publications.put(record)
    await store.publications.put({ ...record, data: '{"etag":"e2"}', updatedAtMs: 2 }, { durable: true })
    store.publications.put({ ...record, id: 'a' })
    expect(await store.publications.all()).toEqual([
      { ...record, id: 'a' },
      { ...record, data: '{"etag":"e2"}', updatedAtMs: 2 },
    ])
    store.publications.delete('a')
    await store.publications.flush()
    expect((await store.publications.all()).map(({ id }) => id)).toEqual(['b'])
  })

  describe('subscriptions', () => {
    test('what was put is seen at once, the newest of it, and is gone when deleted', async () => {
      const record = subscription('r@m.example', 'j@c.example', { dueAtMs: 9 })
      store.subscriptions.put(
        subscription('r@m.example', 'j@c.example', { state: 'pending', authorization: 'pending' }),
      )
      store.subscriptions.put(record)
      expect(await store.subscriptions.get(record.id)).toEqual(record)
      await store.subscriptions.flush()
      expect(await store.subscriptions.get(record.id)).toEqual(record)
      await store.subscriptions.put({ ...record, authorization: 'denied' }, { durable: true })
      expect((await store.subscriptions.get(record.id))?.authorization).toBe('denied')
      store.subscriptions.delete(record.id)
      expect(await store.subscriptions.get(record.id)).toBeUndefined()
      expect(await idsIn(store)).toEqual([])
    })

    test('all of them, however many', async () => {
      for (let at = 0; at < 1203; at += 1)
        store.subscriptions.put(subscription(`u${String(at).padStart(4, '0')}@m.example`, 'j@c.example'))
      const ids = await idsIn(store)
      expect(ids).toHaveLength(1203)
      expect(ids).toEqual(ids.toSorted())
      expect(new Set(ids).size).toBe(1203)
    })

    test.each<[SubscriptionFilter, string[]]>([
      [{}, ['a', 'b', 'c']],
      [{ watcher: 'b@m.example' }, ['b']],
      [{ contact: 'j@c.example' }, ['a', 'b']],
      [{ state: 'pending' }, ['b']],
      [{ authorization: 'denied' }, ['c']],
      [{ direction: 'sip-watches-xmpp' }, []],
      [{ contact: 'j@c.example', state: 'active' }, ['a']],
    ])('a list filtered by %j', async (filter, expected) => {
      store.subscriptions.put(subscription('a@m.example', 'j@c.example'))
      store.subscriptions.put(subscription('b@m.example', 'j@c.example', { state: 'pending' }))
      store.subscriptions.put(subscription('c@m.example', 'n@c.example', { authorization: 'denied' }))
      const { items } = await store.subscriptions.list({ limit: 10, filter })
      expect(items.map(({ watcher }) => watcher.charAt(0))).toEqual(expected)
    })

    test('pages', async () => {
      for (const user of ['a', 'b', 'c']) store.subscriptions.put(subscription(`${user}@m.example`, 'j@c.example'))
      const first = await store.subscriptions.list({ limit: 2 })
      const second = await store.subscriptions.list({ limit: 2, after: first.next })
      expect([first, second].map(({ items }) => items.map(({ watcher }) => watcher.charAt(0)))).toEqual([
        ['a', 'b'],
        ['c'],
      ])
      expect(second.next).toBeUndefined()
    })
  })

  describe('journal', () => {
    const rows = [
      journalRow('c1', { atMs: 100 }),
      journalRow('c2', {
        atMs: 200,
        direction: 'sip-to-xmpp',
        from: 'juliet@capulet.example',
        to: 'romeo@montague.example',
        stanzaId: null,
        callId: 'call-2',
        status: 202,
      }),
      journalRow('c3', {
        atMs: 300,
        from: 'x@other.example',
        partner: 'other.example',
        outcome: 'bounced',
        status: 404,
        condition: 'item-not-found',
        detail: 'no such user',
      }),
      journalRow('c4', { atMs: 400, to: 'nurse@capulet.example', kind: 'presence', outcome: 'absorbed', status: null }),
    ]

    test('a row comes back as it went in', async () => {
      rows.forEach((row) => store.journal.append(row))
      expect((await store.journal.find({ limit: 10 })).items.map(({ seq: _seq, ...row }) => row)).toEqual(
        rows.toReversed(),
      )
    })

    test.each<[Omit<JournalQuery, 'limit'>, string[]]>([
      [{}, ['c4', 'c3', 'c2', 'c1']],
      [{ address: 'romeo@montague.example' }, ['c4', 'c2', 'c1']],
      [{ address: 'juliet@capulet.example' }, ['c3', 'c2', 'c1']],
      [{ address: 'juliet@capulet.example', partner: 'other.example' }, ['c3']],
      [{ partner: 'montague.example' }, ['c4', 'c2', 'c1']],
      [{ id: 's-c3' }, ['c3']],
      [{ id: 'call-2' }, ['c2']],
      [{ id: 'call-2', address: 'romeo@montague.example' }, ['c2']],
      [{ correlationId: 'c1' }, ['c1']],
      [{ fromMs: 200, untilMs: 300 }, ['c3', 'c2']],
      [{ address: 'nobody@capulet.example' }, []],
    ])('found by %j, newest first', async (query, expected) => {
      rows.forEach((row) => store.journal.append(row))
      expect(
        (await store.journal.find({ ...query, limit: 10 })).items.map(({ correlationId }) => correlationId),
      ).toEqual(expected)
    })

    test('pages, while more is written', async () => {
      for (let at = 0; at < 5; at += 1) store.journal.append(journalRow(`c${at}`))
      const first = await store.journal.find({ limit: 2, address: 'juliet@capulet.example' })
      store.journal.append(journalRow('later'))
      const second = await store.journal.find({ limit: 2, address: 'juliet@capulet.example', after: first.next })
      const third = await store.journal.find({ limit: 2, address: 'juliet@capulet.example', after: second.next })
      expect([first, second, third].map(({ items }) => items.map(({ correlationId }) => correlationId))).toEqual([
        ['c4', 'c3'],
        ['c2', 'c1'],
        ['c0'],
      ])
      expect(third.next).toBeUndefined()
    })

    test('the oldest is pruned, little at a time', async () => {
      rows.forEach((row) => store.journal.append(row))
      await store.journal.flush()
      expect([
        await store.journal.prune(400, 2),
        await store.journal.prune(400, 2),
        await store.journal.prune(400, 2),
      ]).toEqual([2, 1, 0])
      expect((await store.journal.find({ limit: 10 })).items.map(({ correlationId }) => correlationId)).toEqual(['c4'])
    })
  })
})
