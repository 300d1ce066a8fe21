import type { z } from 'zod'

/** One thing that is wrong with what somebody wrote: where, what, and what to do about it. */
export interface Problem {
  /** As one would write it: `partners[0].proxy.port`; empty for the whole. */
  readonly path: string
  readonly problem: string
  readonly hint: string
}

/** `['partners', 0, 'domain']` becomes `partners[0].domain`. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}

/** Every issue of a zod error as a problem, with the description of the field it is about as its hint. */
export function problemsOf(
  schema: z.ZodType,
  error: z.ZodError,
  prefix: readonly PropertyKey[] = [],
): readonly Problem[] {
  return error.issues.flatMap((issue) => {
    const at = schemaAt(schema, issue.path)
    if (issue.code === 'unrecognized_keys') {
      const known = at === undefined ? [] : keysOf(at)
      return issue.keys.map((key) => ({
        path: formatPath([...prefix, ...issue.path, key]),
        problem: 'unknown key',
        hint: known.length === 0 ? 'remove it' : `known keys: ${known.join(', ')}`,
      }))
    }
    const missing =
      issue.code === 'invalid_type' && issue.input === undefined && /received undefined$/.test(issue.message)
    return [
      {
        path: formatPath([...prefix, ...issue.path]),
        problem: missing ? 'missing' : issue.message.replace(/^Invalid (input|option): /, ''),
        hint: (at === undefined ? undefined : hintOf(at)) ?? 'see the configuration reference',
      },
    ]
  })
}

/** What zod keeps about a schema, as far as the walk below needs it. */
interface Shape {
  readonly def: {
    readonly innerType?: z.ZodType
    readonly element?: z.ZodType
    readonly shape?: Readonly<Record<string, z.ZodType>>
    readonly valueType?: z.ZodType
    readonly in?: z.ZodType
  }
}
const defOf = (schema: z.ZodType): Shape['def'] => (schema as unknown as Shape).def

/** Takes off optional, default, nullable, readonly and pipe. */
function unwrap(schema: z.ZodType): z.ZodType {
  const inner = defOf(schema).innerType ?? defOf(schema).in
  return inner === undefined ? schema : unwrap(inner)
}

function hintOf(schema: z.ZodType): string | undefined {
  const inner = defOf(schema).innerType ?? defOf(schema).in
  return schema.description ?? (inner === undefined ? undefined : hintOf(inner))
}

const keysOf = (schema: z.ZodType): readonly string[] => Object.keys(defOf(unwrap(schema)).shape ?? {})

function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  const [first, ...rest] = path
  if (first === undefined) return schema
  const def = defOf(unwrap(schema))
  const next = typeof first === 'number' ? def.element : (def.shape?.[String(first)] ?? def.valueType)
  if (next === undefined) return undefined
  const found = schemaAt(next, rest)
  // An element of a described list is explained by the list when it says nothing itself.
  return found !== undefined && hintOf(found) === undefined && hintOf(schema) !== undefined && rest.length === 0
    ? schema
    : found
}
