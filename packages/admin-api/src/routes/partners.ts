import { matrixRowOf, mergePatch, normaliseDomain, xmppPartnerSchema, type XmppPartner } from '@stox/federation'
import type { Versioned } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { changeModel, type ChangeOptions } from '../change-model.ts'
import { etagOf, requireMatch } from '../etag.ts'
import type { AdminDeps } from '../ports.ts'
import { ApiProblem, notFound } from '../problem.ts'
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
    revision,
    negotiation: { row, methods: [...methods], warning, note },
  }
}

/** Puts up with rows 5 and 11 of the matrix only on demand. @see Create or edit XMPP partner configuration (Lync Server 2013) */
function requireForce(partner: XmppPartner, force: boolean): void {
  const { needsForce, warning, row } = matrixRowOf(partner)
  if (!needsForce || force) return
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
    const { model } = deps.store

    const existing = async (domain: string): Promise<Versioned<XmppPartner>> => {
      const found = await model.get('xmpp-partner', normaliseDomain(domain) ?? domain)
      if (found === undefined) throw notFound(`partner ${domain}`)
      return found
    }

    const save = async (
      input: z.output<typeof partnerInput>,
      expected: number | 'absent' | undefined,
      force: boolean,
      options: ChangeOptions,
    ) => {
      const { revision: _revision, negotiation: _negotiation, ...value } = input
      requireForce(value, force)
      const after = await changeModel(deps, { kind: 'xmpp-partner', key: value.domain, value, expected }, options)
      const stored = options.dryRun ? undefined : await model.get('xmpp-partner', value.domain)
      return viewOf(stored ?? { key: value.domain, value, revision: after.revision })
    }

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
        const { limit, after = '', domain } = request.query
        const wanted = domain?.toLowerCase()
        const found = (await model.list('xmpp-partner')).filter(
          ({ key, value }) =>
            key > after &&
            (wanted === undefined || [key, ...value.additionalDomains].some((each) => each.includes(wanted))),
        )
        return {
          items: found.slice(0, limit).map(viewOf),
          next: found.length > limit ? (found[limit - 1]?.key ?? null) : null,
        }
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
        const { domain } = request.body
        if ((await model.get('xmpp-partner', domain)) !== undefined)
          throw new ApiProblem(409, `there is a partner ${domain} already`)
        const dryRun = request.query.dryRun === 'true'
        const view = await save(request.body, 'absent', request.query.force === 'true', { who: request.who, dryRun })
        if (!dryRun) reply.header('location', `/v1/xmpp-partners/${encodeURIComponent(domain)}`)
        return reply
          .code(dryRun ? 200 : 201)
          .header('etag', etagOf(view.revision))
          .send(view)
      },
    )

    app.get(
      '/xmpp-partners/:domain',
      {
        config: { role: 'viewer' },
        schema: { tags, summary: 'Read a partner', params, response: { 200: partnerView, ...refusals } },
      },
      async (request, reply) => {
        const found = await existing(request.params.domain)
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
        const { body } = request
        if (body.domain !== normaliseDomain(request.params.domain)) {
          throw new ApiProblem(400, 'the domain in the body is not the one in the address', [
            {
              path: 'domain',
              problem: 'differs from the address',
              hint: 'to rename a partner, add the new one and delete the old one',
            },
          ])
        }
        const before = await model.get('xmpp-partner', body.domain)
        requireMatch(request.headers['if-match'], before?.revision)
        const dryRun = request.query.dryRun === 'true'
        const view = await save(body, before?.revision ?? 'absent', request.query.force === 'true', {
          who: request.who,
          dryRun,
        })
        return reply
          .code(before === undefined && !dryRun ? 201 : 200)
          .header('etag', etagOf(view.revision))
          .send(view)
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
        const before = await existing(request.params.domain)
        requireMatch(request.headers['if-match'], before.revision)
        const patch = parseOrThrow(z.json(), request.body)
        const merged = parseOrThrow(partnerInput, mergePatch(parseOrThrow(z.json(), before.value), patch))
        if (merged.domain !== before.key) {
          throw new ApiProblem(400, 'a partner cannot be renamed', [
            { path: 'domain', problem: 'differs from the address', hint: 'add the new one and delete the old one' },
          ])
        }
        const options = { who: request.who, dryRun: request.query.dryRun === 'true' }
        const view = await save(merged, before.revision, request.query.force === 'true', options)
        return reply.header('etag', etagOf(view.revision)).send(view)
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
        const before = await existing(request.params.domain)
        requireMatch(request.headers['if-match'], before.revision)
        const options = { who: request.who, dryRun: request.query.dryRun === 'true' }
        await changeModel(
          deps,
          { kind: 'xmpp-partner', key: before.key, value: null, expected: before.revision },
          options,
        )
        return reply.code(204).send()
      },
    )
  }
