import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { federationFileSchema, problemsOf } from '@stox/federation'
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
import { readSipSection, sipSection } from './sip-config.ts'
import type { SipConfig } from './sip-config.ts'

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
    sip: sipSection,
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
export interface GatewayConfig extends Omit<GatewayFile, 'link' | 'sip' | 'federation'> {
  readonly link: { readonly edges: readonly string[]; readonly tls: LinkTls }
  readonly sip: SipConfig
  readonly federation: FederationFile | undefined
}

/** Everything that is wrong, at once. */
export function loadConfig(path: string, env: Environment): Result<GatewayConfig, readonly ConfigProblem[]> {
  const schema = gatewayConfigSchema
  const file = readConfigFile(path, env, { name: 'gateway.yaml', prefix: 'STOX_GATEWAY__', schema })
  return file.ok ? readFiles(file.value) : file
}

function readFiles({ link, sip, federation, ...rest }: GatewayFile): Result<GatewayConfig, readonly ConfigProblem[]> {
  const { tls, problems: wrongWithLink } = readLinkFiles(link, 'gateway')
  const sipSide = readSipSection(sip)
  const model = federation === undefined ? ok(undefined) : readFederation(federation.file)
  const problems = [...wrongWithLink, ...(sipSide.ok ? [] : sipSide.failure), ...(model.ok ? [] : model.failure)]
  if (problems.length > 0 || !sipSide.ok || !model.ok) return fail(problems)
  return ok({ ...rest, link: { edges: link.edges, tls }, sip: sipSide.value, federation: model.value })
}

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
