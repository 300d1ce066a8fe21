import { z } from 'zod'

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
    const known = at === undefined ? [] : keysOf(at)
    const keys = known.length === 0 ? 'see the configuration reference' : `known keys: ${known.join(', ')}`
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        path: formatPath([...prefix, ...issue.path, key]),
        problem: 'unknown key',
        hint: keys,
      }))
    }
    const missing =
      issue.code === 'invalid_type' && issue.input === undefined && issue.message.endsWith('received undefined')
    return [
      {
        path: formatPath([...prefix, ...issue.path]),
        problem: missing ? 'missing' : issue.message.replace(/^Invalid (input|option): /, ''),
        hint: (at === undefined ? undefined : hintOf(at)) ?? keys,
      },
    ]
  })
}

/** What an optional, defaulted, nullable, read-only or piped schema is made from. */
function innerOf(schema: z.ZodType): z.ZodType | undefined {
  const inner =
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
      ? schema.unwrap()
      : schema instanceof z.ZodPipe
        ? schema.in
        : undefined
  return inner instanceof z.ZodType ? inner : undefined
}

function unwrap(schema: z.ZodType): z.ZodType {
  const inner = innerOf(schema)
  return inner === undefined ? schema : unwrap(inner)
}

function hintOf(schema: z.ZodType): string | undefined {
  const inner = innerOf(schema)
  return schema.description ?? (inner === undefined ? undefined : hintOf(inner))
}

function keysOf(schema: z.ZodType): readonly string[] {
  const bare = unwrap(schema)
  return bare instanceof z.ZodObject ? Object.keys(bare.shape) : []
}

function stepInto(schema: z.ZodType, part: PropertyKey): z.ZodType | undefined {
  const bare = unwrap(schema)
  const next: unknown =
    bare instanceof z.ZodArray
      ? bare.element
      : bare instanceof z.ZodObject
        ? bare.shape[String(part)]
        : bare instanceof z.ZodRecord
          ? bare.valueType
          : undefined
  return next instanceof z.ZodType ? next : undefined
}

function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  const [first, ...rest] = path
  if (first === undefined) return schema
  const next = stepInto(schema, first)
  const found = next === undefined ? undefined : schemaAt(next, rest)
  // An element of a described list is explained by the list when it says nothing itself.
  return found !== undefined && hintOf(found) === undefined && rest.length === 0 ? schema : found
}
