/** What a standard asks for, and what we make of it. */
export interface Requirement {
  /** `7572-4.3`: the RFC, the section, and a number or name of its own. Tests name it in square brackets. */
  readonly id: string
  /** `RFC 7572 §4, table 1`. */
  readonly source: string
  /** As in RFC 2119; `table` is a row of one, whose strength the text around it says. */
  readonly strength: 'must' | 'should' | 'may' | 'table'
  /** In our words. */
  readonly text: string
  readonly status: Status
}

export type Status =
  | { readonly kind: 'met' }
  /** Done otherwise, on purpose; the tests show what is done instead. */
  | { readonly kind: 'deviates'; readonly reason: string }
  | { readonly kind: 'not-applicable'; readonly reason: string }

export const met: Status = { kind: 'met' }
export const deviates = (reason: string): Status => ({ kind: 'deviates', reason })
export const notApplicable = (reason: string): Status => ({ kind: 'not-applicable', reason })

type Row = readonly [name: string | number, strength: Requirement['strength'], text: string, status?: Status]

/** The rows of one section; what has no status is met. */
export const section = (prefix: string, source: string, rows: readonly Row[]): readonly Requirement[] =>
  rows.map(([name, strength, text, status = met]) => ({ id: `${prefix}.${name}`, source, strength, text, status }))
