import { z } from 'zod'

type Tree = Record<string, unknown>
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The configuration with what the environment says laid over it: `STOX_GATEWAY__SIP__LISTEN` is `sip.listen`. Names are
 * compared without case and underscores. Lists are written with commas, or as JSON; anything else that is JSON is read so.
 */
export function withEnvironment(
  tree: unknown,
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
  schema: z.ZodType,
): unknown {
  if (!isTree(tree)) return tree
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  let laid: unknown = tree
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith(prefix)) continue
    laid = lay(laid, name.slice(prefix.length).split('__'), value, json)
  }
  return laid
}

interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
}

const folded = (name: string): string => name.replaceAll('_', '').toLowerCase()

function lay(tree: unknown, path: readonly string[], value: string, schema: JsonSchema | undefined): unknown {
  const [first, ...rest] = path
  if (first === undefined) return read(value, schema)
  const known = Object.keys(schema?.properties ?? {}).find((key) => folded(key) === folded(first))
  // An unknown name is laid as it is, so that the check names it.
  const key = known ?? first.toLowerCase()
  const branch = isTree(tree) ? tree : {}
  return { ...branch, [key]: lay(branch[key], rest, value, schema?.properties?.[key]) }
}

function read(value: string, schema: JsonSchema | undefined): unknown {
  if (schema?.type === 'string') return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    if (schema?.type === 'array')
      return value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')
    return value
  }
}
