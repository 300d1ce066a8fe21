/**
 * Brings a fresh checkout to the point where everything runs: the workspace's packages, Node.js 24 among them.
 * Runs on whatever Node.js the machine has (20 or later) and needs nothing but it and npm.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const nodeModules = join(root, 'node_modules')
const stamp = join(nodeModules, '.stox-setup')

/** Node.js 24 of this checkout. */
export const node24 = join(nodeModules, 'node', 'bin', 'node')

/** Runs a command to its end, with our own streams unless `quiet`; signals reach it too. */
export function run(command, args, { quiet = false, env = process.env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit' })
    let output = ''
    child.stdout?.on('data', (chunk) => (output += chunk))
    child.stderr?.on('data', (chunk) => (output += chunk))
    const pass = (signal) => child.kill(signal)
    process.on('SIGINT', pass)
    process.on('SIGTERM', pass)
    child.on('error', (error) => resolve({ code: 127, output: error.message }))
    child.on('close', (code, signal) => {
      process.off('SIGINT', pass)
      process.off('SIGTERM', pass)
      resolve({ code: code ?? (signal === 'SIGINT' ? 130 : 143), output })
    })
  })
}

/** What the installed packages were made from: when it changes, install again. */
function fingerprint() {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

/** Installs what is missing; does nothing, in milliseconds, when all is there. */
export async function setUp() {
  const wanted = fingerprint()
  if (existsSync(node24) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  process.stderr.write('stox: installing packages and Node.js 24 (once) ...\n')
  const install = ['--yes', 'pnpm@10', 'install', '--frozen-lockfile', '--prefer-offline']
  const { code, output } = await run('npx', install, { quiet: true })
  if (code !== 0 || !existsSync(node24)) {
    process.stderr.write(
      `${output}\nstox: the packages could not be installed (pnpm ended with ${code}). Is the npm registry reachable?\n`,
    )
    process.exit(1)
  }
  mkdirSync(nodeModules, { recursive: true })
  writeFileSync(stamp, wanted)
}
