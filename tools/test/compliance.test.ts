import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { allRequirements, citationsIn, compliancePage, proofsOf, strayCitations } from '../compliance.ts'

const root = join(__dirname, '../..')
const citations = citationsIn(root)

test('docs/compliance.md is what requirements and tests say: run `pnpm run docs` when this fails', () => {
  expect(readFileSync(join(root, 'docs/compliance.md'), 'utf8')).toBe(compliancePage(citations))
})

test('every requirement that applies is named by a test', () => {
  const applying = allRequirements().filter(({ status }) => status.kind !== 'not-applicable')
  expect(applying.filter(({ id }) => proofsOf(id, citations).length === 0).map(({ id }) => id)).toEqual([])
})

test('no test names what is no requirement', () => expect(strayCitations(citations)).toEqual([]))

test('every id is there once', () => {
  const ids = allRequirements().map(({ id }) => id)
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
})

test('every title can be read', () => {
  expect(citations.length).toBeGreaterThan(20)
  expect(citations.filter(({ title }) => title === '' || title.length > 200 || title.includes('\n'))).toEqual([])
})
