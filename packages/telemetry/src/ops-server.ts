import { parseHostPort } from '@stox/kernel'
import { fastify } from 'fastify'
import type { Metrics } from './metrics.ts'

export interface ReadyCheck {
  readonly ok: boolean
  readonly detail: string
}

/** Each thing that has to work before we can serve, by name. */
export type ReadyReport = Readonly<Record<string, ReadyCheck>>

export interface OpsServer {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/** Health, readiness and metrics, for whoever watches the process. Rejects when it cannot listen. */
export async function opsServer(options: {
  readonly listen: string
  readonly ready: () => ReadyReport | Promise<ReadyReport>
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>
}): Promise<OpsServer> {
  const at = parseHostPort(options.listen)
  if (!at.ok) throw new RangeError(at.failure)
  const app = fastify({ bodyLimit: 1024, forceCloseConnections: true, requestTimeout: 10_000 })

  app.get('/healthz', () => ({ status: 'ok' }))
  app.get('/readyz', async (_request, reply) => {
    const checks = await options.ready()
    const ready = Object.values(checks).every((check) => check.ok)
    return reply.code(ready ? 200 : 503).send({ ready, checks })
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(options.metrics.contentType).send(await options.metrics.text()),
  )

  await app.listen({ host: at.value.host, port: at.value.port })
  const bound = app.server.address()
  if (bound === null || typeof bound === 'string') throw new Error('listening on no port')
  return { address: bound.address, port: bound.port, close: () => app.close() }
}
