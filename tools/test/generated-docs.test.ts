import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { failuresPage } from '../failure-reference.ts'
import { configurationPage } from '../generated-docs.ts'

test('docs/configuration.md is what the schemas say: run `pnpm run docs` when this fails', () => {
  expect(readFileSync(join(__dirname, '../../docs/configuration.md'), 'utf8')).toBe(configurationPage())
})

test('every key of the configuration is described', () => {
  const rows = configurationPage()
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  expect(rows.length).toBeGreaterThan(40)
  expect(rows.filter((row) => row.endsWith('|  |'))).toEqual([])
})

test('docs/failures.md is what the code says: run `pnpm run docs` when this fails', () => {
  expect(readFileSync(join(__dirname, '../../docs/failures.md'), 'utf8')).toBe(failuresPage())
})
