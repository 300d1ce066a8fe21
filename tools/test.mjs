/** `npm test`: set up, install the peers when root, run every test. With CI=true a missing peer is a failure. */
import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { node24, root, run, setUp } from './setup.mjs'

await setUp()
const source = ['--conditions=stox-source']
const peers = await run(node24, [...source, join(root, 'e2e/src/install-peers.ts')])
if (peers.code !== 0 && process.env.CI === 'true') process.exit(peers.code)

const jest = join(root, 'node_modules/jest/bin/jest.js')
const totals = { passed: 0, failed: 0, skipped: 0 }
let worst = 0

async function suite(project, ...args) {
  const file = join(tmpdir(), `stox-jest-${process.pid}-${project}.json`)
  const { code } = await run(node24, [
    ...source,
    jest,
    '--selectProjects',
    project,
    '--json',
    '--outputFile',
    file,
    ...args,
  ])
  worst = Math.max(worst, code)
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'))
    totals.passed += result.numPassedTests
    totals.failed += result.numFailedTests + result.numRuntimeErrorTestSuites
    totals.skipped += result.numPendingTests + result.numTodoTests
  } catch {
    totals.failed += 1
  }
}

const only = process.argv.slice(2)
await suite('unit', ...only)
await suite('e2e', '--runInBand', ...only)
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed${skipped}\n`)
if (process.env.STOX_TOTALS_FILE) writeFileSync(process.env.STOX_TOTALS_FILE, JSON.stringify(totals))
process.exitCode = worst
