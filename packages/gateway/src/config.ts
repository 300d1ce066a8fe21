import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { federationFileSchema, localDomainSchema, problemsOf } from '@stox/federation'
import type { FederationFile, Problem } from '@stox/federation'
import { parse } from 'yaml'
import { z } from 'zod'
import { withEnvironment } from './environment.ts'
import { isPeer } from './trusted-peers.ts'

const hostPort = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/
const isHostPort = (text: string): boolean => {
  const match = hostPort.exec(text)
  return match !== null && Number(match[1]) <= 65_535
}
const listenSchema = z.string().refine(isHostPort, 'not host:port')
const sipListenSchema = z
  .string()
  .refine((text) => /^(?:udp|tcp):/.test(text) && isHostPort(text.slice(4)), 'not udp:host:port or tcp:host:port')
const isHttps = (text: string): boolean => {
  const url = URL.parse(text)
  return url !== null && url.protocol === 'https:' && url.host !== ''
}

export const gatewayConfigSchema = z
  .strictObject({
    node: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, 'not a node name')
      .describe(
        'Name of this gateway: letters, digits, dots, dashes; it stands in logs, metrics and the link’s hello.',
      ),
    link: z
      .strictObject({
        edges: z
          .array(z.string().refine(isHttps, 'not an https URL'))
          .min(1)
          .max(64)
          .describe('Where the edges listen for us, such as https://127.0.0.1:23456.'),
        cert: z.string().min(1).describe('PEM file with the certificate that we show to the edges.'),
        key: z.string().min(1).describe('PEM file with its private key.'),
        ca: z.string().min(1).describe('PEM file with the inside CA that signed the certificates of the edges.'),
      })
      .describe('The link to the edges: dialled from here, with mutual TLS.'),
    sip: z
      .strictObject({
        listen: z
          .array(sipListenSchema)
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
      .strictObject({ listen: listenSchema.default('127.0.0.1:8080').describe('Where the REST API listens.') })
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
        listen: listenSchema.default('127.0.0.1:9102').describe('Where /healthz, /readyz and /metrics are served.'),
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
          .array(z.string().min(1))
          .default([])
          .describe('DNS servers as address or address:port; empty takes the system’s.'),
      })
      .prefault({})
      .describe('Name resolution.'),
    log: z
      .strictObject({
        level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('Least weight of a line.'),
      })
      .prefault({})
      .describe('The log: JSON lines on standard output.'),
  })
  .describe('gateway.yaml')

type FileConfig = z.output<typeof gatewayConfigSchema>

/** Checked, and with the files it names read. */
export interface GatewayConfig extends Omit<FileConfig, 'link' | 'federation'> {
  /** PEM texts in place of file names. */
  readonly link: FileConfig['link']
  readonly federation: FederationFile | undefined
}

/** A problem of the file or of a file it names. */
export type ConfigProblem = Problem

const ENVIRONMENT_PREFIX = 'STOX_GATEWAY__'

/** Everything that is wrong, at once. */
export function loadConfig(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Result<GatewayConfig, readonly ConfigProblem[]> {
  const text = readText(path, '', `give the path of gateway.yaml with --config`)
  if (!text.ok) return fail([text.failure])
  const tree = parseYaml(text.value, path)
  if (!tree.ok) return fail([tree.failure])
  const checked = gatewayConfigSchema.safeParse(
    withEnvironment(tree.value, env, ENVIRONMENT_PREFIX, gatewayConfigSchema),
  )
  if (!checked.success) return fail(problemsOf(gatewayConfigSchema, checked.error))

  const problems: ConfigProblem[] = []
  const taken = <T>(result: Result<T, ConfigProblem>, otherwise: T): T => {
    if (result.ok) return result.value
    problems.push(result.failure)
    return otherwise
  }
  const { link, federation, ...rest } = checked.data
  const pem = (name: 'cert' | 'key' | 'ca', kind: string): string =>
    taken(readPem(link[name], `link.${name}`, kind), '')
  const texts = { cert: pem('cert', 'CERTIFICATE'), key: pem('key', 'PRIVATE KEY'), ca: pem('ca', 'CERTIFICATE') }
  if (problems.length === 0) problems.push(...keyProblems(texts))
  const model = federation === undefined ? undefined : readFederation(federation.file, problems)
  for (const [at, { domain }] of rest.sip.domains.entries())
    if (rest.sip.domains.findIndex((other) => other.domain === domain) !== at)
      problems.push({
        path: `sip.domains[${at}].domain`,
        problem: `${domain} is listed twice`,
        hint: 'a domain has one route',
      })
  if (problems.length > 0) return fail(problems)
  return ok({ ...rest, link: { edges: link.edges, ...texts }, federation: model })
}

function readText(path: string, key: string, hint: string): Result<string, ConfigProblem> {
  try {
    return ok(readFileSync(path, 'utf8'))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const problem = code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code ?? 'unknown'})`
    return fail({ path: key === '' ? path : key, problem: key === '' ? problem : `${path}: ${problem}`, hint })
  }
}

function readPem(path: string, key: string, kind: string): Result<string, ConfigProblem> {
  const hint = `a PEM file with -----BEGIN ${kind}-----`
  const text = readText(path, key, hint)
  if (text.ok && !new RegExp(`-----BEGIN (?:[A-Z]+ )?${kind}-----`).test(text.value))
    return fail({ path: key, problem: `${path}: no ${kind.toLowerCase()} in it`, hint })
  return text
}

/** The key must be that of the certificate, and both what they say they are. */
function keyProblems(texts: {
  readonly cert: string
  readonly key: string
  readonly ca: string
}): readonly ConfigProblem[] {
  try {
    createSecureContext(texts)
    return []
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return [{ path: 'link.key', problem, hint: 'the private key of the certificate in link.cert' }]
  }
}

function parseYaml(text: string, path: string): Result<unknown, ConfigProblem> {
  try {
    return ok((parse(text) as unknown) ?? {})
  } catch (error) {
    const first = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return fail({ path, problem: `not YAML: ${first}`, hint: 'see the configuration reference' })
  }
}

function readFederation(file: string, problems: ConfigProblem[]): FederationFile | undefined {
  const text = readText(file, 'federation.file', 'a YAML file with settings, localDomains and partners')
  if (!text.ok) {
    problems.push(text.failure)
    return undefined
  }
  const tree = parseYaml(text.value, file)
  if (!tree.ok) {
    problems.push(tree.failure)
    return undefined
  }
  const checked = federationFileSchema.safeParse(tree.value)
  if (checked.success) return checked.data
  for (const problem of problemsOf(federationFileSchema, checked.error))
    problems.push({ ...problem, path: `${file}: ${problem.path}` })
  return undefined
}
