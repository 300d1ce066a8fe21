import { z } from 'zod'
import { domainSchema } from './partner.ts'

/** When something goes to a SIP user that not every SIP client takes. */
export const MESSAGE_EXTRAS = ['never', 'learned', 'always'] as const
export type MessageExtra = (typeof MESSAGE_EXTRAS)[number]

/** How messages are written for the users of a domain, beyond plain text. */
export interface LocalDomainMessages {
  readonly typing: boolean
  readonly reports: MessageExtra
  readonly html: MessageExtra
  readonly stanzaType: 'mirror' | 'rfc' | 'chat'
  readonly stickyThread: boolean
  readonly split: boolean
  readonly lateErrors: 'message' | 'report'
}

/** A domain of ours: its users live on the SIP side. */
export interface LocalDomain {
  readonly domain: string
  readonly route: string
  readonly congestionSafe: boolean
  readonly maxMessageBytes: number
  readonly acceptedStatus: 200 | 202
  readonly messages: LocalDomainMessages
}

const ROUTE =
  /^sips?:(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:;(?:lr|transport=(?:udp|tcp|tls)))*$/i

const WANTS_TLS = /^sips:|transport=tls/i

const isRoute = (text: string): boolean => {
  const match = ROUTE.exec(text)
  return match !== null && (match[1] === undefined || (Number(match[1]) > 0 && Number(match[1]) <= 65_535))
}

const LEARNED = 'learned sends it to those who have sent such a thing themselves and have not refused one (415)'

const messagesSchema = z
  .strictObject({
    typing: z
      .boolean()
      .default(true)
      .describe(
        'Whether typing is told both ways (XEP-0085, RFC 3994); to a SIP user only within ten minutes of a message of his.',
      ),
    reports: z
      .enum(MESSAGE_EXTRAS)
      .default('learned')
      .describe(
        `Whether delivery and display reports are asked of SIP users, in CPIM with IMDN (RFC 5438): ${LEARNED}. What SIP users ask for is passed on in any case.`,
      ),
    html: z
      .enum(MESSAGE_EXTRAS)
      .default('never')
      .describe(`Whether XHTML-IM goes to SIP users as text/html, in place of the plain text: ${LEARNED}.`),
    stanzaType: z
      .enum(['mirror', 'rfc', 'chat'])
      .default('mirror')
      .describe(
        'Type of the stanzas that messages of SIP users become: as the contact last wrote (mirror), normal (rfc, RFC 7572 §5) or chat.',
      ),
    stickyThread: z
      .boolean()
      .default(false)
      .describe(
        'Whether a message of a SIP user takes the thread that his contact used within the last 30 minutes, in place of its Call-ID.',
      ),
    split: z
      .boolean()
      .default(false)
      .describe(
        'Whether a text that is too long for one MESSAGE is sent in several, numbered, instead of being refused.',
      ),
    lateErrors: z
      .enum(['message', 'report'])
      .default('message')
      .describe(
        'What a SIP user gets when an error comes after his message was accepted and he asked for no report: a MESSAGE from the contact that says so, or nothing (report).',
      ),
  })
  .prefault({})
  .describe('How messages are written for the users of the domain.')

export const localDomainSchema = z
  .strictObject({
    domain: domainSchema.describe('A domain served here, such as capulet.example; never a domain of a partner.'),
    route: z
      .string()
      .max(512)
      .refine(isRoute, 'not a SIP route')
      .refine((route) => !WANTS_TLS.test(route), 'TLS towards SIP servers is not built yet: use transport=tcp or udp')
      .describe(
        'The SIP server of the domain: sip:host:port;transport=udp or tcp. Without a port it is looked up in DNS (RFC 3263). TLS is not built yet.',
      ),
    congestionSafe: z
      .boolean()
      .default(false)
      .describe(
        'Whether every hop to the users of the domain is known to run over TCP or TLS, so that a MESSAGE may exceed 1300 bytes (RFC 3428 §8).',
      ),
    maxMessageBytes: z
      .int()
      .min(1300)
      .max(1_048_576)
      .default(16_384)
      .describe(
        'Largest MESSAGE request sent on a congestion-safe route, in bytes (on any other route the limit is 1300), and largest body taken from the users of the domain.',
      ),
    acceptedStatus: z
      .union([z.literal(200), z.literal(202)])
      .default(202)
      .describe('Final response to a MESSAGE that was passed on: 202 (RFC 3428 §7), or 200 for servers that want it.'),
    messages: messagesSchema,
  })
  .describe('A local domain and the SIP route to it.') satisfies z.ZodType<LocalDomain>
