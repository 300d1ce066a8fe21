import { fastifySwagger, type FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import fastifySwaggerUi from '@fastify/swagger-ui'
import { parseHostPort } from '@stox/kernel'
import { fastify, type FastifyError, type FastifyInstance } from 'fastify'
import { jsonSchemaTransform, serializerCompiler } from 'fastify-type-provider-zod'
import { Doorkeeper } from './auth.ts'
import type { AdminDeps } from './ports.ts'
import { ApiProblem } from './problem.ts'
import { auditRoutes } from './routes/audit.ts'
import { localDomainRoutes } from './routes/local-domains.ts'
import { messageRoutes } from './routes/messages.ts'
import { partnerRoutes } from './routes/partners.ts'
import { publicationRoutes } from './routes/publications.ts'
import { sipSessionRoutes } from './routes/sip-sessions.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { settingsRoutes } from './routes/settings.ts'
import { subscriptionRoutes } from './routes/subscriptions.ts'
import { tokenRoutes } from './routes/tokens.ts'
import { validatorCompiler } from './schemas.ts'

/** Room for a partner with a thousand domains; nothing here needs more. */
const BODY_BYTES = 512 * 1024
const REQUEST_MS = 30_000

/** The page about the API loads what is served here and nothing else, so that it works where there is no Internet. */
const PAGE_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; frame-ancestors 'none'"

export interface AdminApi {
  readonly address: string
  readonly port: number
  close(): Promise<void>
}

/** Serves the administration API. Rejects when it cannot listen. */
export async function startAdminApi(options: AdminDeps & { readonly listen: string }): Promise<AdminApi> {
  const at = parseHostPort(options.listen)
  if (!at.ok) throw new RangeError(at.failure)
  const app = await buildAdminApi(options)
  await app.listen({ host: at.value.host, port: at.value.port })
  const bound = app.server.address()
  if (bound === null || typeof bound === 'string') throw new Error('listening on no port')
  return { address: bound.address, port: bound.port, close: () => app.close() }
}

/** The API without a socket, for those who want to ask it directly. */
export async function buildAdminApi(deps: AdminDeps): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 8192 },
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.removeContentTypeParser('text/plain')
  // COMPAT: a merge patch by its own name as well as plain JSON. @see RFC 7396 §4
  app.addContentTypeParser(
    'application/merge-patch+json',
    { parseAs: 'string' },
    app.getDefaultJsonParser('error', 'error'),
  )

  app.setErrorHandler<FastifyError | ApiProblem>((error, request, reply) => {
    const problem = problemOf(error)
    if (problem.status >= 500)
      deps.log.error('admin-request-failed', {
        method: request.method,
        route: request.routeOptions.url,
        detail: error.message,
      })
    return reply
      .code(problem.status)
      .headers(problem.headers)
      .type('application/problem+json')
      .serializer(JSON.stringify)
      .send(problem.body)
  })
  app.setNotFoundHandler((request) => {
    throw new ApiProblem(404, `there is nothing at ${request.method} ${request.url.split('?', 1)[0]}`)
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY' })
  })

  await app.register(fastifySwagger, { openapi: DESCRIPTION, transform: jsonSchemaTransform })
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
    uiConfig: { validatorUrl: null },
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())

  app.get('/healthz', { schema: { hide: true } }, () => ({ status: 'ok' }))
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
    const checks = await deps.ports.ready()
    const ready = Object.values(checks).every((check) => check.ok)
    return reply.code(ready ? 200 : 503).send({ ready, checks })
  })
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type(deps.ports.metrics.contentType).send(await deps.ports.metrics.text()),
  )

  await app.register(
    async (v1) => {
      const doorkeeper = new Doorkeeper(deps.store, deps.clock)
      v1.decorateRequest('who', '')
      v1.addHook('onRequest', async (request, reply) => {
        reply.header('cache-control', 'no-store')
        await doorkeeper.admit(request)
      })
      await v1.register(partnerRoutes(deps))
      await v1.register(settingsRoutes(deps))
      await v1.register(localDomainRoutes(deps))
      await v1.register(sessionRoutes(deps))
      await v1.register(subscriptionRoutes(deps))
      await v1.register(publicationRoutes(deps))
      await v1.register(sipSessionRoutes(deps))
      await v1.register(messageRoutes(deps))
      await v1.register(auditRoutes(deps))
      await v1.register(tokenRoutes(deps))
    },
    { prefix: '/v1' },
  )
  await app.ready()
  return app
}

/** What a client did wrong is told to it; what we did wrong is only logged. */
function problemOf(error: FastifyError | ApiProblem): ApiProblem {
  if (error instanceof ApiProblem) return error
  const status = error.statusCode ?? 500
  return status >= 400 && status < 500
    ? new ApiProblem(status, error.message)
    : new ApiProblem(500, 'something went wrong here; the log says what')
}

const DESCRIPTION: NonNullable<FastifyDynamicSwaggerOptions['openapi']> = {
  openapi: '3.1.0',
  info: {
    title: 'stox administration',
    version: '1.0.0',
    description: [
      'Who may talk to whom between the local SIP domains and their XMPP partners, and what became of it.',
      '',
      'Every change is checked against the whole model, written to the audit log and in force at once. Objects have an ETag; to',
      'change one, send it back as If-Match. Every change takes ?dryRun=true. Refusals are problem details (RFC 9457) that name',
      'each problem with its path and a hint.',
    ].join('\n'),
  },
  components: {
    securitySchemes: {
      token: {
        type: 'http',
        scheme: 'bearer',
        description: 'viewer reads, operator acts on sessions and subscriptions, administrator changes everything',
      },
    },
  },
  security: [{ token: [] }],
}
