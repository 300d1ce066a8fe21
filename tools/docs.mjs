/** `pnpm run docs`: writes the generated parts of the documentation. */
import { join } from 'node:path'
import { node24, root, run, setUp } from './setup.mjs'

await setUp()
const { code } = await run(node24, ['--conditions=stox-source', join(root, 'tools/write-docs.ts')])
process.exitCode = code
