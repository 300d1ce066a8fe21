/** Draws the configuration reference from the zod schemas, so that it cannot differ from what is checked. */
import { z } from 'zod'

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
}

export interface ReferenceRow {
  readonly key: string
  readonly type: string
  readonly default: string
  readonly description: string
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' · ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`
  const bounds = [
    schema.minimum === undefined || schema.minimum <= Number.MIN_SAFE_INTEGER ? undefined : `≥ ${schema.minimum}`,
    schema.exclusiveMinimum === undefined ? undefined : `> ${schema.exclusiveMinimum}`,
    schema.maximum === undefined || schema.maximum >= Number.MAX_SAFE_INTEGER ? undefined : `≤ ${schema.maximum}`,
  ].filter((bound) => bound !== undefined)
  const name = Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'any')
  return bounds.length === 0 ? String(name) : `${String(name)}, ${bounds.join(', ')}`
}

function rowsOf(schema: JsonSchema, path: string, required: boolean): ReferenceRow[] {
  const inner = schema.type === 'array' ? schema.items : schema
  if (inner?.properties !== undefined) {
    const prefix = schema.type === 'array' ? `${path}[]` : path
    const own =
      path !== '' && (schema.description !== undefined || schema.type === 'array')
        ? [
            {
              key: path,
              type: schema.type === 'array' ? 'list' : 'section',
              default: defaultOf(schema, required),
              description: schema.description ?? '',
            },
          ]
        : []
    return [
      ...own,
      ...Object.entries(inner.properties).flatMap(([name, child]) =>
        rowsOf(child, prefix === '' ? name : `${prefix}.${name}`, inner.required?.includes(name) ?? false),
      ),
    ]
  }
  return [
    { key: path, type: typeOf(schema), default: defaultOf(schema, required), description: schema.description ?? '' },
  ]
}

function defaultOf(schema: JsonSchema, required: boolean): string {
  if (schema.default !== undefined && typeof schema.default === 'object' && !Array.isArray(schema.default)) return ''
  if (schema.default !== undefined) return `\`${JSON.stringify(schema.default)}\``
  return required ? 'must be given' : ''
}

/** One row a key, in the schema's order. */
export function configurationRows(schema: z.ZodType): readonly ReferenceRow[] {
  return rowsOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, '', true)
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** A section of the reference in Markdown. */
export function configurationTable(title: string, schema: z.ZodType, variable?: string): string {
  const rows = configurationRows(schema).map(
    (row) => `| \`${cell(row.key)}\` | ${cell(row.type)} | ${cell(row.default)} | ${cell(row.description)} |`,
  )
  const environment =
    variable === undefined
      ? ''
      : `\nAs an environment variable: \`${variable}__\` and the path in capitals, parts joined by two underscores.\n`
  return `## ${title}\n${environment}\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`
}
