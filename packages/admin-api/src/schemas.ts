import type { Problem } from '@stox/federation'
import { problemsOf } from '@stox/federation'
import type { FastifySchemaCompiler } from 'fastify'
import { z } from 'zod'
import { ApiProblem, problemSchema } from './problem.ts'

/** `true` and `false` as they are written in an address. */
const flag = z.enum(['true', 'false']).default('false')

/** Strict: a slip of the pen in `dryRun` must not make the change. */
export const changeQuery = z.strictObject({
  dryRun: flag.describe('true: check the change and answer as if it were made, but change nothing.'),
})

export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe('Most items of one page.'),
  after: z.string().max(8192).optional().describe('Where the page starts: next of the page before.'),
})

/** A cursor that is a number inside; anything else never came from us. */
export const numberedPageQuery = pageQuery.extend({
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'not a cursor')
    .optional()
    .describe('Where the page starts: next of the page before.'),
})

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    items: z.array(item),
    next: z.string().nullable().describe('Where the next page starts; null after the last.'),
  })

export const ifMatchHeaders = z.looseObject({
  'if-match': z
    .string()
    .max(1000)
    .optional()
    .describe('The ETag of the object as it was read; * for whatever is there.'),
})

/**
 * A JSON merge patch: what it names is set, null takes the default again. Any JSON, which is not said with `z.json()`: a
 * schema that contains itself has no place in the OpenAPI document. @see RFC 7396
 */
export const mergePatchSchema = z
  .record(z.string(), z.unknown())
  .describe('JSON merge patch (RFC 7396): fields that are named are set, null gives a field its default again.')

/** A moment in ISO 8601, such as 2026-01-01T12:00:00Z. */
export const instant = z.iso.datetime({ offset: true })
export const instantOf = (ms: number): string => new Date(ms).toISOString()

/** How refusals are described, beside the answers of a route. */
const refusal = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: problemSchema } },
})
export const refusals = { '4xx': refusal('The request is refused.'), '5xx': refusal('Something here is broken.') }

/** Says every problem of a request at once, each with its path and a hint. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> =
  ({ schema, httpPart }) =>
  (data: unknown) => {
    const read = schema.safeParse(data)
    if (read.success) return { value: read.data }
    return {
      error: new ApiProblem(
        400,
        `the ${PARTS[httpPart ?? 'body'] ?? 'request'} is not as it should be`,
        problemsOf(schema, read.error),
      ),
    }
  }

const PARTS: Readonly<Record<string, string>> = {
  body: 'body',
  querystring: 'query',
  params: 'path',
  headers: 'header',
}

export function parseOrThrow<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  const problems: readonly Problem[] = problemsOf(schema, read.error)
  throw new ApiProblem(400, 'the body is not as it should be', problems)
}
