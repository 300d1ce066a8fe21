import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import {
  SESSION_STATES,
  type AdminDeps,
  type SessionCertificate,
  type SessionFailure,
  type SessionRow,
} from '../ports.ts'
import { notFound } from '../problem.ts'
import { changeQuery, instant, instantOf, pageOf, pageQuery, refusals } from '../schemas.ts'

const tags = ['Sessions']
const params = z.object({ id: z.string().max(1000) })
const certificateView = z.object({
  names: z.array(z.string()).describe('Domains it is for; _xmpp-server. or xmpp: before those that are not DNS names.'),
  issuer: z.string(),
  notAfter: instant.describe('When it expires.'),
  sha256: z.string().describe('Its fingerprint.'),
})
const failureView = z.object({
  stage: z
    .string()
    .describe('What it failed at: dns, tcp, tls, certificate, authentication, policy, limit, protocol, stream.'),
  cause: z.string().describe('A stable name of the reason, as in the metrics; docs/failures.md lists them all.'),
  advice: z.string().describe('What to do.'),
  detail: z.string().describe('For experts.'),
  times: z.int().describe('How often, since it was seen first.'),
  firstAt: instant,
})
const sessionView = z
  .object({
    id: z.string(),
    edge: z.string().describe('The edge that holds the stream.'),
    direction: z.enum(['inbound', 'outbound']),
    localDomain: z.string(),
    remoteDomain: z.string(),
    state: z.enum(SESSION_STATES),
    method: z.string().nullable().describe('How the partner has proven itself.'),
    tls: z.string().nullable().describe('Version of TLS; null on a stream that is not encrypted.'),
    cipher: z.string().nullable(),
    streamManagement: z.boolean().describe('Stanzas are acknowledged (XEP-0198).'),
    bidirectional: z.boolean().describe('Stanzas go both ways on this one stream (XEP-0288).'),
    matrixRow: z
      .int()
      .nullable()
      .describe(
        'Row of the negotiation matrix that held when the stream was proven: TLS, SASL and dialback of the partner.',
      ),
    certificateProblem: z
      .string()
      .nullable()
      .describe(
        'Why the certificate of the partner does not prove who it is, so that dialback had to; null when it was not asked.',
      ),
    partner: z.string().nullable().describe('The primary domain of the partner.'),
    remoteAddress: z.string().nullable(),
    remotePort: z.int().nullable(),
    since: instant.describe('When it was opened, or when it failed last.'),
    stanzasIn: z.int(),
    stanzasOut: z.int(),
    waitingStanzas: z
      .int()
      .describe('Outbound: stanzas that wait for the stream. Inbound: those without an outcome yet.'),
    waitingBytes: z.int().describe('Bytes written and not yet taken by the network.'),
    quietMs: z.int().describe('For how long no stanza has passed.'),
    reason: z.string().nullable().describe('Why it failed: one sentence.'),
    failure: failureView.nullable().describe('More about the failure; null while the stream lives.'),
    ownCertificate: certificateView.nullable().describe('What we have shown; null without TLS, or when it was none.'),
    peerCertificate: certificateView.nullable().describe('What the partner has shown.'),
  })
  .describe('One XMPP stream with a partner.')

function viewOf({
  sinceMs,
  ownCertificate,
  peerCertificate,
  failure,
  ...row
}: SessionRow): z.output<typeof sessionView> {
  return {
    ...row,
    since: instantOf(sinceMs),
    failure: failure && failureViewOf(failure),
    ownCertificate: certificateViewOf(ownCertificate),
    peerCertificate: certificateViewOf(peerCertificate),
  }
}

const failureViewOf = ({ firstAtMs, ...failure }: SessionFailure): z.output<typeof failureView> => ({
  ...failure,
  firstAt: instantOf(firstAtMs),
})

const certificateViewOf = (certificate: SessionCertificate | null): z.output<typeof certificateView> | null =>
  certificate && {
    names: [...certificate.names],
    issuer: certificate.issuer,
    notAfter: instantOf(certificate.notAfterMs),
    sha256: certificate.sha256,
  }

export const sessionRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/sessions',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'List streams with partners',
          description: 'Those that live; with state=failed those that failed lately, and why.',
          querystring: pageQuery.extend({
            state: z
              .enum(SESSION_STATES)
              .optional()
              .describe('Only streams in this state; left out: every one that lives.'),
            remoteDomain: z.string().max(1023).optional().describe('Only streams with this domain.'),
          }),
          response: { 200: pageOf(sessionView), ...refusals },
        },
      },
      async (request) => {
        const { limit, after = '', state, remoteDomain } = request.query
        const found = (await deps.ports.sessions())
          .filter(
            (row) =>
              row.id > after &&
              (state === undefined ? row.state !== 'failed' : row.state === state) &&
              (remoteDomain === undefined || row.remoteDomain === remoteDomain),
          )
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        return {
          items: found.slice(0, limit).map(viewOf),
          next: found.length > limit ? (found[limit - 1]?.id ?? null) : null,
        }
      },
    )

    app.delete(
      '/sessions/:id',
      {
        config: { role: 'operator' },
        schema: {
          tags,
          summary: 'Close a stream',
          params,
          querystring: changeQuery,
          response: { 204: z.undefined(), ...refusals },
        },
      },
      async (request, reply) => {
        const { id } = request.params
        const found = (await deps.ports.sessions()).find((row) => row.id === id && row.state !== 'failed')
        if (found === undefined) throw notFound(`session ${id}`)
        if (request.query.dryRun === 'false') {
          if (!(await deps.ports.closeSession(id))) throw notFound(`session ${id}`)
          await deps.store.audit.append({
            atMs: deps.clock.wallMs(),
            who: request.who,
            verb: 'close',
            object: `session/${id}`,
            before: JSON.stringify(found),
            after: null,
          })
        }
        return reply.code(204).send()
      },
    )
  }
