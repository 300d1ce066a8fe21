/** `pnpm bench [--json] [--quick] [--markdown] [--only edge,messages,...] [--runs N]`: see docs/performance.md. */
import { join } from 'node:path'
import { node24, root, run, setUp } from './setup.mjs'

await setUp()
const main = join(root, 'e2e/bench/main.ts')
const { code } = await run(node24, ['--conditions=stox-source', main, ...process.argv.slice(2)])
process.exitCode = code
