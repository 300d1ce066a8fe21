import { localDomainSchema, type LocalDomain } from '@stox/federation'
import type { Versioned } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { optionsOf } from '../change-model.ts'
import { DomainRecords } from '../domain-records.ts'
import { etagOf } from '../etag.ts'
import type { AdminDeps } from '../ports.ts'
import { changeQuery, ifMatchHeaders, mergePatchSchema, pageOf, pageQuery, parseOrThrow, refusals } from '../schemas.ts'

const tags = ['Local domains']
const params = z.object({ domain: z.string().max(1023).describe('A domain served here.') })
const domainInput = localDomainSchema.extend({ revision: z.unknown().optional().describe('Ignored.') })
const domainView = localDomainSchema.extend({
  revision: z.int().describe('The revision of the model in which the domain last changed; also its ETag.'),
})

const viewOf = ({ value, revision }: Versioned<LocalDomain>): z.output<typeof domainView> => ({
  ...value,
  backupRoutes: [...value.backupRoutes],
  messages: { ...value.messages, languages: [...value.messages.languages] },
  revision,
})

function valueOf(input: z.output<typeof domainInput>): LocalDomain {
  const { revision: _revision, ...value } = input
  return value
}

export const localDomainRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    const domains = new DomainRecords(
      deps,
      'local-domain',
      { noun: 'local domain', taken: (domain) => `${domain} is served already` },
      (key, value, expected) => ({ kind: 'local-domain', key, value, expected }),
    )

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
        const { records, next } = await domains.page(request.query)
        return { items: records.map(viewOf), next }
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
        const value = valueOf(request.body)
        const options = optionsOf(request)
        const record = await domains.add(value, options)
        if (!options.dryRun) reply.header('location', `/v1/local-domains/${encodeURIComponent(value.domain)}`)
        return reply
          .code(options.dryRun ? 200 : 201)
          .header('etag', etagOf(record.revision))
          .send(viewOf(record))
      },
    )

    app.get(
      '/local-domains/:domain',
      {
        config: { role: 'viewer' },
        schema: { tags, summary: 'Read a local domain', params, response: { 200: domainView, ...refusals } },
      },
      async (request, reply) => {
        const found = await domains.existing(request.params.domain)
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
        const { params: named, headers, body } = request
        const value = valueOf(body)
        const { record, isNew } = await domains.put(named.domain, value, headers['if-match'], optionsOf(request))
        return reply
          .code(isNew ? 201 : 200)
          .header('etag', etagOf(record.revision))
          .send(viewOf(record))
      },
    )

    app.patch(
      '/local-domains/:domain',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Change some fields of a local domain',
          params,
          querystring: changeQuery,
          headers: ifMatchHeaders,
          body: mergePatchSchema,
          response: { 200: domainView, ...refusals },
        },
      },
      async (request, reply) => {
        const { params: named, headers, body } = request
        const read = (merged: unknown): LocalDomain => valueOf(parseOrThrow(domainInput, merged))
        const record = await domains.patch(named.domain, body, headers['if-match'], read, optionsOf(request))
        return reply.header('etag', etagOf(record.revision)).send(viewOf(record))
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
        await domains.remove(request.params.domain, request.headers['if-match'], optionsOf(request))
        return reply.code(204).send()
      },
    )
  }
