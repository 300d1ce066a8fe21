import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { fail, ok, parseHostPort } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { federationFileSchema, localDomainSchema, problemsOf, withEnvironment } from '@stox/federation'
import type { FederationFile, Problem } from '@stox/federation'
import { isNodeName } from '@stox/link'
import { LOG_LEVELS } from '@stox/telemetry'
import { TlsIdentity } from '@stox/transport'
import type { LinkTls } from '@stox/transport'
import { parse } from 'yaml'
import { z } from 'zod'
import { isPeer } from './trusted-peers.ts'

const address = z.string().refine((text) => parseHostPort(text).ok, 'not host:port')
const sipAddress = z
  .string()
  .refine((text) => /^(?:udp|tcp):/.test(text) && parseHostPort(text.slice(4)).ok, 'not udp:host:port or tcp:host:port')
const isEdgeUrl = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && url.protocol === 'https:' && url.host !== ''
}
const isDnsServer = (text: string): boolean => {
  if (isIP(text) !== 0) return true
  const at = parseHostPort(text)
  return at.ok && isIP(at.value.host) !== 0
}

/** The name of a file that has to be there, with PEM of this kind in it. */
const pemFile = (kind: 'CERTIFICATE' | 'PRIVATE KEY') =>
  z
    .string()
    .min(1)
    .superRefine((path, context) => {
      const text = readText(path)
      if (!text.ok) context.addIssue({ code: 'custom', message: `${path}: ${text.failure}` })
      else if (!new RegExp(`-----BEGIN (?:[A-Z]+ )?${kind}-----`).test(text.value))
        context.addIssue({ code: 'custom', message: `${path}: no ${kind.toLowerCase()} in PEM form` })
    })

export const gatewayConfigSchema = z
  .strictObject({
    node: z
      .string()
      .refine(isNodeName, 'not a node name')
      .describe(
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
            }),
          )
          .max(10_000)
          .default([])
          .describe('The domains served here, each with the route to its SIP server.'),
        trustedPeers: z
          .array(z.string().max(255).refine(isPeer, 'not an address or network'))
          .min(1)
          .describe('Addresses (or networks, as 10.0.0.0/8) whose requests we take; everybody else is refused.'),
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
    ops: z
      .strictObject({
        listen: address.default('127.0.0.1:9102').describe('Where /healthz, /readyz and /metrics are served.'),
      })
      .prefault({})
      .describe('Operation.'),
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
    dns: z
      .strictObject({
        servers: z
          .array(z.string().refine(isDnsServer, 'not an IP address, with or without a port'))
          .default([])
          .describe('DNS servers as address or address:port; empty takes the system’s.'),
      })
      .prefault({})
      .describe('Name resolution.'),
    log: z
      .strictObject({
        level: z.enum(LOG_LEVELS).default('info').describe('Least weight of a line.'),
      })
      .prefault({})
      .describe('The log: JSON lines on standard output.'),
  })
  .describe('gateway.yaml')

type GatewayFile = z.output<typeof gatewayConfigSchema>

/** Checked, and with the files that it names read. */
export interface GatewayConfig extends Omit<GatewayFile, 'link' | 'federation'> {
  readonly link: { readonly edges: readonly string[]; readonly tls: LinkTls }
  readonly federation: FederationFile | undefined
}

/** What is wrong with the configuration, or with something it names. */
export type ConfigProblem = Problem

/** Everything that is wrong, at once. */
export function loadConfig(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Result<GatewayConfig, readonly ConfigProblem[]> {
  const text = readText(path)
  if (!text.ok) return fail([{ path, problem: text.failure, hint: 'give the path of gateway.yaml with --config' }])
  const tree = parseYaml(text.value)
  if (!tree.ok) return fail([{ path, problem: `not YAML: ${tree.failure}`, hint: 'see docs/configuration.md' }])
  const laid = withEnvironment(tree.value, env, 'STOX_GATEWAY__', gatewayConfigSchema)
  const checked = gatewayConfigSchema.safeParse(laid)
  return checked.success ? readFiles(checked.data) : fail(problemsOf(gatewayConfigSchema, checked.error))
}

function readFiles({ link, federation, ...rest }: GatewayFile): Result<GatewayConfig, readonly ConfigProblem[]> {
  const tls: LinkTls = { cert: textOf(link.cert), key: textOf(link.key), ca: textOf(link.ca) }
  const model = federation === undefined ? ok(undefined) : readFederation(federation.file)
  const problems = [...linkProblems(link, tls), ...domainProblems(rest.sip), ...(model.ok ? [] : model.failure)]
  if (problems.length > 0 || !model.ok) return fail(problems)
  return ok({ ...rest, link: { edges: link.edges, tls }, federation: model.value })
}

/** The key must be that of the certificate, and all three what they say they are. */
function linkProblems(link: GatewayFile['link'], tls: LinkTls): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const ours = TlsIdentity.of([{ domains: [], ...tls }])
  if (!ours.ok)
    for (const { field, problem } of ours.failure) {
      const file = field === 'domains' ? link.cert : link[field]
      problems.push({
        path: `link.${field}`,
        problem: `${file}: ${problem}`,
        hint: 'the certificate of this gateway and its key',
      })
    }
  if (!isCertificate(tls.ca))
    problems.push({ path: 'link.ca', problem: `${link.ca}: not a certificate`, hint: 'the inside CA in PEM form' })
  return problems
}

const domainProblems = ({ domains }: GatewayFile['sip']): readonly ConfigProblem[] =>
  domains.flatMap(({ domain }, at) =>
    domains.findIndex((other) => other.domain === domain) === at
      ? []
      : [{ path: `sip.domains[${at}].domain`, problem: `${domain} is listed twice`, hint: 'a domain has one route' }],
  )

function readFederation(file: string): Result<FederationFile, readonly ConfigProblem[]> {
  const path = 'federation.file'
  const text = readText(file)
  if (!text.ok)
    return fail([{ path, problem: `${file}: ${text.failure}`, hint: 'a YAML file with settings and partners' }])
  const tree = parseYaml(text.value)
  if (!tree.ok)
    return fail([{ path, problem: `${file}: not YAML: ${tree.failure}`, hint: 'see docs/configuration.md' }])
  const checked = federationFileSchema.safeParse(tree.value)
  if (checked.success) return ok(checked.data)
  return fail(
    problemsOf(federationFileSchema, checked.error).map((problem) => ({
      ...problem,
      path: `${path} (${file}) ${problem.path}`,
    })),
  )
}

/** Of a file that the schema has found readable. */
const textOf = (path: string): string => readFileSync(path, 'utf8')

function readText(path: string): Result<string, string> {
  try {
    return ok(readFileSync(path, 'utf8'))
  } catch (error) {
    return fail(whyUnreadable(error))
  }
}

function whyUnreadable(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'this process may not read it'
  if (code === 'EISDIR') return 'it is a directory'
  return `it cannot be read (${typeof code === 'string' ? code : String(error)})`
}

function parseYaml(text: string): Result<unknown, string> {
  try {
    const tree: unknown = parse(text)
    return ok(tree ?? {})
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return fail(message.split('\n')[0] ?? message)
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
