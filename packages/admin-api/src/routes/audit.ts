import { AUDIT_VERBS, type AuditRow } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { AdminDeps } from '../ports.ts'
import { instant, instantOf, numberedPageQuery, pageOf, refusals } from '../schemas.ts'

const auditView = z
  .object({
    id: z.int(),
    at: instant,
    who: z.string().describe('The name of the token.'),
    verb: z.enum(AUDIT_VERBS),
    object: z.string().describe('As xmpp-partner/montague.example.'),
    before: z.unknown().describe('null where there was nothing.'),
    after: z.unknown().describe('null where there is nothing.'),
  })
  .describe('One change that somebody made; secrets are left out.')

const viewOf = ({ atMs, before, after, ...row }: AuditRow): z.output<typeof auditView> => ({
  ...row,
  at: instantOf(atMs),
  before: before === null ? null : JSON.parse(before),
  after: after === null ? null : JSON.parse(after),
})

export const auditRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/audit',
      {
        config: { role: 'viewer' },
        schema: {
          tags: ['Audit log'],
          summary: 'Read the audit log',
          description: 'Newest first.',
          querystring: numberedPageQuery.extend({
            object: z.string().max(9000).optional().describe('Only what was done to this object.'),
            who: z.string().max(100).optional().describe('Only what was done with this token.'),
          }),
          response: { 200: pageOf(auditView), ...refusals },
        },
      },
      async (request) => {
        const page = await deps.store.audit.find(request.query)
        return { items: page.items.map(viewOf), next: page.next ?? null }
      },
    )
  }
