import { VirtualTime, silentLog } from '@stox/kernel'
import { openMemoryStore, type TokenRole } from '@stox/store'
import { createToken, ensureFirstToken } from '../src/auth.ts'
import { session, startBench, subscription, type Bench } from './api.ts'

let bench: Bench
beforeEach(async () => (bench = await startBench()))
afterEach(() => bench.app.close())

describe('the first token', () => {
  const store = () => {
    const time = new VirtualTime()
    return openMemoryStore({ clock: time, timers: time, log: silentLog })
  }

  test('is given once, at first start, and only its hash is kept', async () => {
    const fresh = store()
    const token = await ensureFirstToken(fresh, new VirtualTime())
    expect(token).toMatch(/^stox_[\w-]{43}$/)
    expect(await ensureFirstToken(fresh, new VirtualTime())).toBeUndefined()
    const kept = await fresh.tokens.list()
    expect(kept).toMatchObject([{ name: 'first', role: 'administrator' }])
    expect(JSON.stringify(kept)).not.toContain(token)
  })

  test('is not made where there are others', async () => {
    const used = store()
    await createToken(used, new VirtualTime(), { name: 'ci', role: 'viewer' })
    expect(await ensureFirstToken(used, new VirtualTime())).toBeUndefined()
  })
})

test.each([
  ['no token', {}, 401, 'Bearer realm="stox"'],
  ['another scheme', { authorization: 'Basic YTpi' }, 401, 'Bearer realm="stox"'],
  ['an unknown token', { authorization: 'Bearer stox_unknown' }, 401, 'Bearer realm="stox", error="invalid_token"'],
  [
    'a hash in place of a token',
    { authorization: `Bearer ${'a'.repeat(64)}` },
    401,
    'Bearer realm="stox", error="invalid_token"',
  ],
])('%s is not let in', async (_what, headers, status, challenge) => {
  const answer = await bench.app.inject({ method: 'GET', url: '/v1/settings', headers })
  expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([status, challenge])
  expect(answer.headers['content-type']).toContain('application/problem+json')
})

const partner = { domain: 'm.example' }
test.each<[string, 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', string, unknown, Record<TokenRole, number>]>([
  ['partners', 'GET', '/v1/xmpp-partners', undefined, { viewer: 200, operator: 200, administrator: 200 }],
  [
    'a new partner',
    'POST',
    '/v1/xmpp-partners?dryRun=true',
    partner,
    { viewer: 403, operator: 403, administrator: 200 },
  ],
  [
    'a partner',
    'PUT',
    '/v1/xmpp-partners/m.example?dryRun=true',
    partner,
    { viewer: 403, operator: 403, administrator: 200 },
  ],
  [
    'a partner that is not there',
    'PATCH',
    '/v1/xmpp-partners/m.example',
    {},
    { viewer: 403, operator: 403, administrator: 404 },
  ],
  [
    'a partner that is not there',
    'DELETE',
    '/v1/xmpp-partners/m.example',
    undefined,
    { viewer: 403, operator: 403, administrator: 404 },
  ],
  ['settings', 'GET', '/v1/settings', undefined, { viewer: 200, operator: 200, administrator: 200 }],
  ['settings', 'PUT', '/v1/settings', {}, { viewer: 403, operator: 403, administrator: 428 }],
  ['settings', 'PATCH', '/v1/settings', {}, { viewer: 403, operator: 403, administrator: 428 }],
  ['local domains', 'GET', '/v1/local-domains', undefined, { viewer: 200, operator: 200, administrator: 200 }],
  [
    'a local domain that is not there',
    'DELETE',
    '/v1/local-domains/c.example',
    undefined,
    { viewer: 403, operator: 403, administrator: 404 },
  ],
  ['sessions', 'GET', '/v1/sessions', undefined, { viewer: 200, operator: 200, administrator: 200 }],
  ['a session', 'DELETE', '/v1/sessions/s1', undefined, { viewer: 403, operator: 204, administrator: 204 }],
  ['subscriptions', 'GET', '/v1/subscriptions', undefined, { viewer: 200, operator: 200, administrator: 200 }],
  [
    'a subscription',
    'POST',
    `/v1/subscriptions/${encodeURIComponent('xmpp-watches-sip|r@m|j@c')}/refresh`,
    undefined,
    { viewer: 403, operator: 202, administrator: 202 },
  ],
  [
    'a subscription',
    'DELETE',
    `/v1/subscriptions/${encodeURIComponent('xmpp-watches-sip|r@m|j@c')}`,
    undefined,
    { viewer: 403, operator: 204, administrator: 204 },
  ],
  ['messages', 'GET', '/v1/messages', undefined, { viewer: 200, operator: 200, administrator: 200 }],
  ['the audit log', 'GET', '/v1/audit', undefined, { viewer: 200, operator: 200, administrator: 200 }],
  ['tokens', 'GET', '/v1/tokens', undefined, { viewer: 403, operator: 403, administrator: 200 }],
])('%s: %s %s', async (_what, method, url, body, expected) => {
  bench.sessions = [session('s1')]
  bench.store.subscriptions.put(subscription('r@m', 'j@c'))
  const got = await Promise.all(
    (['viewer', 'operator', 'administrator'] as const).map(async (role) => [
      role,
      (await bench.ask(method, url, { role, body })).status,
    ]),
  )
  expect(Object.fromEntries(got)).toEqual(expected)
})

describe('guessing', () => {
  const guess = () =>
    bench.app.inject({ method: 'GET', url: '/v1/settings', headers: { authorization: 'Bearer stox_wrong' } })

  test('is slowed down after ten wrong tokens in a minute, and forgiven after it', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, guess))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([...Array<number>(10).fill(401), 429, 429])
    expect(Number(answers[11]?.headers['retry-after'])).toBeGreaterThan(0)
    bench.time.advance(60_000)
    expect((await guess()).statusCode).toBe(401)
  })

  test('locks nobody else out', async () => {
    await Promise.all(Array.from({ length: 20 }, guess))
    expect((await bench.ask('GET', '/v1/settings')).status).toBe(200)
  })
})

describe('/v1/tokens', () => {
  test('a new token works with its role, is shown once, and not after it was withdrawn', async () => {
    const made = await bench.ask('POST', '/v1/tokens', { body: { name: 'ci', role: 'viewer' } })
    expect([made.status, made.json.role]).toEqual([201, 'viewer'])
    const read = (): Promise<{ statusCode: number }> =>
      bench.app.inject({ method: 'GET', url: '/v1/settings', headers: { authorization: `Bearer ${made.json.token}` } })
    expect((await read()).statusCode).toBe(200)
    expect((await bench.ask('GET', '/v1/tokens')).text).not.toContain(made.json.token)
    expect((await bench.ask('GET', '/v1/audit')).text).not.toContain(made.json.token)
    expect((await bench.ask('DELETE', '/v1/tokens/ci')).status).toBe(204)
    expect((await read()).statusCode).toBe(401)
  })

  test.each([
    ['a name twice', 'POST', '/v1/tokens', { name: 'the-viewer', role: 'viewer' }, 409],
    ['a bad name', 'POST', '/v1/tokens', { name: 'A b', role: 'viewer' }, 400],
    ['an unknown role', 'POST', '/v1/tokens', { name: 'a', role: 'root' }, 400],
    ['nothing on a dry run', 'POST', '/v1/tokens?dryRun=true', { name: 'a', role: 'viewer' }, 200],
    ['the last administrator', 'DELETE', '/v1/tokens/the-administrator', undefined, 409],
    ['one that is not there', 'DELETE', '/v1/tokens/nobody', undefined, 404],
  ] as const)('%s', async (_what, method, url, body, status) => {
    expect((await bench.ask(method, url, { body })).status).toBe(status)
    expect(await bench.store.tokens.list()).toHaveLength(3)
  })
})
