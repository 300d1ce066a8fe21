import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { domainSchema, problemsOf, withEnvironment, type Problem } from '@stox/federation'
import { fail, ok, parseHostPort, type Result } from '@stox/kernel'
import { isNodeName } from '@stox/link'
import { LOG_LEVELS, type LogLevel } from '@stox/telemetry'
import { TlsIdentity, type LinkTls, type TrustSource } from '@stox/transport'
import { parse } from 'yaml'
import { z } from 'zod'
import type { CertificateFile } from './certificate-files.ts'

/** What is wrong with the configuration, or with something it names. */
export type ConfigProblem = Problem

const address = z.string().refine((text) => parseHostPort(text).ok, 'not host:port')

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
      else if (!new RegExp(`-----BEGIN (?:[A-Z]+ )?${kind}-----`).test(text.value)) {
        context.addIssue({ code: 'custom', message: `${path}: no ${kind.toLowerCase()} in PEM form` })
      }
    })

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
    node: z
      .string()
      .refine(isNodeName, 'not a node name')
      .describe('Name of this edge: letters, digits, dots and dashes; it stands in logs, metrics and session ids.'),
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
          .describe('The certificates of the served domains, chosen by domain; read again when the files change.'),
        trustedCas: trustedCas
          .default('system')
          .describe(
            'Who may vouch for the certificates of partners: system, or a PEM file with the CAs, read again when it changes.',
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
    ops: z
      .strictObject({
        listen: address.default('127.0.0.1:9101').describe('Where /healthz, /readyz and /metrics are served.'),
      })
      .prefault({})
      .describe('Operation.'),
    dns: z
      .strictObject({
        servers: z
          .array(z.string().refine(isDnsServer, 'not an IP address, with or without a port'))
          .default([])
          .describe('DNS servers as address or address:port; empty takes those of the system.'),
      })
      .prefault({})
      .describe('Name resolution.'),
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
    log: z
      .strictObject({ level: z.enum(LOG_LEVELS).default('info').describe('Least weight of a line.') })
      .prefault({})
      .describe('The log: JSON lines on standard output.'),
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
  }
  readonly link: { readonly listen: string; readonly tls: LinkTls; readonly peers: readonly string[] }
  readonly ops: { readonly listen: string }
  readonly dns: { readonly servers: readonly string[] }
  readonly replica: { readonly file: string }
  readonly log: { readonly level: LogLevel }
}

/** Everything that is wrong, at once. */
export function loadConfig(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Result<EdgeConfig, readonly ConfigProblem[]> {
  const text = readText(path)
  const hint = 'give the path of edge.yaml with --config'
  if (!text.ok) return fail([{ path, problem: text.failure, hint }])
  const tree = parseYaml(text.value)
  if (!tree.ok) return fail([{ path, problem: `not YAML: ${tree.failure}`, hint: 'see docs/configuration.md' }])
  const checked = edgeConfigSchema.safeParse(withEnvironment(tree.value, env, 'STOX_EDGE__', edgeConfigSchema))
  return checked.success ? readFiles(checked.data) : fail(problemsOf(edgeConfigSchema, checked.error))
}

function readFiles({ xmpp, link, ...rest }: EdgeFile): Result<EdgeConfig, readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  const tls: LinkTls = { cert: textOf(link.cert), key: textOf(link.key), ca: textOf(link.ca) }
  const ours = TlsIdentity.of([{ domains: [], ...tls }])
  if (!ours.ok) {
    for (const { field, problem } of ours.failure) {
      const file = field === 'domains' ? link.cert : link[field]
      problems.push({
        path: `link.${field}`,
        problem: `${file}: ${problem}`,
        hint: 'the certificate of this edge and its key',
      })
    }
  }
  if (!isCertificate(tls.ca)) {
    problems.push({ path: 'link.ca', problem: `${link.ca}: not a certificate`, hint: 'the inside CA in PEM form' })
  }
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
