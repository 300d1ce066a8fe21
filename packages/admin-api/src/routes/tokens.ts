import { TOKEN_ROLES, type TokenRecord } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { createToken } from '../auth.ts'
import type { AdminDeps } from '../ports.ts'
import { ApiProblem, notFound } from '../problem.ts'
import { changeQuery, instant, instantOf, refusals } from '../schemas.ts'

const tags = ['Tokens']
const tokenInput = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'not a name')
    .describe('Names the token in the audit log: lower-case letters, digits, dots, hyphens.'),
  role: z
    .enum(TOKEN_ROLES)
    .describe(
      'viewer reads; operator also closes sessions and refreshes or ends subscriptions; administrator may do everything.',
    ),
})
const tokenView = z
  .object({ name: z.string(), role: z.enum(TOKEN_ROLES), created: instant })
  .describe('A bearer token, without its secret.')
const newTokenView = tokenView.extend({
  token: z.string().nullable().describe('The token itself, shown this once; null on a dry run.'),
})

const viewOf = ({ name, role, createdAtMs }: Omit<TokenRecord, 'hash'>): z.output<typeof tokenView> => ({
  name,
  role,
  created: instantOf(createdAtMs),
})

export const tokenRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    const { tokens, audit } = deps.store

    app.get(
      '/tokens',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'List tokens',
          response: { 200: z.object({ items: z.array(tokenView) }), ...refusals },
        },
      },
      async () => ({ items: (await tokens.list()).map(viewOf) }),
    )

    app.post(
      '/tokens',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Make a token',
          querystring: changeQuery,
          body: tokenInput,
          response: { 200: newTokenView, 201: newTokenView, ...refusals },
        },
      },
      async (request, reply) => {
        const { name, role } = request.body
        const atMs = deps.clock.wallMs()
        const taken = (await tokens.list()).some((each) => each.name === name)
        const dryRun = request.query.dryRun === 'true'
        const token = taken || dryRun ? undefined : await createToken(deps.store, deps.clock, { name, role })
        if (taken || (token === undefined && !dryRun)) throw new ApiProblem(409, `there is a token ${name} already`)
        if (!dryRun) {
          await audit.append({
            atMs,
            who: request.who,
            verb: 'create',
            object: `token/${name}`,
            before: null,
            after: JSON.stringify({ name, role }),
          })
        }
        return reply
          .code(dryRun ? 200 : 201)
          .send({ ...viewOf({ name, role, createdAtMs: atMs }), token: token ?? null })
      },
    )

    app.delete(
      '/tokens/:name',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Withdraw a token',
          params: z.object({ name: z.string().max(64) }),
          querystring: changeQuery,
          response: { 204: z.undefined(), ...refusals },
        },
      },
      async (request, reply) => {
        const { name } = request.params
        const all = await tokens.list()
        const found = all.find((each) => each.name === name)
        if (found === undefined) throw notFound(`token ${name}`)
        const administrators = all.filter((each) => each.role === 'administrator')
        if (administrators.length === 1 && administrators[0]?.name === name) {
          throw new ApiProblem(409, 'this is the last administrator: make another one first')
        }
        if (request.query.dryRun === 'false') {
          await tokens.remove(name)
          const before = JSON.stringify({ name, role: found.role })
          await audit.append({
            atMs: deps.clock.wallMs(),
            who: request.who,
            verb: 'delete',
            object: `token/${name}`,
            before,
            after: null,
          })
        }
        return reply.code(204).send()
      },
    )
  }
