import type { PublicationRow, SipSessionRow } from '../src/ports.ts'
import { journalRow, session, startBench, subscription, type Bench } from './api.ts'

let bench: Bench
beforeEach(async () => (bench = await startBench()))
afterEach(() => bench.app.close())

describe('/v1/publications', () => {
  const row = (id: string, state: PublicationRow['state'] = 'published'): PublicationRow => ({
    id: `${id}|sip:127.0.0.1`,
    user: id,
    route: 'sip:127.0.0.1',
    state,
    withheldFrom: null,
    expiresAtMs: state === 'published' ? 1000 : null,
    watchers: [{ uri: 'sip:j@c.example', status: 'active' }],
  })

  test('one as it is shown', async () => {
    bench.publications = [row('r@m.example')]
    const { expiresAtMs: _expiresAtMs, ...rest } = row('r@m.example')
    expect((await bench.ask('GET', '/v1/publications', { role: 'viewer' })).json).toEqual({
      items: [{ ...rest, expires: '1970-01-01T00:00:01.000Z' }],
      next: null,
    })
  })

  test.each([
    ['', ['a@m.example', 'b@m.example', 'c@m.example'], null],
    ['?user=b@m.example', ['b@m.example'], null],
    ['?state=idle', ['c@m.example'], null],
    ['?limit=1', ['a@m.example'], 'a@m.example|sip:127.0.0.1'],
    ['?limit=1&after=a@m.example|sip:127.0.0.1', ['b@m.example'], 'b@m.example|sip:127.0.0.1'],
  ])('%j', async (query, users, next) => {
    bench.publications = [row('b@m.example'), row('a@m.example'), row('c@m.example', 'idle')]
    const { json } = await bench.ask('GET', `/v1/publications${query}`)
    expect([json.items.map(({ user }: { user: string }) => user), json.next]).toEqual([users, next])
  })
})

describe('/v1/sip-sessions', () => {
  const row = (id: string, xmppUser = 'r@m.example'): SipSessionRow => ({
    ...{ id, xmppUser, domain: 'c.example', sipUser: 'j@c.example', direction: 'xmpp-to-sip', state: 'open' },
    ...{ callId: 'call-1', sinceMs: 1000, usedMs: 2000, fromSip: 1, fromXmpp: 2 },
  })

  test('one as it is shown', async () => {
    bench.sipSessions = [row('tag call-1')]
    const { sinceMs: _sinceMs, usedMs: _usedMs, ...rest } = row('tag call-1')
    expect((await bench.ask('GET', '/v1/sip-sessions', { role: 'viewer' })).json).toEqual({
      items: [{ ...rest, since: '1970-01-01T00:00:01.000Z', used: '1970-01-01T00:00:02.000Z' }],
      next: null,
    })
  })

  test.each([
    ['', ['a', 'b', 'c'], null],
    ['?xmppUser=s@m.example', ['c'], null],
    ['?sipUser=nobody@c.example', [], null],
    ['?limit=1', ['a'], 'a'],
    ['?limit=1&after=a', ['b'], 'b'],
  ])('%j', async (query, ids, next) => {
    bench.sipSessions = [row('b'), row('a'), row('c', 's@m.example')]
    const { json } = await bench.ask('GET', `/v1/sip-sessions${query}`)
    expect([json.items.map(({ id }: { id: string }) => id), json.next]).toEqual([ids, next])
  })
})

describe('/v1/sessions', () => {
  test('certificates, with the moment when they expire', async () => {
    const certificate = { names: ['montague.example'], issuer: 'CN=a CA', sha256: 'AB:CD' }
    bench.sessions = [session('s1', { peerCertificate: { ...certificate, notAfterMs: 1_800_000_000_000 } })]
    expect((await bench.ask('GET', '/v1/sessions')).json.items).toMatchObject([
      { ownCertificate: null, peerCertificate: { ...certificate, notAfter: '2027-01-15T08:00:00.000Z' } },
    ])
  })

  beforeEach(() => {
    bench.sessions = [
      session('s3', { state: 'failed', reason: 'no SRV record' }),
      session('s1'),
      session('s2', { state: 'negotiating', remoteDomain: 'other.example' }),
    ]
  })

  test.each([
    ['', ['s1', 's2']],
    ['?state=failed', ['s3']],
    ['?state=established', ['s1']],
    ['?remoteDomain=other.example', ['s2']],
    ['?limit=1', ['s1']],
    ['?limit=1&after=s1', ['s2']],
  ])('%j', async (query, ids) =>
    expect((await bench.ask('GET', `/v1/sessions${query}`)).json.items.map(({ id }: { id: string }) => id)).toEqual(
      ids,
    ),
  )

  test('a session as it is shown: why it failed, what to do, and the detail for experts', async () => {
    const more = {
      stage: 'tcp',
      cause: 'connection-refused',
      advice: 'Ask the administrator.',
      detail: '192.0.2.1 port 5269: ECONNREFUSED',
      times: 3,
    }
    bench.sessions = [
      session('s3', { state: 'failed', reason: 'nothing listens there', failure: { ...more, firstAtMs: 1000 } }),
    ]
    const { sinceMs: _sinceMs, ...rest } = session('s3', { state: 'failed', reason: 'nothing listens there' })
    expect((await bench.ask('GET', '/v1/sessions?state=failed')).json).toEqual({
      items: [
        { ...rest, since: '1970-01-01T00:00:00.000Z', failure: { ...more, firstAt: '1970-01-01T00:00:01.000Z' } },
      ],
      next: null,
    })
  })

  test('closing one, and writing down who did', async () => {
    expect((await bench.ask('DELETE', '/v1/sessions/s1', { role: 'operator' })).status).toBe(204)
    expect(bench.done).toEqual(['close s1'])
    expect((await bench.ask('GET', '/v1/audit')).json.items).toMatchObject([
      { who: 'the-operator', verb: 'close', object: 'session/s1', before: { id: 's1' }, after: null },
    ])
  })

  test.each([
    ['/v1/sessions/nothing', 404],
    ['/v1/sessions/s3', 404],
    ['/v1/sessions/s1?dryRun=true', 204],
  ])('nothing is closed by DELETE %s', async (url, status) => {
    expect((await bench.ask('DELETE', url)).status).toBe(status)
    expect(bench.done).toEqual([])
  })
})

describe('/v1/subscriptions', () => {
  const record = subscription('romeo@montague.example', 'juliet@capulet.example')
  const URL = `/v1/subscriptions/${encodeURIComponent(record.id)}`
  beforeEach(() => {
    bench.store.subscriptions.put(record)
    bench.store.subscriptions.put(
      subscription('paris@verona.example', 'juliet@capulet.example', {
        authorization: 'pending',
        state: 'pending',
        dueAtMs: null,
      }),
    )
  })

  test('shown without what the gateway keeps for itself', async () => {
    expect((await bench.ask('GET', URL)).json).toEqual({
      id: record.id,
      direction: 'xmpp-watches-sip',
      watcher: 'romeo@montague.example',
      contact: 'juliet@capulet.example',
      authorization: 'active',
      state: 'active',
      due: '1970-01-01T00:00:01.000Z',
      updated: '1970-01-01T00:00:00.000Z',
    })
  })

  test.each([
    ['', ['paris@verona.example', 'romeo@montague.example']],
    ['?authorization=pending', ['paris@verona.example']],
    ['?state=active', ['romeo@montague.example']],
    ['?watcher=paris@verona.example&contact=juliet@capulet.example', ['paris@verona.example']],
    ['?direction=sip-watches-xmpp', []],
    ['?limit=1', ['paris@verona.example']],
  ])('%j', async (query, watchers) =>
    expect(
      (await bench.ask('GET', `/v1/subscriptions${query}`)).json.items.map(
        ({ watcher }: { watcher: string }) => watcher,
      ),
    ).toEqual(watchers),
  )

  test('refreshing and ending one are done by the gateway, and written down', async () => {
    expect((await bench.ask('POST', `${URL}/refresh`)).status).toBe(202)
    expect((await bench.ask('DELETE', URL)).status).toBe(204)
    expect(bench.done).toEqual([`refresh ${record.id}`, `delete ${record.id}`])
    expect(
      (await bench.ask('GET', '/v1/audit')).json.items.map(({ verb, object }: { verb: string; object: string }) => [
        verb,
        object,
      ]),
    ).toEqual([
      ['delete', `subscription/${record.id}`],
      ['refresh', `subscription/${record.id}`],
    ])
  })

  test.each([
    ['POST', '/v1/subscriptions/nothing/refresh', 404],
    ['DELETE', '/v1/subscriptions/nothing', 404],
    ['POST', `${URL}/refresh?dryRun=true`, 202],
    ['DELETE', `${URL}?dryRun=true`, 204],
  ] as const)('nothing is done by %s %s', async (method, url, status) => {
    expect((await bench.ask(method, url)).status).toBe(status)
    expect(bench.done).toEqual([])
  })
})

describe('/v1/messages', () => {
  beforeEach(() => {
    bench.store.journal.append(journalRow('c1', { atMs: Date.parse('2026-01-01T10:00:00Z') }))
    bench.store.journal.append(
      journalRow('c2', {
        atMs: Date.parse('2026-01-01T11:00:00Z'),
        from: 'a@bücher.example',
        partner: 'bücher.example',
        outcome: 'bounced',
        status: 404,
        condition: 'item-not-found',
        callId: 'call@1',
      }),
    )
  })

  test.each([
    ['', ['c2', 'c1']],
    ['?address=romeo@montague.example', ['c1']],
    ['?partner=xn--bcher-kva.example', ['c2']],
    ['?id=s-c1', ['c1']],
    ['?id=call%401', ['c2']],
    ['?correlationId=c2', ['c2']],
    ['?from=2026-01-01T10:30:00Z', ['c2']],
    ['?until=2026-01-01T11:30:00%2B01:00', ['c1']],
    ['?limit=1', ['c2']],
    ['?limit=1&after=2', ['c1']],
  ])('%j', async (query, ids) =>
    expect(
      (await bench.ask('GET', `/v1/messages${query}`)).json.items.map(
        ({ correlationId }: { correlationId: string }) => correlationId,
      ),
    ).toEqual(ids),
  )

  test.each([['?limit=0'], ['?limit=1001'], ['?after=x'], ['?from=yesterday'], ['?until=2026-13-01T00:00:00Z']])(
    '%j is refused',
    async (query) => expect((await bench.ask('GET', `/v1/messages${query}`)).status).toBe(400),
  )

  test('a message as it is shown', async () =>
    expect((await bench.ask('GET', '/v1/messages?limit=1')).json).toEqual({
      items: [
        {
          seq: 2,
          correlationId: 'c2',
          at: '2026-01-01T11:00:00.000Z',
          direction: 'xmpp-to-sip',
          kind: 'message',
          from: 'a@bücher.example',
          to: 'juliet@capulet.example',
          partner: 'bücher.example',
          stanzaId: 's-c2',
          callId: 'call@1',
          outcome: 'bounced',
          status: 404,
          condition: 'item-not-found',
          detail: '',
          durationMs: 1.5,
          edge: 'edge-1',
        },
      ],
      next: '2',
    }))
})

test('/v1/audit: by object, by token, in pages', async () => {
  await bench.ask('POST', '/v1/xmpp-partners', { body: { domain: 'a.example' } })
  await bench.ask('POST', '/v1/xmpp-partners', { body: { domain: 'b.example' } })
  await bench.ask('PATCH', '/v1/xmpp-partners/a.example', { ifMatch: 1, body: { enabled: false } })
  const ids = async (query: string): Promise<number[]> =>
    (await bench.ask('GET', `/v1/audit${query}`)).json.items.map(({ id }: { id: number }) => id)
  expect(await ids('?object=xmpp-partner/a.example')).toEqual([3, 1])
  expect(await ids('?who=the-administrator&limit=2')).toEqual([3, 2])
  expect(await ids('?who=the-viewer')).toEqual([])
  expect(await ids('?limit=2&after=2')).toEqual([1])
  expect((await bench.ask('GET', '/v1/audit?limit=1')).json.items[0]).toMatchObject({
    at: '2026-01-01T00:00:00.000Z',
    who: 'the-administrator',
    verb: 'change',
    before: { enabled: true },
    after: { enabled: false },
  })
})
