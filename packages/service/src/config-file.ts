import { isIP } from 'node:net'
import { problemsOf, withEnvironment, type Problem } from '@stox/federation'
import { fail, ok, parseHostPort, type Result } from '@stox/kernel'
import { isNodeName } from '@stox/link'
import { LOG_LEVELS } from '@stox/telemetry'
import { z } from 'zod'
import { readText, readYaml } from './files.ts'

/** What is wrong with the configuration, or with something it names. */
export type ConfigProblem = Problem

export type Environment = Readonly<Record<string, string | undefined>>

export const address = z.string().refine((text) => parseHostPort(text).ok, 'not host:port')

export const nodeName = z.string().refine(isNodeName, 'not a node name')

/** The name of a file that has to be there, with PEM of this kind in it. */
export const pemFile = (kind: 'CERTIFICATE' | 'PRIVATE KEY') =>
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

export const opsSection = (usual: string) =>
  z
    .strictObject({
      listen: address.default(usual).describe('Where /healthz, /readyz and /metrics are served.'),
    })
    .prefault({})
    .describe('Operation.')

const isDnsServer = (text: string): boolean => {
  if (isIP(text) !== 0) return true
  const at = parseHostPort(text)
  return at.ok && isIP(at.value.host) !== 0
}

export const dnsSection = z
  .strictObject({
    servers: z
      .array(z.string().refine(isDnsServer, 'not an IP address, with or without a port'))
      .default([])
      .describe('DNS servers as address or address:port; empty takes those of the system.'),
  })
  .prefault({})
  .describe('Name resolution.')

export const logSection = z
  .strictObject({ level: z.enum(LOG_LEVELS).default('info').describe('Least weight of a line.') })
  .prefault({})
  .describe('The log: JSON lines on standard output.')

/** A configuration file under its schema, the environment laid over it; everything that is wrong, at once. */
export function readConfigFile<T extends z.ZodType>(
  path: string,
  env: Environment,
  { name, prefix, schema }: { readonly name: string; readonly prefix: string; readonly schema: T },
): Result<z.output<T>, readonly ConfigProblem[]> {
  const tree = readYaml(path)
  if (!tree.ok) {
    const hint = tree.failure.startsWith('not YAML')
      ? 'see docs/configuration.md'
      : `give the path of ${name} with --config`
    return fail([{ path, problem: tree.failure, hint }])
  }
  const checked = schema.safeParse(withEnvironment(tree.value, env, prefix, schema))
  return checked.success ? ok(checked.data) : fail(problemsOf(schema, checked.error))
}
