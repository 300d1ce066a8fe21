import { createMetrics, type Metrics } from '../src/metrics.ts'
import { opsServer, type OpsServer, type ReadyReport } from '../src/ops-server.ts'

let metrics: Metrics
let server: OpsServer
let report: ReadyReport
beforeEach(async () => {
  metrics = createMetrics({ node: 'edge-1' })
  report = { listener: { ok: true, detail: '127.0.0.1:5269' } }
  server = await opsServer({ listen: '127.0.0.1:0', ready: () => report, metrics })
})
afterEach(async () => {
  await server.close()
  metrics.close()
})

const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${server.port}${path}`)

test('/healthz says that the process is alive', async () => {
  const answer = await get('/healthz')
  expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok' }])
})

test('/readyz is 200 while every check is good, and 503 naming the one that is not', async () => {
  const good = await get('/readyz')
  expect([good.status, await good.json()]).toEqual([200, { ready: true, checks: report }])
  report = { ...report, gateways: { ok: false, detail: 'none attached' } }
  const bad = await get('/readyz')
  expect([bad.status, await bad.json()]).toEqual([503, { ready: false, checks: report }])
})

test('/metrics is in the Prometheus text format', async () => {
  const answer = await get('/metrics')
  expect(answer.headers.get('content-type')).toContain('text/plain')
  expect(await answer.text()).toContain('# TYPE stox_messages_total counter')
})

test('a port in use and an address that is none are errors', async () => {
  await expect(opsServer({ listen: `127.0.0.1:${server.port}`, ready: () => report, metrics })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
  await expect(opsServer({ listen: 'nowhere', ready: () => report, metrics })).rejects.toThrow('not host:port: nowhere')
})
