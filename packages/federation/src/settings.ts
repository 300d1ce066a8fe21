import { z } from 'zod'

/** What holds for every partner. @see Set-CsXmppGatewayConfiguration (Lync Server 2013) */
export interface Settings {
  readonly federation: boolean
  readonly xmpp: boolean
  readonly discovery: boolean
  readonly connectionLimit: number
  readonly partnerConnectionLimit: number
  readonly establishmentTimeoutS: number
  readonly inactivityTimeoutS: number
  readonly keepAliveIntervalS: number
  readonly subscriptionRefreshS: number
  /** Never shown; null means that one is made up and kept. */
  readonly dialbackPassphrase: string | null
  readonly logBodies: boolean
  readonly journalRetentionDays: number
  readonly contactAddresses: ContactAddresses
  readonly softwareVersion: boolean
}

/** Whom others may write to about our domains, as URIs. @see XEP-0157 */
export type ContactAddresses = Readonly<Record<ContactRole, readonly string[]>>

export const CONTACT_ROLES = ['abuse', 'admin', 'feedback', 'sales', 'security', 'support'] as const
export type ContactRole = (typeof CONTACT_ROLES)[number]

const contactUri = z
  .string()
  .max(512)
  .regex(/^(?:mailto|xmpp|sip|tel|https?):[^\s<>"]+$/, 'not a mailto:, xmpp:, sip:, tel: or http(s): address')

const contactsOf = (what: string) => z.array(contactUri).max(10).default([]).describe(what)

const contactAddressesSchema = z
  .strictObject({
    abuse: contactsOf('For those who are troubled by our users.'),
    admin: contactsOf('Who runs the servers.'),
    feedback: contactsOf('For what else is to be said.'),
    sales: contactsOf('Who sells the service.'),
    security: contactsOf('For those who have found a hole.'),
    support: contactsOf('Who helps users.'),
  } satisfies Record<ContactRole, unknown>)
  .prefault({})
  .describe(
    'Whom others may write to about our domains: told to every XMPP server that asks (XEP-0157), as mailto:, xmpp: or other addresses.',
  )

export const settingsSchema = z
  .strictObject({
    federation: z
      .boolean()
      .default(false)
      .describe('Master switch: false refuses every message and presence to and from other organisations.'),
    xmpp: z.boolean().default(true).describe('Switch for XMPP federation; counts only while federation is on.'),
    discovery: z
      .boolean()
      .default(false)
      .refine((wanted) => !wanted, 'discovery of partners is not built yet: list them')
      .describe('Whether partners that are on no list may be discovered. Not built yet: only false is taken.'),
    connectionLimit: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1000)
      .describe('Most simultaneous XMPP connections, all partners together.'),
    partnerConnectionLimit: z
      .int()
      .min(1)
      .max(100_000)
      .default(20)
      .describe('Most simultaneous XMPP connections with one partner that sets no connectionLimit of its own.'),
    establishmentTimeoutS: z
      .int()
      .min(1)
      .max(3600)
      .default(60)
      .describe('Seconds within which a stream must be authenticated; otherwise its connection is dropped.'),
    inactivityTimeoutS: z
      .int()
      .min(1)
      .max(604_800)
      .default(600)
      .describe('Seconds after which a stream that carries nothing is closed.'),
    keepAliveIntervalS: z
      .int()
      .min(1)
      .max(604_800)
      .default(300)
      .describe('Seconds within which a partner with keepAlive must send something; otherwise its stream is closed.'),
    subscriptionRefreshS: z
      .int()
      .min(60)
      .max(604_800)
      .default(28_800)
      .describe(
        'Seconds within which a presence subscription is refreshed. Not used yet: `presence.expiresS` of gateway.yaml decides.',
      ),
    dialbackPassphrase: z
      .string()
      .min(16)
      .max(1024)
      .nullable()
      .default(null)
      .describe(
        'Secret from which dialback keys are made, at least 16 characters; write-only. null: one is made up at first start and kept.',
      ),
    logBodies: z
      .boolean()
      .default(false)
      .refine((wanted) => !wanted, 'logging of message texts is not built yet')
      .describe('Whether the text of messages goes to the log. Not built yet: only false is taken.'),
    journalRetentionDays: z.int().min(1).max(3650).default(30).describe('Days for which the message journal is kept.'),
    contactAddresses: contactAddressesSchema,
    softwareVersion: z
      .boolean()
      .default(false)
      .describe(
        'Whether XMPP servers and users that ask our domains are told that this is stox, and which version (XEP-0092).',
      ),
  })
  .describe('Settings for the whole system.') satisfies z.ZodType<Settings>

export const DEFAULT_SETTINGS: Settings = settingsSchema.parse({})
