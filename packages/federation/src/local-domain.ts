import { z } from 'zod'
import { domainSchema } from './partner.ts'

/** A domain of ours: its users live on the SIP side. */
export interface LocalDomain {
  readonly domain: string
  readonly route: string
  readonly congestionSafe: boolean
  readonly maxMessageBytes: number
  readonly acceptedStatus: 200 | 202
}

const ROUTE =
  /^sips?:(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:;(?:lr|transport=(?:udp|tcp|tls)))*$/i

const WANTS_TLS = /^sips:|transport=tls/i

const isRoute = (text: string): boolean => {
  const match = ROUTE.exec(text)
  return match !== null && (match[1] === undefined || (Number(match[1]) > 0 && Number(match[1]) <= 65_535))
}

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
  })
  .describe('A local domain and the SIP route to it.') satisfies z.ZodType<LocalDomain>
