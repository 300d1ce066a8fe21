import { VirtualTime, silentLog } from '@stox/kernel'
import { openMemoryStore } from '@stox/store'
import { startAdminApi } from '../src/server.ts'
import { startBench, type Bench } from './api.ts'

let bench: Bench
beforeEach(async () => (bench = await startBench()))
afterEach(() => bench.app.close())

const open = (url: string) => bench.app.inject({ method: 'GET', url })

test('health, readiness and metrics need no token', async () => {
  expect((await open('/healthz')).json()).toEqual({ status: 'ok' })
  expect((await open('/readyz')).json()).toEqual({ ready: true, checks: { store: { ok: true, detail: 'in memory' } } })
  bench.ready = { store: { ok: false, detail: 'disk is full' } }
  expect([(await open('/readyz')).statusCode, (await open('/readyz')).json().ready]).toEqual([503, false])
  expect((await open('/metrics')).body).toBe('stox_streams 1\n')
})

describe('/openapi.json', () => {
  test('every reference leads to something', async () => {
    const { body } = await open('/openapi.json')
    const document: unknown = JSON.parse(body)
    const target = (reference: string): unknown =>
      reference
        .slice(2)
        .split('/')
        .reduce<unknown>((at, part) => (at instanceof Object ? Reflect.get(at, part) : undefined), document)
    const references = [...body.matchAll(/"\$ref":"([^"]*)"/g)].map(([, reference = '']) => reference)
    expect(references.filter((reference) => target(reference) === undefined)).toEqual([])
  })

  test('OpenAPI 3.1 with every route, each summed up and with its answers', async () => {
    const document = (await open('/openapi.json')).json()
    expect(document.openapi).toBe('3.1.0')
    const routes = Object.entries<Record<string, { summary?: string; responses?: Record<string, unknown> }>>(
      document.paths,
    ).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, route]) => ({ name: `${method.toUpperCase()} ${path}`, route })),
    )
    expect(routes.map(({ name }) => name).toSorted()).toEqual([
      'DELETE /v1/local-domains/{domain}',
      'DELETE /v1/sessions/{id}',
      'DELETE /v1/subscriptions/{id}',
      'DELETE /v1/tokens/{name}',
      'DELETE /v1/xmpp-partners/{domain}',
      'GET /v1/audit',
      'GET /v1/local-domains',
      'GET /v1/local-domains/{domain}',
      'GET /v1/messages',
      'GET /v1/publications',
      'GET /v1/sessions',
      'GET /v1/settings',
      'GET /v1/sip-sessions',
      'GET /v1/subscriptions',
      'GET /v1/subscriptions/{id}',
      'GET /v1/tokens',
      'GET /v1/xmpp-partners',
      'GET /v1/xmpp-partners/{domain}',
      'PATCH /v1/local-domains/{domain}',
      'PATCH /v1/settings',
      'PATCH /v1/xmpp-partners/{domain}',
      'POST /v1/local-domains',
      'POST /v1/subscriptions/{id}/refresh',
      'POST /v1/tokens',
      'POST /v1/xmpp-partners',
      'PUT /v1/local-domains/{domain}',
      'PUT /v1/settings',
      'PUT /v1/xmpp-partners/{domain}',
    ])
    for (const { name, route } of routes)
      expect([name, route.summary, Object.keys(route.responses ?? {}).length]).toEqual([
        name,
        expect.any(String),
        expect.any(Number),
      ])
    expect(document.components.securitySchemes.token.scheme).toBe('bearer')
    expect(JSON.stringify(document.paths['/v1/xmpp-partners'].post.requestBody)).toContain(
      'Primary domain of the partner',
    )
  })

  test('the readable page is whole by itself: it loads nothing from elsewhere', async () => {
    const page = await open('/docs/')
    expect([page.statusCode, String(page.headers['content-type'])]).toEqual([200, expect.stringContaining('text/html')])
    expect(page.body).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
    const parts = [...page.body.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((match) => match[1])
    expect(parts.length).toBeGreaterThan(3)
    const answers = await Promise.all(parts.map((part) => open(`/docs/${part}`)))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(parts.map(() => 200))
    expect(String(answers[0]?.headers['content-security-policy'])).toMatch(/^default-src 'self'/)
  })
})

test.each<[string, Parameters<Bench['ask']>, number]>([
  ['nothing there', ['GET', '/v1/nothing'], 404],
  ['nothing there, nor outside the API', ['GET', '/other'], 404],
  ['not JSON', ['POST', '/v1/xmpp-partners', { body: '{"domain":' }], 400],
  [
    'another type',
    ['POST', '/v1/xmpp-partners', { body: 'domain: a', headers: { 'content-type': 'application/yaml' } }],
    415,
  ],
  ['no body', ['POST', '/v1/xmpp-partners'], 400],
  ['a prototype in a body', ['POST', '/v1/xmpp-partners', { body: '{"domain":"a.example","__proto__":{"x":1}}' }], 400],
  [
    'a body over the limit',
    ['POST', '/v1/xmpp-partners', { body: { domain: 'a.example', description: 'x'.repeat(600_000) } }],
    413,
  ],
  [
    'text in place of JSON',
    ['POST', '/v1/xmpp-partners', { body: '{"domain":"a.example"}', headers: { 'content-type': 'text/plain' } }],
    415,
  ],
  ['a switch that is misspelt', ['POST', '/v1/xmpp-partners?dryrun=true', { body: { domain: 'a.example' } }], 400],
  ['an unknown condition of a search', ['GET', '/v1/messages?adress=a@a.example'], 400],
  ['an unknown value of a switch', ['POST', '/v1/xmpp-partners?dryRun=yes', { body: { domain: 'a.example' } }], 400],
])('RFC 9457: %s', async (_what, args, status) => {
  const answer = await bench.ask(...args)
  expect([answer.status, answer.json?.status]).toEqual([status, status])
  expect(answer.headers['content-type']).toContain('application/problem+json')
  expect((await bench.store.model.read()).revision).toBe(0)
})

test('our own mistakes are logged, and told without detail', async () => {
  bench.store.model.list = async () => {
    throw new Error('secret path /var/lib')
  }
  const answer = await bench.ask('GET', '/v1/xmpp-partners')
  expect(answer.status).toBe(500)
  expect(answer.text).not.toContain('secret')
  expect(bench.logged).toEqual([
    { event: 'admin-request-failed', method: 'GET', route: '/v1/xmpp-partners', detail: 'secret path /var/lib' },
  ])
})

test('answers are not to be kept or guessed at', async () => {
  const { headers } = await bench.ask('GET', '/v1/settings')
  expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
})

test('it listens, says where, and says when it cannot', async () => {
  const time = new VirtualTime()
  const deps = {
    store: openMemoryStore({ clock: time, timers: time, log: silentLog }),
    clock: time,
    log: silentLog,
    ports: {
      sessions: async () => [],
      closeSession: async () => false,
      refreshSubscription: async () => false,
      deleteSubscription: async () => false,
      publications: () => [],
      sipSessions: () => [],
      onModelChanged: () => undefined,
      ready: () => ({}),
      metrics: { text: async () => '', contentType: 'text/plain' },
    },
  }
  const api = await startAdminApi({ ...deps, listen: '127.0.0.1:0' })
  expect((await fetch(`http://127.0.0.1:${api.port}/healthz`)).status).toBe(200)
  await expect(startAdminApi({ ...deps, listen: `127.0.0.1:${api.port}` })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
  await expect(startAdminApi({ ...deps, listen: 'somewhere' })).rejects.toThrow('not host:port: somewhere')
  await api.close()
})
