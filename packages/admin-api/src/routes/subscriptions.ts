import { AUTHORIZATIONS, SUBSCRIPTION_DIRECTIONS, type AuditVerb, type SubscriptionRecord } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { AdminDeps } from '../ports.ts'
import { notFound } from '../problem.ts'
import { changeQuery, instant, instantOf, pageOf, pageQuery, refusals } from '../schemas.ts'

const tags = ['Subscriptions']
const params = z.object({ id: z.string().max(8192).describe('Percent-encoded, since it contains | and @.') })
const subscriptionView = z
  .object({
    id: z.string(),
    direction: z.enum(SUBSCRIPTION_DIRECTIONS),
    watcher: z.string().describe('Who sees.'),
    contact: z.string().describe('Who is seen.'),
    authorization: z.enum(AUTHORIZATIONS).describe('What the contact has said to it.'),
    state: z.string(),
    due: instant.nullable().describe('When something is done about it next.'),
    updated: instant,
  })
  .describe('One presence subscription across the two worlds.')

const viewOf = (record: SubscriptionRecord): z.output<typeof subscriptionView> => ({
  id: record.id,
  direction: record.direction,
  watcher: record.watcher,
  contact: record.contact,
  authorization: record.authorization,
  state: record.state,
  due: record.dueAtMs === null ? null : instantOf(record.dueAtMs),
  updated: instantOf(record.updatedAtMs),
})

export const subscriptionRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    const { subscriptions, audit } = deps.store

    const existing = async (id: string): Promise<SubscriptionRecord> => {
      const found = await subscriptions.get(id)
      if (found === undefined) throw notFound(`subscription ${id}`)
      return found
    }

    /** Has it done by whoever keeps the subscription, and written down. */
    const act = async (
      verb: AuditVerb,
      record: SubscriptionRecord,
      who: string,
      action: (id: string) => Promise<boolean>,
    ): Promise<void> => {
      if (!(await action(record.id))) throw notFound(`subscription ${record.id}`)
      const before = verb === 'delete' ? JSON.stringify(viewOf(record)) : null
      await audit.append({
        atMs: deps.clock.wallMs(),
        who,
        verb,
        object: `subscription/${record.id}`,
        before,
        after: null,
      })
    }

    app.get(
      '/subscriptions',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'List presence subscriptions',
          querystring: pageQuery.extend({
            direction: z.enum(SUBSCRIPTION_DIRECTIONS).optional(),
            authorization: z.enum(AUTHORIZATIONS).optional(),
            state: z.string().max(100).optional(),
            watcher: z.string().max(3071).optional().describe('A bare address, as a JID.'),
            contact: z.string().max(3071).optional().describe('A bare address, as a JID.'),
          }),
          response: { 200: pageOf(subscriptionView), ...refusals },
        },
      },
      async (request) => {
        const { limit, after, ...filter } = request.query
        const page = await subscriptions.list({ limit, after, filter })
        return { items: page.items.map(viewOf), next: page.next ?? null }
      },
    )

    app.get(
      '/subscriptions/:id',
      {
        config: { role: 'viewer' },
        schema: { tags, summary: 'Read a subscription', params, response: { 200: subscriptionView, ...refusals } },
      },
      async (request) => viewOf(await existing(request.params.id)),
    )

    app.post(
      '/subscriptions/:id/refresh',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          summary: 'Refresh a subscription now',
          params,
          querystring: changeQuery,
          response: { 202: subscriptionView, ...refusals },
        },
      },
      async (request, reply) => {
        const record = await existing(request.params.id)
        if (request.query.dryRun === 'false')
          await act('refresh', record, request.who, (id) => deps.ports.refreshSubscription(id))
        return reply.code(202).send(viewOf(record))
      },
    )

    app.delete(
      '/subscriptions/:id',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          summary: 'End a subscription on both sides',
          params,
          querystring: changeQuery,
          response: { 204: z.undefined(), ...refusals },
        },
      },
      async (request, reply) => {
        const record = await existing(request.params.id)
        if (request.query.dryRun === 'false')
          await act('delete', record, request.who, (id) => deps.ports.deleteSubscription(id))
        return reply.code(204).send()
      },
    )
  }
