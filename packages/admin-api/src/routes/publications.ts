import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PUBLICATION_STATES, type AdminDeps, type PublicationRow } from '../ports.ts'
import { instant, instantOf, pageOf, pageQuery, refusals } from '../schemas.ts'

const tags = ['Publications']
const publicationView = z
  .object({
    id: z.string(),
    user: z.string().describe('The XMPP user.'),
    route: z.string().describe('The SIP server.'),
    state: z
      .enum(PUBLICATION_STATES)
      .describe(
        'published; idle: nothing to show; withheld: see withheldFrom; held: waiting after a failure; leaving: being taken away.',
      ),
    withheldFrom: z
      .string()
      .nullable()
      .describe('Whom the server would show him although he has not approved, so that nothing is published.'),
    expires: instant.nullable().describe('When the server forgets him unless he is refreshed; null: it has nothing.'),
    watchers: z
      .array(z.object({ uri: z.string(), status: z.string() }))
      .describe('Who watches him there, as the server tells.'),
  })
  .describe('What is published of an XMPP user at a SIP server that answers for him itself.')

const viewOf = ({ expiresAtMs, watchers, ...row }: PublicationRow): z.output<typeof publicationView> => ({
  ...row,
  expires: expiresAtMs === null ? null : instantOf(expiresAtMs),
  watchers: watchers.map(({ uri, status }) => ({ uri, status })),
})

export const publicationRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/publications',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'List presence publications',
          querystring: pageQuery.extend({
            user: z.string().max(3071).optional().describe('A bare address, as a JID.'),
            state: z.enum(PUBLICATION_STATES).optional(),
          }),
          response: { 200: pageOf(publicationView), ...refusals },
        },
      },
      async (request) => {
        const { limit, after = '', user, state } = request.query
        const found = [...deps.ports.publications()]
          .filter(
            (row) =>
              row.id > after &&
              (user === undefined || row.user === user) &&
              (state === undefined || row.state === state),
          )
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        const items = found.slice(0, limit)
        return { items: items.map(viewOf), next: found.length > limit ? (items.at(-1)?.id ?? null) : null }
      },
    )
  }
