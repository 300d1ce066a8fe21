import { domainSchema } from '@stox/federation'
import { fail, ok, type Result } from '@stox/kernel'
import {
  address,
  dnsSection,
  isCertificate,
  logSection,
  nodeName,
  opsSection,
  pemFile,
  readConfigFile,
  readLinkFiles,
  textOf,
  type ConfigProblem,
  type Environment,
} from '@stox/service'
import type { LogLevel } from '@stox/telemetry'
import { TlsIdentity, type CertificateFile, type LinkTls, type TrustSource } from '@stox/transport'
import { z } from 'zod'

const certificateSchema = z.strictObject({
  domains: z.array(domainSchema).min(1).max(10_000).describe('The served domains that this certificate is for.'),
  cert: pemFile('CERTIFICATE').describe('PEM file with the certificate and its chain.'),
  key: pemFile('PRIVATE KEY').describe('PEM file with the private key, not encrypted.'),
})

const SYSTEM = 'system'
const trustedCas = z.string().superRefine((text, context) => {
  if (text === SYSTEM) return
  for (const issue of pemFile('CERTIFICATE').safeParse(text).error?.issues ?? []) {
    context.addIssue({ code: 'custom', message: issue.message })
  }
})

export const edgeConfigSchema = z
  .strictObject({
    node: nodeName.describe(
      'Name of this edge: letters, digits, dots and dashes; it stands in logs, metrics and session ids.',
    ),
    xmpp: z
      .strictObject({
        listen: z
          .array(address)
          .min(1)
          .max(16)
          .describe('Where partners connect (s2s with STARTTLS), as host:port, such as 0.0.0.0:5269.'),
        listenDirectTls: z
          .array(address)
          .max(16)
          .default([])
          .describe('Where partners connect with TLS from the first byte (XEP-0368), such as 0.0.0.0:5270.'),
        certificates: z
          .array(certificateSchema)
          .min(1)
          .max(10_000)
          .describe(
            'The certificates of the served domains, chosen by domain; read again when the files change, or at once on SIGHUP.',
          ),
        trustedCas: trustedCas
          .default('system')
          .describe(
            'Who may vouch for the certificates of partners: system, or a PEM file with the CAs, read again when it changes; streams end then that none of them vouches for any more.',
          ),
        revocations: z
          .array(z.string().min(1))
          .max(100)
          .default([])
          .describe(
            'Files with lists of what authorities have revoked (CRLs, PEM or DER, of 4 MiB at most), read again when they change; streams that a revoked certificate has proven end then. A list counts when the authority above the certificate has signed it, also when its nextUpdate has passed. Nothing is fetched: put the new lists there by a job of your own.',
          ),
        penalties: z
          .strictObject({
            freeFaults: z
              .number()
              .int()
              .min(1)
              .max(100_000)
              .default(6)
              .describe(
                'So many streams of a partner may end by its own fault before the next has to wait: 1 s, then twice as long each time, up to 60 s.',
              ),
            forgivenEveryS: z
              .number()
              .int()
              .min(1)
              .max(3600)
              .default(20)
              .describe('After so many seconds one fault is forgotten, and after as many again the next.'),
          })
          .prefault({})
          .describe(
            'What streams cost that end by the fault of who opened them: broken XML, a stanza beyond the limit, a domain not proven, failed authentication. Told as `penalty`.',
          ),
      })
      .describe('Streams with XMPP partners.'),
    link: z
      .strictObject({
        listen: address.describe('Where the gateways attach, on the inside face, as host:port.'),
        cert: pemFile('CERTIFICATE').describe('PEM file with the certificate that this edge shows to gateways.'),
        key: pemFile('PRIVATE KEY').describe('PEM file with its private key.'),
        ca: pemFile('CERTIFICATE').describe(
          'PEM file with the inside CA that signed the certificates of the gateways.',
        ),
        peers: z
          .array(z.string().min(1).max(255))
          .min(1)
          .describe('Names (subject alternative names) of the certificates of gateways that may attach.'),
      })
      .describe('The link to the gateways: they dial, with mutual TLS.'),
    ops: opsSection('127.0.0.1:9101'),
    dns: dnsSection,
    replica: z
      .strictObject({
        file: z
          .string()
          .min(1)
          .default('data/replica.json')
          .describe('File in which the edge remembers the federation model, dialback secret included (mode 0600).'),
      })
      .prefault({})
      .describe('What the edge knows while no gateway is attached.'),
    log: logSection,
  })
  .describe('edge.yaml')

type EdgeFile = z.output<typeof edgeConfigSchema>

/** Checked, and with the files that it names read. */
export interface EdgeConfig {
  readonly node: string
  readonly xmpp: {
    readonly listen: readonly string[]
    readonly listenDirectTls: readonly string[]
    readonly tls: TlsIdentity
    readonly trust: TrustSource
    /** Where `tls` was read from, and is read from again when they change. */
    readonly certificates: readonly CertificateFile[]
    /** Files with lists of what is revoked. */
    readonly revocations: readonly string[]
    readonly penalties: { readonly freeFaults: number; readonly forgivenEveryS: number }
  }
  readonly link: { readonly listen: string; readonly tls: LinkTls; readonly peers: readonly string[] }
  readonly ops: { readonly listen: string }
  readonly dns: { readonly servers: readonly string[] }
  readonly replica: { readonly file: string }
  readonly log: { readonly level: LogLevel }
}

/** Everything that is wrong, at once. */
export function loadConfig(path: string, env: Environment): Result<EdgeConfig, readonly ConfigProblem[]> {
  const file = readConfigFile(path, env, { name: 'edge.yaml', prefix: 'STOX_EDGE__', schema: edgeConfigSchema })
  return file.ok ? readFiles(file.value) : file
}

function readFiles({ xmpp, link, ...rest }: EdgeFile): Result<EdgeConfig, readonly ConfigProblem[]> {
  const { tls, problems: wrongWithLink } = readLinkFiles(link, 'edge')
  const problems = [...wrongWithLink]
  if (xmpp.trustedCas !== SYSTEM && !isCertificate(textOf(xmpp.trustedCas))) {
    const hint = 'system, or the CAs of the partners in PEM form'
    problems.push({ path: 'xmpp.trustedCas', problem: `${xmpp.trustedCas}: not a certificate`, hint })
  }
  const entries = xmpp.certificates.map(({ domains, cert, key }) => ({ domains, cert: textOf(cert), key: textOf(key) }))
  const served = TlsIdentity.of(entries)
  if (served.ok) {
    if (problems.length > 0) return fail(problems)
    return ok({
      ...rest,
      xmpp: {
        listen: xmpp.listen,
        listenDirectTls: xmpp.listenDirectTls,
        tls: served.value,
        trust: trustOf(xmpp.trustedCas),
        certificates: xmpp.certificates,
        revocations: xmpp.revocations,
        penalties: xmpp.penalties,
      },
      link: { listen: link.listen, peers: link.peers, tls },
    })
  }
  for (const { entry, field, problem } of served.failure) {
    const named = xmpp.certificates[entry]?.[field]
    const where = typeof named === 'string' ? `${named}: ` : ''
    const hint = field === 'domains' ? 'one certificate for each domain' : 'the certificate of the domain and its key'
    problems.push({ path: `xmpp.certificates[${entry}].${field}`, problem: `${where}${problem}`, hint })
  }
  return fail(problems)
}

const trustOf = (text: string): TrustSource => (text === SYSTEM ? { kind: SYSTEM } : { kind: 'file', path: text })
