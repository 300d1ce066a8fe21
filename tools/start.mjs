/** `npm start`: set up, then edge and gateway with the embedded store and a live demonstration. */
import { join } from 'node:path'
import { node24, root, run, setUp } from './setup.mjs'

await setUp()
const main = join(root, 'packages/cli/src/main.ts')
const env = { NODE_COMPILE_CACHE: join(root, '.stox/cache'), ...process.env }
const { code } = await run(node24, ['--conditions=stox-source', main, 'demo', ...process.argv.slice(2)], { env })
process.exitCode = code
