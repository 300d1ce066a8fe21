import { z } from 'zod'
import { normaliseDomain } from './domain.ts'

/** How far we trust what a partner says about its users. @see Create or edit XMPP partner configuration (Lync Server 2013) */
export const PARTNER_TYPES = ['federated', 'publicVerified', 'publicUnverified'] as const
export type PartnerType = (typeof PARTNER_TYPES)[number]

/** Whether a feature of the stream must, may or must not be negotiated. @see Negotiation settings for XMPP federated partners (Lync Server 2013) */
export const NEGOTIATIONS = ['required', 'optional', 'notSupported'] as const
export type Negotiation = (typeof NEGOTIATIONS)[number]

/** What we send on a quiet stream: a space, or a question that must be answered. @see RFC 6120 §4.6.1, XEP-0199 */
export const KEEP_ALIVES = ['whitespace', 'ping'] as const
export type KeepAlive = (typeof KEEP_ALIVES)[number]

export interface PartnerFeatures {
  readonly im: boolean
  readonly presence: boolean
  readonly typing: boolean
  readonly receipts: boolean
}

export interface PartnerLimits {
  readonly maxStanzaBytes: number
  /** Null: as fast as flow control allows. */
  readonly stanzasPerSecond: number | null
  readonly bytesPerSecond: number | null
}

/** An XMPP allowed partner. @see New-CsXmppAllowedPartner (Lync Server 2013) */
export interface XmppPartner {
  readonly domain: string
  readonly additionalDomains: readonly string[]
  readonly description: string
  readonly partnerType: PartnerType
  readonly tlsNegotiation: Negotiation
  readonly saslNegotiation: Negotiation
  readonly dialback: boolean
  /** SHA-256 of the SubjectPublicKeyInfo, in Base64. @see RFC 7469 §2.4 */
  readonly certificatePins: readonly string[]
  readonly keepAlive: boolean
  readonly keepAliveBy: KeepAlive
  /** Null: the settings' limit for each partner. */
  readonly connectionLimit: number | null
  readonly proxy: { readonly host: string; readonly port: number } | null
  readonly enabled: boolean
  readonly features: PartnerFeatures
  readonly limits: PartnerLimits
}

/** A domain name, brought to its one spelling; no wildcard. */
export const domainSchema = z
  .string()
  .max(1023)
  .refine((text) => normaliseDomain(text) !== undefined, 'not a domain name')
  .overwrite((text) => normaliseDomain(text) ?? text)

/** Old keys and new ones, of a handful of servers. */
const MAX_PINS = 20
const pinSchema = z
  .string()
  .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, 'not the Base64 of a SHA-256: 44 characters that end with =')

const switchedOn = (text: string) => z.boolean().default(true).describe(text)

export const xmppPartnerSchema = z
  .strictObject({
    domain: domainSchema.describe(
      'Primary domain of the partner, such as montague.example; unique over all partners. Sub-domains are not implied and there are no wildcards.',
    ),
    additionalDomains: z
      .array(domainSchema)
      .max(1000)
      .default([])
      .describe('Other domains of the same partner. Every sub-domain has to be listed.'),
    description: z.string().max(1000).default('').describe('Free text for administrators.'),
    partnerType: z
      .enum(PARTNER_TYPES)
      .default('publicUnverified')
      .describe(
        'Trust in the partner: federated (both sides may start, and its users see status notes), publicVerified (both sides may start, status notes stay private) or publicUnverified (a partner user reaches a local user only after that local user has added him).',
      ),
    tlsNegotiation: z
      .enum(NEGOTIATIONS)
      .default('required')
      .describe(
        'Whether the stream must, may or must not be encrypted with STARTTLS: required, optional or notSupported.',
      ),
    saslNegotiation: z
      .enum(NEGOTIATIONS)
      .default('required')
      .describe(
        'Whether the partner must, may or must not authenticate with its certificate (SASL EXTERNAL): required, optional or notSupported. Needs TLS.',
      ),
    dialback: switchedOn(
      'Whether server dialback (XEP-0220) may authenticate the partner where SASL does not. When false, a dialback request from the partner is ignored.',
    ),
    certificatePins: z
      .array(pinSchema)
      .max(MAX_PINS)
      .default([])
      .describe(
        'Public keys of the partner, each the Base64 of the SHA-256 of its SubjectPublicKeyInfo (RFC 7469 §2.4). Where there are any, a certificate with one of these keys that names the domain and has not expired proves it without an authority, and no other certificate proves anything; dialback, where the settings leave it, needs none. Name the next key before the partner changes to it.',
      ),
    keepAlive: switchedOn(
      'Whether the partner is expected to send something within keepAliveIntervalS; a stream silent for longer is closed.',
    ),
    keepAliveBy: z
      .enum(KEEP_ALIVES)
      .default('whitespace')
      .describe(
        'What we send on our own stream when nothing went out for keepAliveIntervalS: whitespace, or a ping (XEP-0199), without an answer to which within a minute the stream is closed. Counts only with keepAlive.',
      ),
    connectionLimit: z
      .int()
      .min(1)
      .max(100_000)
      .nullable()
      .default(null)
      .describe('Most simultaneous connections with this partner; null takes partnerConnectionLimit of the settings.'),
    proxy: z
      .strictObject({
        host: z
          .string()
          .min(1)
          .max(255)
          .regex(/^[\p{L}\p{N}.:_-]+$/u, 'not a host name or address')
          .describe('Host name or IP address to connect to.'),
        port: z.int().min(1).max(65_535).default(5269).describe('TCP port to connect to.'),
      })
      .nullable()
      .default(null)
      .describe(
        'Fixed host and port for streams to this partner, in place of the SRV lookup; null looks the partner up in DNS.',
      ),
    enabled: switchedOn(
      'Whether anything is exchanged with the partner; false keeps the entry but refuses everything.',
    ),
    features: z
      .strictObject({
        im: switchedOn('Messages in both directions.'),
        presence: switchedOn('Presence and subscriptions in both directions.'),
        typing: switchedOn('Typing notifications in both directions.'),
        receipts: switchedOn('Delivery receipts and display markers in both directions.'),
      })
      .prefault({})
      .describe('What may be exchanged with the partner: im, presence, typing, receipts.'),
    limits: z
      .strictObject({
        maxStanzaBytes: z
          .int()
          .min(10_000)
          .max(16_777_216)
          .default(262_144)
          .describe(
            'Largest stanza accepted from the partner, in bytes; every server must take at least 10000 (RFC 6120 §13.12).',
          ),
        stanzasPerSecond: z
          .number()
          .positive()
          .max(1_000_000)
          .nullable()
          .default(null)
          .describe(
            'Stanzas accepted from the partner in a second, all its streams together; beyond it reading slows down. null sets no rate.',
          ),
        bytesPerSecond: z
          .number()
          .min(1000)
          .max(1_000_000_000)
          .nullable()
          .default(null)
          .describe(
            'Bytes read from the partner in a second, all its streams together; beyond it reading slows down. null sets no rate.',
          ),
      })
      .prefault({})
      .describe('Bounds on what the partner may send.'),
  })
  .describe(
    'An XMPP partner: a domain with which messages and presence may be exchanged.',
  ) satisfies z.ZodType<XmppPartner>
