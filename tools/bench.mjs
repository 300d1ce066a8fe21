/** `pnpm bench [--json] [--quick] [--transport udp|tcp] [--runs N]`: messages a second through edge and gateway. */
import { join } from 'node:path'
import { node24, root, run, setUp } from './setup.mjs'

await setUp()
const main = join(root, 'e2e/bench/main.ts')
const { code } = await run(node24, ['--conditions=stox-source', main, ...process.argv.slice(2)])
process.exitCode = code
