import { domainSchema, localDomainSchema } from '@stox/federation'
import { fail, ok, parseHostPort } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { isCertificate, pemFile, readText, textOf } from '@stox/service'
import type { ConfigProblem } from '@stox/service'
import { DIGEST_ALGORITHMS } from '@stox/sip'
import { SIP_IDENTITY, TlsIdentity } from '@stox/transport'
import type { CertificateFile, SipTlsOptions, TrustSource } from '@stox/transport'
import { z } from 'zod'
import type { SipCredentials } from './authenticating-sender.ts'
import type { DigestUser } from './digest-guard.ts'
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

const password = z.string().min(1).max(1024)
const secret = {
  password: password.optional().describe('The password; rather give passwordFile, or the environment.'),
  passwordFile: z.string().min(1).optional().describe('File with the password in its first line.'),
}
const username = z.string().min(1).max(255)

const credentialsSchema = z.strictObject({
  domain: domainSchema.describe('The domain of ours whose SIP server asks.'),
  realm: z.string().max(255).optional().describe('The realm to answer; left out: any.'),
  username: username.describe('The name of the account.'),
  ...secret,
})

const digestSchema = z
  .strictObject({
    realm: z.string().min(1).max(255).describe('What the challenge names, such as sip.example.'),
    users: z
      .array(
        z.strictObject({
          username: username.describe('The name of the account.'),
          ...secret,
          domains: z
            .array(domainSchema)
            .max(1000)
            .default([])
            .describe('The domains for whose users it may speak; empty: all that are served here.'),
        }),
      )
      .min(1)
      .max(1000)
      .describe('Who may authenticate.'),
    algorithms: z
      .array(z.enum(DIGEST_ALGORITHMS))
      .min(1)
      .default(['SHA-256', 'MD5'])
      .describe('What we offer, best first (RFC 8760); MD5 for peers that have nothing else.'),
    nonceLifeS: z.int().min(10).max(86_400).default(300).describe('How long a challenge may be answered.'),
  })
  .optional()
  .describe('Digest authentication of peers that are not in trustedPeers (RFC 3261 §22); left out: they are refused.')

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
        certificates: z
          .array(
            z.strictObject({
              domains: z
                .array(domainSchema)
                .min(1)
                .max(1000)
                .describe('Names by which peers ask for it, and domains for which we connect with it.'),
              cert: pemFile('CERTIFICATE').describe('PEM file with the certificate and its chain.'),
              key: pemFile('PRIVATE KEY').describe('PEM file with its private key, not encrypted.'),
            }),
          )
          .max(1000)
          .default([])
          .describe(
            'Certificates of single domains, chosen by the name in the handshake (SNI) of who connects, and by the domain of the route when we connect; cert and key are for all others.',
          ),
        ca: trustedCas
          .default(SYSTEM)
          .describe(
            'Who may vouch for the certificates of SIP servers: system, or a PEM file with the CAs, read again when it changes.',
          ),
        revocations: z
          .array(z.string().min(1))
          .max(100)
          .default([])
          .describe(
            'Files with lists of what authorities have revoked (CRLs, PEM or DER, of 4 MiB at most), read again when they change: no new connection is made with who shows such a certificate. A list counts when the authority above the certificate has signed it, also when its nextUpdate has passed. Nothing is fetched.',
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
    credentials: z
      .array(credentialsSchema)
      .max(10_000)
      .default([])
      .describe('With what we answer when the SIP server of a domain asks for a password (401, 407); never logged.'),
    digest: digestSchema,
    gruu: z
      .enum(['raw', 'opaque', 'off'])
      .default('raw')
      .describe(
        'How an XMPP resource travels to the domains that take one: as a gr parameter (raw), as a token in it that says nothing (opaque), or not at all (off).',
      ),
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
    sessions: z
      .strictObject({
        most: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(20_000)
          .describe(
            'Sessions at the same time (messages.mode session). When there is no room, one that has been silent for a minute ends; without such a one new ones are refused.',
          ),
        mostPerDomain: z
          .int()
          .min(1)
          .max(1_000_000)
          .default(10_000)
          .describe('Sessions with the SIP server of one domain at the same time.'),
        idleS: z
          .int()
          .min(10)
          .max(86_400)
          .default(600)
          .describe('After how long without a word a session is ended (RFC 7573 §6); the next word opens another.'),
        patienceS: z
          .int()
          .min(1)
          .max(180)
          .default(20)
          .describe(
            'How long a SIP user has to take a session that we open before it is cancelled, and its message refused.',
          ),
      })
      .prefault({})
      .describe('Sessions with the users of domains that write in them.'),
    overload: z
      .strictObject({
        newSessions: z
          .int()
          .min(1)
          .max(100_000)
          .default(1000)
          .describe('INVITEs of SIP users under way; above it the next are answered 503 with Retry-After.'),
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
          .describe(
            'How late the process may run, twice in a row, before new requests are answered 503; new subscriptions at half of it.',
          ),
        newSubscriptions: z
          .int()
          .min(1)
          .max(100_000)
          .default(500)
          .describe(
            'New subscriptions of SIP users that have not had their first NOTIFY answered, and of XMPP users that no SIP server has answered; above it the next are told to come again.',
          ),
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
  readonly revocations: readonly string[]
}

/** Checked, and with the files that it names read. */
export interface SipConfig extends Omit<SipSection, 'tls' | 'credentials' | 'digest'> {
  readonly tls: SipTlsConfig | undefined
  readonly credentials: readonly SipCredentials[]
  readonly digest:
    (Omit<NonNullable<SipSection['digest']>, 'users'> & { readonly users: readonly DigestUser[] }) | undefined
}

/** Everything that is wrong with what the section says and names. */
export function readSipSection(section: SipSection): Result<SipConfig, readonly ConfigProblem[]> {
  const { tls, credentials, digest, ...rest } = section
  const read = tls === undefined ? ok(undefined) : readTls(tls)
  const problems: ConfigProblem[] = [...domainProblems(rest), ...(read.ok ? needsTls(section) : read.failure)]
  const withPassword = <T extends Secret>({ password: given, passwordFile, ...account }: T, path: string) => {
    const found = passwordOf(given, passwordFile)
    if (!found.ok) problems.push({ path, problem: found.failure, hint: 'give password or passwordFile, not both' })
    return { ...account, password: found.ok ? found.value : '' }
  }
  const ours = credentials.map((one, at) => withPassword(one, `sip.credentials[${at}]`))
  const users = digest?.users.map((one, at) => withPassword(one, `sip.digest.users[${at}]`)) ?? []
  if (problems.length > 0 || !read.ok) return fail(problems)
  const guard = digest === undefined ? undefined : { ...digest, users }
  return ok({ ...rest, tls: read.value, credentials: ours, digest: guard })
}

interface Secret {
  readonly password?: string | undefined
  readonly passwordFile?: string | undefined
}

function passwordOf(given: string | undefined, file: string | undefined): Result<string, string> {
  if ((given === undefined) === (file === undefined)) return fail(given === undefined ? 'no password' : 'two passwords')
  const text = file === undefined ? ok(given ?? '') : readText(file)
  if (!text.ok) return fail(`${file}: ${text.failure}`)
  const [first = ''] = text.value.split(/\r?\n/)
  return first === '' ? fail(`${file}: no password in its first line`) : ok(first)
}

function readTls(tls: NonNullable<SipSection['tls']>): Result<SipTlsConfig, readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  const files = [{ domains: [SIP_IDENTITY], cert: tls.cert, key: tls.key }, ...tls.certificates]
  const identity = TlsIdentity.of(
    files.map(({ domains, cert, key }) => ({ domains, cert: textOf(cert), key: textOf(key) })),
  )
  for (const { entry, field, problem } of identity.ok ? [] : identity.failure) {
    const named = files[entry]?.[field]
    const at = entry === 0 ? 'sip.tls' : `sip.tls.certificates[${entry - 1}]`
    problems.push({
      path: `${at}.${field}`,
      problem: typeof named === 'string' ? `${named}: ${problem}` : problem,
      hint: 'our certificate and its key',
    })
  }
  if (tls.ca !== SYSTEM && !isCertificate(textOf(tls.ca))) {
    const hint = 'system, or the CAs of the SIP servers in PEM form'
    problems.push({ path: 'sip.tls.ca', problem: `${tls.ca}: not a certificate`, hint })
  }
  if (!identity.ok || problems.length > 0) return fail(problems)
  const trust: TrustSource = tls.ca === SYSTEM ? { kind: SYSTEM } : { kind: 'file', path: tls.ca }
  const { clientCertificates, revocations } = tls
  return ok({ identity: identity.value, clientCertificates, trust, files, revocations })
}

const BY_TLS = /^(?:sips:|tls:|.*;transport=tls)/i

/** What says TLS while there is no certificate. */
function needsTls({ tls, listen, domains }: Pick<SipSection, 'tls' | 'listen' | 'domains'>): readonly ConfigProblem[] {
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
