import { fail, ok, parseHostPort } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { federationFileSchema, localDomainSchema, problemsOf } from '@stox/federation'
import type { FederationFile } from '@stox/federation'
import {
  address,
  dnsSection,
  logSection,
  nodeName,
  opsSection,
  pemFile,
  readConfigFile,
  readLinkFiles,
  readYaml,
} from '@stox/service'
import type { ConfigProblem, Environment } from '@stox/service'
import type { LinkTls } from '@stox/transport'
import { z } from 'zod'
import { isPeer } from './trusted-peers.ts'

const sipAddress = z
  .string()
  .refine((text) => /^(?:udp|tcp):/.test(text) && parseHostPort(text.slice(4)).ok, 'not udp:host:port or tcp:host:port')
const isEdgeUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && url.protocol === 'https:' && url.host !== ''
}

export const gatewayConfigSchema = z
  .strictObject({
    node: nodeName.describe(
      'Name of this gateway: letters, digits, dots, dashes; it stands in logs, metrics and the link’s hello.',
    ),
    link: z
      .strictObject({
        edges: z
          .array(z.string().refine(isEdgeUrl, 'not an https URL'))
          .min(1)
          .max(64)
          .describe('Where the edges listen for us, such as https://127.0.0.1:23456.'),
        cert: pemFile('CERTIFICATE').describe('PEM file with the certificate that we show to the edges.'),
        key: pemFile('PRIVATE KEY').describe('PEM file with its private key.'),
        ca: pemFile('CERTIFICATE').describe('PEM file with the inside CA that signed the certificates of the edges.'),
      })
      .describe('The link to the edges: dialled from here, with mutual TLS.'),
    sip: z
      .strictObject({
        listen: z
          .array(sipAddress)
          .min(1)
          .max(16)
          .describe('Where we listen for SIP: udp:host:port and tcp:host:port.'),
        advertisedHost: z
          .string()
          .min(1)
          .max(255)
          .optional()
          .describe('Host to write into Via and Contact when we listen on a wildcard address.'),
        domains: z
          .array(
            z.strictObject({
              domain: localDomainSchema.shape.domain,
              route: localDomainSchema.shape.route,
              congestionSafe: localDomainSchema.shape.congestionSafe,
              maxMessageBytes: localDomainSchema.shape.maxMessageBytes,
              answer: localDomainSchema.shape.acceptedStatus,
              messages: localDomainSchema.shape.messages,
            }),
          )
          .max(10_000)
          .default([])
          .describe('The domains served here, each with the route to its SIP server.'),
        trustedPeers: z
          .array(z.string().max(255).refine(isPeer, 'not an address or network'))
          .min(1)
          .describe('Addresses (or networks, as 10.0.0.0/8) whose requests we take; everybody else is refused.'),
        trustAssertedIdentity: z
          .boolean()
          .default(false)
          .describe(
            'Whether P-Asserted-Identity of a trusted peer says who writes, in place of From (RFC 3325). Only for peers that take the header out of what their users send.',
          ),
        gruu: z
          .enum(['raw', 'off'])
          .default('raw')
          .describe('Whether an XMPP resource travels as a gr parameter (raw) or not at all (off).'),
      })
      .describe('The SIP side.'),
    admin: z
      .strictObject({ listen: address.default('127.0.0.1:8080').describe('Where the REST API listens.') })
      .prefault({})
      .describe('The administration API.'),
    store: z
      .strictObject({
        url: z
          .string()
          .regex(/^(?:sqlite:.+|memory:)$/, 'not a store URL')
          .default('sqlite:data/stox.db')
          .describe('Where everything is kept: sqlite:path, or memory: for tests.'),
      })
      .prefault({})
      .describe('The store.'),
    ops: opsSection('127.0.0.1:9102'),
    federation: z
      .strictObject({ file: z.string().min(1).describe('YAML file with the first content of the federation model.') })
      .optional()
      .describe('First content of the federation model; ignored once the store has one.'),
    messages: z
      .strictObject({
        giveUpS: z
          .number()
          .min(1)
          .max(30)
          .default(12)
          .describe(
            'Seconds after which a SIP sender is told that his message could not be passed on; at most 30 (RFC 4320).',
          ),
      })
      .prefault({})
      .describe('Messages.'),
    presence: z
      .strictObject({
        notifyIntervalMs: z
          .int()
          .min(0)
          .max(60_000)
          .default(5000)
          .describe(
            'Least time between two NOTIFYs to one watcher (RFC 3856 §6.10); changes in between are told together.',
          ),
        expiresS: z
          .int()
          .min(60)
          .max(86_400)
          .default(3600)
          .describe('How long a subscription lasts that is not refreshed: what we ask for, and the most we grant.'),
      })
      .prefault({})
      .describe('Presence.'),
    dns: dnsSection,
    log: logSection,
  })
  .describe('gateway.yaml')

type GatewayFile = z.output<typeof gatewayConfigSchema>

/** Checked, and with the files that it names read. */
export interface GatewayConfig extends Omit<GatewayFile, 'link' | 'federation'> {
  readonly link: { readonly edges: readonly string[]; readonly tls: LinkTls }
  readonly federation: FederationFile | undefined
}

/** Everything that is wrong, at once. */
export function loadConfig(path: string, env: Environment): Result<GatewayConfig, readonly ConfigProblem[]> {
  const schema = gatewayConfigSchema
  const file = readConfigFile(path, env, { name: 'gateway.yaml', prefix: 'STOX_GATEWAY__', schema })
  return file.ok ? readFiles(file.value) : file
}

function readFiles({ link, federation, ...rest }: GatewayFile): Result<GatewayConfig, readonly ConfigProblem[]> {
  const { tls, problems: wrongWithLink } = readLinkFiles(link, 'gateway')
  const model = federation === undefined ? ok(undefined) : readFederation(federation.file)
  const problems = [...wrongWithLink, ...domainProblems(rest.sip), ...(model.ok ? [] : model.failure)]
  if (problems.length > 0 || !model.ok) return fail(problems)
  return ok({ ...rest, link: { edges: link.edges, tls }, federation: model.value })
}

const domainProblems = ({ domains }: GatewayFile['sip']): readonly ConfigProblem[] =>
  domains.flatMap(({ domain }, at) =>
    domains.findIndex((other) => other.domain === domain) === at
      ? []
      : [{ path: `sip.domains[${at}].domain`, problem: `${domain} is listed twice`, hint: 'a domain has one route' }],
  )

function readFederation(file: string): Result<FederationFile, readonly ConfigProblem[]> {
  const path = 'federation.file'
  const tree = readYaml(file)
  if (!tree.ok) {
    const hint = 'a YAML file with settings and partners: see docs/configuration.md'
    return fail([{ path, problem: `${file}: ${tree.failure}`, hint }])
  }
  const checked = federationFileSchema.safeParse(tree.value)
  if (checked.success) return ok(checked.data)
  return fail(
    problemsOf(federationFileSchema, checked.error).map((problem) => ({
      ...problem,
      path: `${path} (${file}) ${problem.path}`,
    })),
  )
}
