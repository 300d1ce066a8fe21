import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { SIP_SESSION_STATES, type AdminDeps, type SipSessionRow } from '../ports.ts'
import { instant, instantOf, pageOf, pageQuery, refusals } from '../schemas.ts'

const tags = ['SIP sessions']
const sipSessionView = z
  .object({
    id: z.string(),
    domain: z.string().describe('The domain of ours.'),
    sipUser: z.string(),
    xmppUser: z.string(),
    direction: z.enum(['sip-to-xmpp', 'xmpp-to-sip']).describe('Who began it.'),
    state: z.enum(SIP_SESSION_STATES).describe('opening: not yet accepted, or not yet acknowledged.'),
    callId: z.string(),
    since: instant,
    used: instant.describe('When something was last said.'),
    fromSip: z.int().describe('Messages of the SIP user.'),
    fromXmpp: z.int().describe('Messages of the XMPP user.'),
  })
  .describe('A session of a SIP user and an XMPP user, opened by INVITE.')

const viewOf = ({ sinceMs, usedMs, ...row }: SipSessionRow): z.output<typeof sipSessionView> => ({
  ...row,
  since: instantOf(sinceMs),
  used: instantOf(usedMs),
})

export const sipSessionRoutes =
  (deps: AdminDeps): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/sip-sessions',
      {
        config: { role: 'viewer' },
        schema: {
          tags,
          summary: 'List sessions of SIP users and XMPP users',
          querystring: pageQuery.extend({
            sipUser: z.string().max(3071).optional().describe('A bare address, as a JID.'),
            xmppUser: z.string().max(3071).optional().describe('A bare address, as a JID.'),
          }),
          response: { 200: pageOf(sipSessionView), ...refusals },
        },
      },
      async (request) => {
        const { limit, after = '', sipUser, xmppUser } = request.query
        const found = [...deps.ports.sipSessions()]
          .filter(
            (row) =>
              row.id > after &&
              (sipUser === undefined || row.sipUser === sipUser) &&
              (xmppUser === undefined || row.xmppUser === xmppUser),
          )
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        const items = found.slice(0, limit)
        return { items: items.map(viewOf), next: found.length > limit ? (items.at(-1)?.id ?? null) : null }
      },
    )
  }
