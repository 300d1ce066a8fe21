import { normaliseDomain } from '@stox/federation'
import { JOURNAL_DIRECTIONS, JOURNAL_KINDS, JOURNAL_OUTCOMES, type StoredJournalRow } from '@stox/store'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { AdminDeps } from '../ports.ts'
import { instant, instantOf, numberedPageQuery, pageOf, refusals } from '../schemas.ts'

const messageView = z
  .object({
    seq: z.int(),
    correlationId: z.string().describe('Names the message in every log line of edge and gateway.'),
    at: instant.describe('When it was accepted.'),
    direction: z.enum(JOURNAL_DIRECTIONS),
    kind: z.enum(JOURNAL_KINDS),
    from: z.string(),
    to: z.string(),
    partner: z.string(),
    stanzaId: z.string().nullable(),
    callId: z.string().nullable(),
    outcome: z.enum(JOURNAL_OUTCOMES),
    status: z.int().nullable().describe('The final SIP status.'),
    condition: z.string().nullable().describe('The condition of the stanza error.'),
    detail: z.string(),
    durationMs: z.number(),
    edge: z.string(),
  })
  .describe('How one message ended; never what it said.')

function viewOf({ atMs, ...row }: StoredJournalRow): z.output<typeof messageView> {
  return { ...row, at: instantOf(atMs) }
}

export const messageRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/messages',
      {
        config: { role: 'viewer' },
        schema: {
          tags: ['Messages'],
          summary: 'Search the message journal',
          description: 'Newest first. Conditions add up.',
          querystring: numberedPageQuery.extend({
            address: z.string().max(3071).optional().describe('A bare address, as a JID, at either end.'),
            partner: z.string().max(1023).optional().describe('The primary domain of a partner.'),
            id: z.string().max(3071).optional().describe('Id of the stanza, or Call-ID.'),
            correlationId: z.string().max(200).optional(),
            from: instant.optional().describe('Accepted then or later; ISO 8601.'),
            until: instant.optional().describe('Accepted then or earlier; ISO 8601.'),
          }),
          response: { 200: pageOf(messageView), ...refusals },
        },
      },
      async (request) => {
        const { limit, after, address, partner, id, correlationId, from, until } = request.query
        const page = await deps.store.journal.find({
          limit,
          after,
          address,
          partner: partner === undefined ? undefined : (normaliseDomain(partner) ?? partner),
          id,
          correlationId,
          fromMs: from === undefined ? undefined : Date.parse(from),
          untilMs: until === undefined ? undefined : Date.parse(until),
        })
        return { items: page.items.map(viewOf), next: page.next ?? null }
      },
    )
  }
