import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fail, ok, type Result } from '@stox/kernel'
import { parse } from 'yaml'

/** Of a file that the schema has found readable. */
export const textOf = (path: string): string => readFileSync(path, 'utf8')

/** The text, or in words why it cannot be had. */
export function readText(path: string): Result<string, string> {
  try {
    return ok(textOf(path))
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

/** The tree in a YAML file; in words why there is none. */
export function readYaml(path: string): Result<unknown, string> {
  const text = readText(path)
  if (!text.ok) return text
  try {
    const tree: unknown = parse(text.value)
    return ok(tree ?? {})
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return fail(`not YAML: ${message.split('\n')[0] ?? message}`)
  }
}

export function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
