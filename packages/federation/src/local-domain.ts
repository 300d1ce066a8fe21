import { z } from 'zod'
import { domainSchema } from './partner.ts'
import { MESSAGE_MODES, SIP_PROFILE_NAMES } from './sip-profile.ts'
import type { MessageMode, SipProfileName } from './sip-profile.ts'

/** When something goes to a SIP user that not every SIP client takes. */
export const MESSAGE_EXTRAS = ['never', 'learned', 'always'] as const
export type MessageExtra = (typeof MESSAGE_EXTRAS)[number]

/** How messages are written for the users of a domain, beyond plain text. */
export interface LocalDomainMessages {
  /** Null: the profile's. */
  readonly mode: MessageMode | null
  /** Language tags, the best first. */
  readonly languages: readonly string[]
  readonly allLanguages: MessageExtra
  readonly typing: boolean
  readonly reports: MessageExtra
  readonly receiptOn200: boolean
  readonly html: MessageExtra
  readonly stanzaType: 'mirror' | 'rfc' | 'chat'
  readonly stickyThread: boolean
  readonly split: boolean
  readonly lateErrors: 'message' | 'report'
  readonly reactions: boolean
  readonly invitations: boolean
}

/** Who answers SIP users that watch XMPP users: we (`notifier`), or their own server, to which we publish. @see RFC 3903 */
export const PRESENCE_MODES = ['notifier', 'publish'] as const
export type PresenceMode = (typeof PRESENCE_MODES)[number]

/** How the users of a domain come to see XMPP users. */
export interface LocalDomainPresence {
  readonly mode: PresenceMode
  /** While the server shows an XMPP user to somebody whom he has not approved. */
  readonly unapproved: 'withhold' | 'show'
  /** Whether who may see a user may also know the name that his client gives him. */
  readonly vcards: boolean
  /** Whether the words of a status count where nothing else tells what it means. */
  readonly noteHeuristics: boolean
}

/** A domain of ours: its users live on the SIP side. A rule that is null is the profile's. */
export interface LocalDomain {
  readonly domain: string
  readonly route: string
  readonly backupRoutes: readonly string[]
  readonly profile: SipProfileName
  readonly congestionSafe: boolean | null
  readonly maxMessageBytes: number | null
  readonly acceptedStatus: 200 | 202 | null
  readonly gruu: 'raw' | 'off' | null
  readonly assertedIdentity: boolean | null
  readonly contactInMessage: boolean | null
  readonly messages: LocalDomainMessages
  readonly presence: LocalDomainPresence
}

const ROUTE =
  /^sips?:(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?:;(?:lr|transport=(?:udp|tcp|tls)))*$/i

const isRoute = (text: string): boolean => {
  const match = ROUTE.exec(text)
  return match !== null && (match[1] === undefined || (Number(match[1]) > 0 && Number(match[1]) <= 65_535))
}

const LEARNED =
  'learned sends it to those who have sent such a thing themselves, or whose servers name it in the Accept of their answers to OPTIONS, and who have not refused one (415)'

/** @see RFC 5646 §2.1 */
const LANGUAGE_TAG = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/
const languageTag = z.string().max(35).regex(LANGUAGE_TAG, 'not a language tag such as de or pt-BR')

const messagesSchema = z
  .strictObject({
    mode: z
      .enum(MESSAGE_MODES)
      .nullable()
      .default(null)
      .describe(
        'Whether each message is a request of its own (pager, RFC 3428), or goes within a session of the two that an INVITE opens (session), as the clients of Lync-like servers want it; null: as the profile says, which is session for lync and pager for all others.',
      ),
    languages: z
      .array(languageTag)
      .max(10)
      .default([])
      .describe(
        'What the users of the domain read, the best first, as language tags: of a message that an XMPP user wrote in several languages they get the first of these that it has (de is also found as de-AT); else the text that names no language, else the first.',
      ),
    allLanguages: z
      .enum(MESSAGE_EXTRAS)
      .default('never')
      .describe(
        `Whether such a message goes to SIP users in all its languages, as multipart/alternative with the chosen one last: ${LEARNED}.`,
      ),
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
    receiptOn200: z
      .boolean()
      .default(false)
      .describe(
        'Whether 200 (not 202) to a MESSAGE counts as a delivery receipt for an XMPP user who asked for one and no report is asked of the SIP user. Only where no server of the domain answers 200 for users who are away.',
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
    reactions: z
      .boolean()
      .default(false)
      .describe(
        'Whether the reactions of an XMPP user to a message (XEP-0444) go to SIP users as a message of those emoji; else they are let fall.',
      ),
    invitations: z
      .boolean()
      .default(false)
      .describe(
        'Whether an invitation to a room (XEP-0045, XEP-0249) goes to SIP users as a message that says so; they cannot enter it from here. Else it is let fall.',
      ),
  })
  .prefault({})
  .describe('How messages are written for the users of the domain.')

const presenceSchema = z
  .strictObject({
    mode: z
      .enum(PRESENCE_MODES)
      .default('notifier')
      .describe(
        'Who answers the users of the domain when they watch XMPP users: stox itself (notifier), or their SIP server, to which stox publishes what XMPP users show (publish, RFC 3903) and which tells it who watches (presence.winfo, RFC 3857).',
      ),
    unapproved: z
      .enum(['withhold', 'show'])
      .default('withhold')
      .describe(
        'With publish: what is done while the SIP server lets somebody see an XMPP user who has not approved him: nothing is published of that user (withhold), or the server decides alone (show).',
      ),
    vcards: z
      .boolean()
      .default(false)
      .describe(
        'Whether XMPP users who may see the presence of a user of the domain, and ask for his vCard (XEP-0054), get the name that his client put into From of his last message.',
      ),
    noteHeuristics: z
      .boolean()
      .default(false)
      .describe(
        'Whether a status of a user of the domain that says no more than On the phone, Busy, Do not disturb or Away is shown as such to XMPP users, where his server sends words alone and no RPID.',
      ),
  })
  .prefault({})
  .describe('How the users of the domain and XMPP users come to see each other.')

const sipRoute = z.string().max(512).refine(isRoute, 'not a SIP route')

const byProfile = <T extends z.ZodType>(rule: T) => rule.nullable().default(null)

export const localDomainSchema = z
  .strictObject({
    domain: domainSchema.describe('A domain served here, such as capulet.example; never a domain of a partner.'),
    route: sipRoute.describe(
      'The SIP server of the domain: sip:host:port;transport=udp, tcp or tls, or sips:host. Without a port it is looked up in DNS (RFC 3263). With TLS its certificate must be for that host or for the domain (RFC 5922).',
    ),
    backupRoutes: z
      .array(sipRoute)
      .max(16)
      .default([])
      .describe('Further servers of the domain, tried in this order when the servers of the route fail or are down.'),
    profile: z
      .enum(SIP_PROFILE_NAMES)
      .default('generic')
      .describe('What kind of SIP server it is: sets all of the following that are not given (see docs/sip.md).'),
    congestionSafe: byProfile(z.boolean()).describe(
      'Whether every hop to the users of the domain is known to run over TCP or TLS, so that a MESSAGE may exceed 1300 bytes (RFC 3428 §8).',
    ),
    maxMessageBytes: byProfile(z.int().min(1300).max(1_048_576)).describe(
      'Largest MESSAGE request sent on a congestion-safe route, in bytes (on any other route the limit is 1300), and largest body taken from the users of the domain.',
    ),
    acceptedStatus: byProfile(z.union([z.literal(200), z.literal(202)])).describe(
      'Final response to a MESSAGE that was passed on: 202 (RFC 3428 §7), or 200 for servers that want it.',
    ),
    gruu: byProfile(z.enum(['raw', 'off'])).describe(
      'Whether an XMPP resource travels as a gr parameter (raw) or not at all (off).',
    ),
    assertedIdentity: byProfile(z.boolean()).describe(
      'Whether P-Asserted-Identity (RFC 3325) names the sender in what the server sends, and is written in what it is sent.',
    ),
    contactInMessage: byProfile(z.boolean()).describe('Whether a MESSAGE carries a Contact, as some servers ask for.'),
    messages: messagesSchema,
    presence: presenceSchema,
  })
  .describe('A local domain and the SIP route to it.') satisfies z.ZodType<LocalDomain>
