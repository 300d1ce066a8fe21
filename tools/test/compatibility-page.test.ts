import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { STREAM_ROWS } from '../../e2e/src/compatibility.ts'
import { compatibilityPage } from '../compatibility-page.ts'

test('docs/compatibility.md is what the end-to-end tests play: run `pnpm run docs` when this fails', () => {
  expect(readFileSync(join(__dirname, '../../docs/compatibility.md'), 'utf8')).toBe(compatibilityPage())
})

test('every row of docs/compatibility.md is another case', () => {
  const cases = STREAM_ROWS.map(({ peer, partner, ours }) => `${peer} ${partner} ${ours}`)
  expect(new Set(cases).size).toBe(cases.length)
})
