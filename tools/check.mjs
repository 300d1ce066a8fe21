/** `pnpm check`: types, lint, format, import rules, dead code. Each prints only when it has something to say. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, setUp } from './setup.mjs'

await setUp()
const bin = (name) => join(root, 'node_modules/.bin', name)
const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` }
const checks = [
  ['types', 'tsc', ['--build']],
  ['types of the tests', 'tsc', ['--noEmit', '--project', 'tsconfig.tests.json']],
  ['lint', 'oxlint', ['--type-aware', '--deny-warnings']],
  [
    'format',
    'prettier',
    ['--check', '--log-level', 'warn', 'packages/*/{src,test}/**/*.ts', 'e2e/**/*.{ts,mjs}', 'tools/**/*.{ts,mjs}'],
  ],
  ['import rules', 'depcruise', ['packages', 'e2e', '--config', '.dependency-cruiser.cjs']],
  ['dead code', 'knip', []],
]
let failed = 0
for (const [name, command, args] of checks) {
  const { code, output } = await run(bin(command), args, { quiet: true, env })
  if (code !== 0) {
    failed += 1
    process.stdout.write(`${output.trim()}\n`)
  }
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${name}\n`)
}
const totals = { passed: checks.length - failed, failed }
if (process.env.STOX_CHECK_FILE) writeFileSync(process.env.STOX_CHECK_FILE, JSON.stringify(totals))
process.exitCode = failed === 0 ? 0 : 1
