import type { Problem } from '@stox/federation'
import { STATUS_CODES } from 'node:http'
import { z } from 'zod'

/** What every refusal looks like on the wire. @see RFC 9457 §3 */
export const problemSchema = z
  .object({
    type: z.string().describe('Always about:blank: the status says it all.'),
    title: z.string().describe('The status in words.'),
    status: z.int(),
    detail: z.string().describe('What went wrong this time.'),
    errors: z
      .array(
        z.object({
          path: z.string().describe('The field, as proxy.port; empty for the whole.'),
          problem: z.string(),
          hint: z.string(),
        }),
      )
      .optional()
      .describe('Every single problem of the input, with what to do about it.'),
  })
  .describe('Problem details (RFC 9457).')

/** An answer other than the asked one; thrown anywhere below a route. */
export class ApiProblem extends Error {
  readonly status: number
  readonly errors: readonly Problem[]
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    detail: string,
    errors: readonly Problem[] = [],
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
    this.status = status
    this.errors = errors
    this.headers = headers
  }

  get body(): z.output<typeof problemSchema> {
    const title = STATUS_CODES[this.status] ?? 'Error'
    const head = { type: 'about:blank', title, status: this.status, detail: this.message }
    return this.errors.length === 0 ? head : { ...head, errors: this.errors.map((each) => ({ ...each })) }
  }
}

export const notFound = (what: string): ApiProblem => new ApiProblem(404, `there is no ${what}`)
