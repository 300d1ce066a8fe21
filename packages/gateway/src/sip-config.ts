import { localDomainSchema } from '@stox/federation'
import { fail, ok, parseHostPort } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { isCertificate, pemFile, textOf } from '@stox/service'
import type { ConfigProblem } from '@stox/service'
import { SIP_IDENTITY, TlsIdentity } from '@stox/transport'
import type { CertificateFile, SipTlsOptions, TrustSource } from '@stox/transport'
import { z } from 'zod'
import { isPeer } from './trusted-peers.ts'

const sipAddress = z
  .string()
  .refine(
    (text) => /^(?:udp|tcp|tls):/.test(text) && parseHostPort(text.slice(4)).ok,
    'not udp:host:port, tcp:host:port or tls:host:port',
  )

const SYSTEM = 'system'
const trustedCas = z.string().superRefine((text, context) => {
  if (text === SYSTEM) return
  for (const issue of pemFile('CERTIFICATE').safeParse(text).error?.issues ?? [])
    context.addIssue({ code: 'custom', message: issue.message })
})

const { acceptedStatus, ...domainShape } = localDomainSchema.shape

export const sipSection = z
  .strictObject({
    listen: z
      .array(sipAddress)
      .min(1)
      .max(16)
      .describe('Where we listen for SIP: udp:host:port, tcp:host:port and tls:host:port.'),
    advertisedHost: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('Host to write into Via and Contact when we listen on a wildcard address.'),
    tls: z
      .strictObject({
        cert: pemFile('CERTIFICATE').describe(
          'PEM file with our certificate and its chain, read again when it changes.',
        ),
        key: pemFile('PRIVATE KEY').describe('PEM file with its private key, not encrypted.'),
        ca: trustedCas
          .default(SYSTEM)
          .describe(
            'Who may vouch for the certificates of SIP servers: system, or a PEM file with the CAs, read again when it changes.',
          ),
        clientCertificates: z
          .enum(['required', 'optional'])
          .default('required')
          .describe(
            'Whether a server that connects to us must prove a SIP domain by its certificate (RFC 5922); when it may but need not, trustedPeers decides by its address.',
          ),
      })
      .optional()
      .describe('SIP over TLS 1.2 and 1.3: needed for tls: in sip.listen and for routes by TLS.'),
    domains: z
      .array(z.strictObject({ ...domainShape, answer: acceptedStatus }))
      .max(10_000)
      .default([])
      .describe('The domains served here, each with the route to its SIP server.'),
    trustedPeers: z
      .array(z.string().max(255).refine(isPeer, 'not an address, a network or tls:name'))
      .min(1)
      .describe(
        'Whose requests we take: addresses, networks as 10.0.0.0/8, and tls:sip.example for whoever proves that name by a certificate (RFC 5922); everybody else is refused.',
      ),
    trustAssertedIdentity: z
      .boolean()
      .default(false)
      .describe(
        'Whether P-Asserted-Identity of a trusted peer says who writes, in place of From (RFC 3325). Only for peers that take the header out of what their users send.',
      ),
    gruu: z
      .enum(['raw', 'off'])
      .default('raw')
      .describe('Whether an XMPP resource travels as a gr parameter as each domain says (raw), or never (off).'),
    probeIntervalS: z
      .int()
      .min(0)
      .max(3600)
      .default(30)
      .describe(
        'How often each server of the routes is asked by OPTIONS whether it is there; after two misses it is down and another one is preferred. 0: never.',
      ),
    keepAliveS: z
      .int()
      .min(0)
      .max(3600)
      .default(0)
      .describe(
        'How often a TCP or TLS connection of ours is pinged with CRLF CRLF (RFC 5626 §3.5.1), which the server must answer; 0: never, and it is closed when idle.',
      ),
    idleS: z.int().min(10).max(86_400).default(90).describe('How long a TCP or TLS connection is kept without use.'),
    maxConnections: z.int().min(1).max(100_000).default(1000).describe('TCP and TLS connections at the same time.'),
    maxConnectionsPerPeer: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe('TCP and TLS connections from and to one address at the same time.'),
    overload: z
      .strictObject({
        unanswered: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(20_000)
          .describe('Requests taken and not answered yet; above it new ones are answered 503 with Retry-After.'),
        delayMs: z
          .int()
          .min(100)
          .max(60_000)
          .default(1000)
          .describe('How late the process may run, twice in a row, before new requests are answered 503.'),
      })
      .prefault({})
      .describe('When to refuse requests before any is lost (RFC 3261 §21.5.4).'),
  })
  .describe('The SIP side.')

export type SipSection = z.output<typeof sipSection>

/** TLS as it was read from the files, and the files, to be read again. */
export interface SipTlsConfig extends Pick<SipTlsOptions, 'identity' | 'clientCertificates'> {
  readonly trust: TrustSource
  readonly files: readonly CertificateFile[]
}

/** Checked, and with the files that it names read. */
export interface SipConfig extends Omit<SipSection, 'tls'> {
  readonly tls: SipTlsConfig | undefined
}

/** Everything that is wrong with what the section says and names. */
export function readSipSection({ tls, ...rest }: SipSection): Result<SipConfig, readonly ConfigProblem[]> {
  const read = tls === undefined ? ok(undefined) : readTls(tls)
  const problems = [...domainProblems(rest), ...(read.ok ? needsTls({ tls, ...rest }) : read.failure)]
  return problems.length > 0 || !read.ok ? fail(problems) : ok({ ...rest, tls: read.value })
}

function readTls(tls: NonNullable<SipSection['tls']>): Result<SipTlsConfig, readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  const files = [{ domains: [SIP_IDENTITY], cert: tls.cert, key: tls.key }]
  const identity = TlsIdentity.of([{ domains: [SIP_IDENTITY], cert: textOf(tls.cert), key: textOf(tls.key) }])
  for (const { field, problem } of identity.ok ? [] : identity.failure) {
    const file = field === 'domains' ? tls.cert : tls[field]
    problems.push({ path: `sip.tls.${field}`, problem: `${file}: ${problem}`, hint: 'our certificate and its key' })
  }
  if (tls.ca !== SYSTEM && !isCertificate(textOf(tls.ca))) {
    const hint = 'system, or the CAs of the SIP servers in PEM form'
    problems.push({ path: 'sip.tls.ca', problem: `${tls.ca}: not a certificate`, hint })
  }
  if (!identity.ok || problems.length > 0) return fail(problems)
  const trust: TrustSource = tls.ca === SYSTEM ? { kind: SYSTEM } : { kind: 'file', path: tls.ca }
  return ok({ identity: identity.value, clientCertificates: tls.clientCertificates, trust, files })
}

const BY_TLS = /^(?:sips:|tls:|.*;transport=tls)/i

/** What says TLS while there is no certificate. */
function needsTls({ tls, listen, domains }: SipSection): readonly ConfigProblem[] {
  if (tls !== undefined) return []
  const needing = [
    ...listen.flatMap((address, at) => (BY_TLS.test(address) ? [`sip.listen[${at}]`] : [])),
    ...domains.flatMap(({ route, backupRoutes }, at) =>
      [route, ...backupRoutes].some((one) => BY_TLS.test(one)) ? [`sip.domains[${at}].route`] : [],
    ),
  ]
  return needing.map((path) => ({ path, problem: 'TLS without a certificate', hint: 'set sip.tls.cert, key and ca' }))
}

const domainProblems = ({ domains }: Pick<SipSection, 'domains'>): readonly ConfigProblem[] =>
  domains.flatMap(({ domain }, at) =>
    domains.findIndex((other) => other.domain === domain) === at
      ? []
      : [{ path: `sip.domains[${at}].domain`, problem: `${domain} is listed twice`, hint: 'a domain has one route' }],
  )
