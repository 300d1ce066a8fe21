/** The compliance page, from the requirements and from what tests say they prove. */
import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { REQUIREMENTS } from '../docs/requirements.ts'
import type { Requirement } from '../docs/requirements/requirement.ts'

/** A test, or a table of tests, and the requirements that its title names; `7247-7.2.*` names all of a section. */
export interface Citation {
  readonly file: string
  readonly title: string
  readonly ids: readonly string[]
}

const TESTS = ['packages/*/test/**/*.test.ts', 'e2e/test/**/*.test.ts']
const CITED = /\[(\d{4}-[\w.*-]+(?: \d{4}-[\w.*-]+)*)\]/g
/** An argument, or the first cell of a row. */
const OPENS_TITLE = /(?:[([]|^)\s*(['"`])/gm

/** In the order of files and lines. */
export function citationsIn(root: string): readonly Citation[] {
  return globSync(TESTS, { cwd: root })
    .toSorted()
    .flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      return [...text.matchAll(CITED)].map((match) => ({
        file: relative('.', path),
        title: literalAround(text, match.index).replace(match[0], '').replace(/\s+/g, ' ').trim(),
        ids: match[1]!.split(' '),
      }))
    })
}

/** The string in which a citation stands: a title, or the cell of a table that goes into one. */
function literalAround(text: string, at: number): string {
  const opening = [...text.slice(text.lastIndexOf('\n\n', at), at).matchAll(OPENS_TITLE)].at(-1)
  const quote = opening?.[1] ?? ''
  const start = text.lastIndexOf('\n\n', at) + (opening?.index ?? 0) + (opening?.[0].length ?? 0)
  return text.slice(start, text.indexOf(quote, at))
}

const names = (cited: string, id: string): boolean =>
  cited.endsWith('.*') ? id.startsWith(cited.slice(0, -1)) : cited === id

export const allRequirements = (): readonly Requirement[] => REQUIREMENTS.flatMap(({ rows }) => rows)

export const proofsOf = (id: string, citations: readonly Citation[]): readonly Citation[] =>
  citations.filter(({ ids }) => ids.some((cited) => names(cited, id)))

/** What is cited and is no requirement. */
export const strayCitations = (citations: readonly Citation[]): readonly string[] =>
  citations.flatMap(({ file, ids }) =>
    ids.filter((cited) => !allRequirements().some(({ id }) => names(cited, id))).map((cited) => `${file}: ${cited}`),
  )

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

const statusText = ({ status }: Requirement): string => {
  switch (status.kind) {
    case 'met':
      return 'met'
    case 'deviates':
      return `deviates: ${status.reason}`
    case 'not-applicable':
      return `not applicable: ${status.reason}`
  }
}

/** `docs/compliance.md`, whole. */
export function compliancePage(citations: readonly Citation[]): string {
  const proofs = (id: string): string =>
    proofsOf(id, citations)
      .map(({ file, title }) => `${file.replace(/\.test\.ts$/, '')}: ${title}`)
      .join('; ')
  const pages = REQUIREMENTS.map(({ rfc, title, rows }) => {
    const count = (kind: Requirement['status']['kind']): number =>
      rows.filter(({ status }) => status.kind === kind).length
    return [
      `## RFC ${rfc}: ${title}\n`,
      `${rows.length} requirements: ${count('met')} met, ${count('deviates')} done otherwise, ${count('not-applicable')} not applicable.\n`,
      '| id | source | | requirement | status | shown by |',
      '| --- | --- | --- | --- | --- | --- |',
      ...rows.map(
        (row) =>
          `| ${row.id} | ${row.source} | ${row.strength} | ${cell(row.text)} | ${cell(statusText(row))} | ${cell(proofs(row.id))} |`,
      ),
      '',
    ].join('\n')
  })
  return [
    `# Compliance

Generated from \`docs/requirements.ts\` and the tests that name its rows (\`pnpm run docs\`); do not edit. A test fails when a row
is named by no test, when a test names what is no row, or when this page is not what would be generated.
`,
    ...pages,
  ].join('\n')
}
