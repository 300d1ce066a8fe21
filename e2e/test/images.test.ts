/** Each image's own entry command, run on the same compiled output that the Dockerfile copies into it. */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'

const root = join(__dirname, '../..')
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: { keys: { command: string[] } }
}

/** What the stage of an image says: the words of an instruction in exec form. */
function instruction(stage: string, name: string): string[] {
  const text = dockerfile.split(/^FROM /m).find((part) => part.includes(`AS ${stage}\n`))!
  const [, json] = new RegExp(`^${name} (\\[.*\\])$`, 'm').exec(text)!
  return JSON.parse(json!) as string[]
}

/** The packages that the Dockerfile's build stage deploys, and the folder each image gets. */
const parts = { edge: 'edge-proxy', gateway: 'gateway', tools: 'cli' } as const

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function eventually(what: string, test: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + 15_000
  while (Date.now() < until) {
    if (await test().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`not within 15 s: ${what}`)
}

describe('the images', () => {
  const home = mkdtempSync(join(tmpdir(), 'stox-images-'))
  const children: ChildProcess[] = []
  const app = (stage: keyof typeof parts) => join(home, 'app', stage)

  /** Container paths, as they are on this machine. */
  const here = (text: string) =>
    text
      .replaceAll('/etc/stox', join(home, 'etc'))
      .replaceAll('/var/lib/stox', join(home, 'var'))
      .replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1')

  const entryOf = (stage: keyof typeof parts) => {
    const [program, ...args] = [...instruction(stage, 'ENTRYPOINT'), ...instruction(stage, 'CMD')].map(here)
    expect(program).toBe('node')
    return args
  }

  function start(stage: 'edge' | 'gateway', env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, entryOf(stage), {
      cwd: app(stage),
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    children.push(child)
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
    return { child, ended, output: () => output }
  }

  beforeAll(() => {
    mkdirSync(join(home, 'etc/tls'), { recursive: true })
    mkdirSync(join(home, 'var'), { recursive: true })
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--build'], {
      cwd: root,
      stdio: 'pipe',
    })
    for (const [stage, name] of Object.entries(parts)) {
      execFileSync(
        'npx',
        [
          '--yes',
          'pnpm@10',
          '--filter',
          `@stox/${name}`,
          'deploy',
          '--legacy',
          '--prod',
          '--prefer-offline',
          join(home, 'app', stage),
        ],
        { cwd: root, stdio: 'pipe' },
      )
    }
    for (const name of ['edge', 'gateway', 'federation']) {
      writeFileSync(join(home, `etc/${name}.yaml`), here(readFileSync(join(root, `docker/${name}.yaml`), 'utf8')))
    }
  }, 240_000)

  afterAll(() => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  })

  test('tools: its entry command with the command of the service `keys` makes the keys that both others want', () => {
    const command = compose.services.keys.command
      .map((word) => here(word))
      .map((word) => (word === join(home, 'var') ? join(home, 'etc/tls') : word))
      .map((word) => (word === 'edge.link' ? '127.0.0.1' : word))
    const entry = instruction('tools', 'ENTRYPOINT').slice(1)
    expect(execFileSync(process.execPath, [...entry, ...command], { cwd: app('tools'), encoding: 'utf8' })).toMatch(
      /^made keys in /,
    )
  }, 30_000)

  test('edge and gateway: entry commands start, become healthy by the image’s own check, find each other, end on SIGTERM', async () => {
    const [s2s, link, edgeOps, gatewayOps, sip, admin] = await Promise.all(Array.from({ length: 6 }, freePort))
    const edge = start('edge', {
      STOX_EDGE__XMPP__LISTEN: `127.0.0.1:${s2s}`,
      STOX_EDGE__LINK__LISTEN: `127.0.0.1:${link}`,
      STOX_EDGE__OPS__LISTEN: `127.0.0.1:${edgeOps}`,
    })
    const gateway = start('gateway', {
      STOX_GATEWAY__LINK__EDGES: `https://127.0.0.1:${link}`,
      STOX_GATEWAY__SIP__LISTEN: `udp:127.0.0.1:${sip},tcp:127.0.0.1:${sip}`,
      STOX_GATEWAY__SIP__ADVERTISED_HOST: '127.0.0.1',
      STOX_GATEWAY__ADMIN__LISTEN: `127.0.0.1:${admin}`,
      STOX_GATEWAY__OPS__LISTEN: `127.0.0.1:${gatewayOps}`,
    })
    const healthy = (stage: 'edge' | 'gateway', port: string) => async () => {
      const [program, ...args] = healthCheck(stage, port)
      expect(program).toBe('node')
      execFileSync(process.execPath, args, { stdio: 'ignore' })
      return true
    }
    try {
      await eventually('the edge is healthy', healthy('edge', String(edgeOps)))
      await eventually('the gateway is healthy', healthy('gateway', String(gatewayOps)))
      await eventually('the gateway is ready', async () => (await fetch(`http://127.0.0.1:${gatewayOps}/readyz`)).ok)
    } catch (error) {
      throw new Error(`${String(error)}\nedge:\n${edge.output()}\ngateway:\n${gateway.output()}`, { cause: error })
    }
    gateway.child.kill('SIGTERM')
    edge.child.kill('SIGTERM')
    expect([await edge.ended, await gateway.ended]).toEqual([0, 0])
  }, 60_000)

  function healthCheck(stage: string, port: string): string[] {
    const text = dockerfile.split(/^FROM /m).find((part) => part.includes(`AS ${stage}\n`))!
    const [, json] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(text)!
    return (JSON.parse(json!) as string[]).map((word) => word.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`))
  }
})
