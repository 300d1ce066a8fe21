import { localDomainSchema, normaliseDomain, type LocalDomain } from '@stox/federation'
import type { Versioned } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { changeModel, type ChangeOptions } from '../change-model.ts'
import { etagOf, requireMatch } from '../etag.ts'
import type { AdminDeps } from '../ports.ts'
import { ApiProblem, notFound } from '../problem.ts'
import { changeQuery, ifMatchHeaders, pageOf, pageQuery, refusals } from '../schemas.ts'

const tags = ['Local domains']
const params = z.object({ domain: z.string().max(1023).describe('A domain served here.') })
const domainInput = localDomainSchema.extend({ revision: z.unknown().optional().describe('Ignored.') })
const domainView = localDomainSchema.extend({
  revision: z.int().describe('The revision of the model in which the domain last changed; also its ETag.'),
})

const viewOf = ({ value, revision }: Versioned<LocalDomain>): z.output<typeof domainView> => ({
  ...value,
  backupRoutes: [...value.backupRoutes],
  revision,
})

export const localDomainRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    const { model } = deps.store

    const existing = async (domain: string): Promise<Versioned<LocalDomain>> => {
      const found = await model.get('local-domain', normaliseDomain(domain) ?? domain)
      if (found === undefined) throw notFound(`local domain ${domain}`)
      return found
    }

    const save = async (
      input: z.output<typeof domainInput>,
      expected: number | 'absent' | undefined,
      options: ChangeOptions,
    ) => {
      const { revision: _revision, ...value } = input
      const after = await changeModel(deps, { kind: 'local-domain', key: value.domain, value, expected }, options)
      const stored = options.dryRun ? undefined : await model.get('local-domain', value.domain)
      return viewOf(stored ?? { key: value.domain, value, revision: after.revision })
    }

    app.get(
      '/local-domains',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'List local domains',
          querystring: pageQuery,
          response: { 200: pageOf(domainView), ...refusals },
        },
      },
      async (request) => {
        const { limit, after = '' } = request.query
        const found = (await model.list('local-domain')).filter(({ key }) => key > after)
        return {
          items: found.slice(0, limit).map(viewOf),
          next: found.length > limit ? (found[limit - 1]?.key ?? null) : null,
        }
      },
    )

    app.post(
      '/local-domains',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Add a local domain',
          querystring: changeQuery,
          body: domainInput,
          response: { 200: domainView, 201: domainView, ...refusals },
        },
      },
      async (request, reply) => {
        const { domain } = request.body
        if ((await model.get('local-domain', domain)) !== undefined)
          throw new ApiProblem(409, `${domain} is served already`)
        const dryRun = request.query.dryRun === 'true'
        const view = await save(request.body, 'absent', { who: request.who, dryRun })
        if (!dryRun) reply.header('location', `/v1/local-domains/${encodeURIComponent(domain)}`)
        return reply
          .code(dryRun ? 200 : 201)
          .header('etag', etagOf(view.revision))
          .send(view)
      },
    )

    app.get(
      '/local-domains/:domain',
      {
        config: { role: 'viewer' },
        schema: { tags, summary: 'Read a local domain', params, response: { 200: domainView, ...refusals } },
      },
      async (request, reply) => {
        const found = await existing(request.params.domain)
        return reply.header('etag', etagOf(found.revision)).send(viewOf(found))
      },
    )

    app.put(
      '/local-domains/:domain',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Replace a local domain, or add it',
          params,
          querystring: changeQuery,
          headers: ifMatchHeaders,
          body: domainInput,
          response: { 200: domainView, 201: domainView, ...refusals },
        },
      },
      async (request, reply) => {
        const { body } = request
        if (body.domain !== normaliseDomain(request.params.domain)) {
          throw new ApiProblem(400, 'the domain in the body is not the one in the address', [
            {
              path: 'domain',
              problem: 'differs from the address',
              hint: 'to rename a domain, add the new one and delete the old one',
            },
          ])
        }
        const before = await model.get('local-domain', body.domain)
        requireMatch(request.headers['if-match'], before?.revision)
        const dryRun = request.query.dryRun === 'true'
        const view = await save(body, before?.revision ?? 'absent', { who: request.who, dryRun })
        return reply
          .code(before === undefined && !dryRun ? 201 : 200)
          .header('etag', etagOf(view.revision))
          .send(view)
      },
    )

    app.delete(
      '/local-domains/:domain',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Delete a local domain',
          params,
          querystring: changeQuery,
          headers: ifMatchHeaders,
          response: { 204: z.undefined(), ...refusals },
        },
      },
      async (request, reply) => {
        const before = await existing(request.params.domain)
        requireMatch(request.headers['if-match'], before.revision)
        const options = { who: request.who, dryRun: request.query.dryRun === 'true' }
        await changeModel(
          deps,
          { kind: 'local-domain', key: before.key, value: null, expected: before.revision },
          options,
        )
        return reply.code(204).send()
      },
    )
  }
