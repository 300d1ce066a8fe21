import { matrixRowOf, xmppPartnerSchema, type XmppPartner } from '@stox/federation'
import type { Versioned } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { optionsOf } from '../change-model.ts'
import { DomainRecords } from '../domain-records.ts'
import { etagOf } from '../etag.ts'
import type { AdminDeps } from '../ports.ts'
import { ApiProblem } from '../problem.ts'
import { changeQuery, ifMatchHeaders, mergePatchSchema, pageOf, pageQuery, parseOrThrow, refusals } from '../schemas.ts'

const tags = ['XMPP partners']
const params = z.object({ domain: z.string().max(1023).describe('The primary domain of the partner.') })
const query = changeQuery.extend({
  force: z
    .enum(['true', 'false'])
    .default('false')
    .describe('true: accept a combination of TLS, SASL and dialback that works but ignores the SASL setting.'),
})

/** What is read is what may be written back: the two fields of our own are ignored on the way in. */
const partnerInput = xmppPartnerSchema.extend({
  revision: z.unknown().optional().describe('Ignored.'),
  negotiation: z.unknown().optional().describe('Ignored.'),
})
const partnerView = xmppPartnerSchema.extend({
  revision: z.int().describe('The revision of the model in which the partner last changed; also its ETag.'),
  negotiation: z
    .object({
      row: z.int().describe('Row of the negotiation matrix.'),
      methods: z.array(z.string()).describe('Ways for the partner to prove itself, in order of preference.'),
      warning: z.string().nullable(),
      note: z.string().nullable(),
    })
    .describe('What the settings for TLS, SASL and dialback come to.'),
})

function viewOf({ value, revision }: Versioned<XmppPartner>): z.output<typeof partnerView> {
  const { row, methods, warning = null, note = null } = matrixRowOf(value)
  return {
    ...value,
    additionalDomains: [...value.additionalDomains],
    certificatePins: [...value.certificatePins],
    revision,
    negotiation: { row, methods: [...methods], warning, note },
  }
}

/** Puts up with rows 5 and 11 of the matrix only on demand. @see Create or edit XMPP partner configuration (Lync Server 2013) */
function allowed(input: z.output<typeof partnerInput>, { force }: z.output<typeof query>): XmppPartner {
  const { revision: _revision, negotiation: _negotiation, ...partner } = input
  const { needsForce, warning, row } = matrixRowOf(partner)
  if (!needsForce || force === 'true') return partner
  throw new ApiProblem(422, `row ${row} of the negotiation matrix needs force`, [
    {
      path: 'saslNegotiation',
      problem: warning ?? 'SASL cannot be negotiated',
      hint: 'set saslNegotiation to notSupported, or repeat with ?force=true',
    },
  ])
}

export const partnerRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    const partners = new DomainRecords(
      deps,
      'xmpp-partner',
      { noun: 'partner', taken: (domain) => `there is a partner ${domain} already` },
      (key, value, expected) => ({ kind: 'xmpp-partner', key, value, expected }),
    )

    app.get(
      '/xmpp-partners',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'List partners',
          querystring: pageQuery.extend({
            domain: z.string().max(1023).optional().describe('Only partners with a domain that contains this text.'),
          }),
          response: { 200: pageOf(partnerView), ...refusals },
        },
      },
      async (request) => {
        const wanted = request.query.domain?.toLowerCase()
        const { records, next } = await partners.page(
          request.query,
          ({ key, value }) =>
            wanted === undefined || [key, ...value.additionalDomains].some((each) => each.includes(wanted)),
        )
        return { items: records.map(viewOf), next }
      },
    )

    app.post(
      '/xmpp-partners',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Add a partner',
          querystring: query,
          body: partnerInput,
          response: { 200: partnerView, 201: partnerView, ...refusals },
        },
      },
      async (request, reply) => {
        const value = allowed(request.body, request.query)
        const options = optionsOf(request)
        const record = await partners.add(value, options)
        if (!options.dryRun) reply.header('location', `/v1/xmpp-partners/${encodeURIComponent(value.domain)}`)
        return reply
          .code(options.dryRun ? 200 : 201)
          .header('etag', etagOf(record.revision))
          .send(viewOf(record))
      },
    )

    app.get(
      '/xmpp-partners/:domain',
      {
        config: { role: 'viewer' },
        schema: { tags, summary: 'Read a partner', params, response: { 200: partnerView, ...refusals } },
      },
      async (request, reply) => {
        const found = await partners.existing(request.params.domain)
        return reply.header('etag', etagOf(found.revision)).send(viewOf(found))
      },
    )

    app.put(
      '/xmpp-partners/:domain',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Replace a partner, or add it',
          params,
          querystring: query,
          headers: ifMatchHeaders,
          body: partnerInput,
          response: { 200: partnerView, 201: partnerView, ...refusals },
        },
      },
      async (request, reply) => {
        const { params: named, headers, body } = request
        const value = allowed(body, request.query)
        const { record, isNew } = await partners.put(named.domain, value, headers['if-match'], optionsOf(request))
        return reply
          .code(isNew ? 201 : 200)
          .header('etag', etagOf(record.revision))
          .send(viewOf(record))
      },
    )

    app.patch(
      '/xmpp-partners/:domain',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Change some fields of a partner',
          params,
          querystring: query,
          headers: ifMatchHeaders,
          body: mergePatchSchema,
          response: { 200: partnerView, ...refusals },
        },
      },
      async (request, reply) => {
        const { params: named, headers, body } = request
        const read = (merged: unknown): XmppPartner => allowed(parseOrThrow(partnerInput, merged), request.query)
        const record = await partners.patch(named.domain, body, headers['if-match'], read, optionsOf(request))
        return reply.header('etag', etagOf(record.revision)).send(viewOf(record))
      },
    )

    app.delete(
      '/xmpp-partners/:domain',
      {
        config: { role: 'administrator' },
        schema: {
          tags,
          summary: 'Delete a partner',
          params,
          querystring: changeQuery,
          headers: ifMatchHeaders,
          response: { 204: z.undefined(), ...refusals },
        },
      },
      async (request, reply) => {
        await partners.remove(request.params.domain, request.headers['if-match'], optionsOf(request))
        return reply.code(204).send()
      },
    )
  }
