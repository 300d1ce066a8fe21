import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configsFor, MAIN, type PairFiles, type Side } from '../src/pair.ts'
import { repositoryRoot } from '../src/root.ts'
import { addressesIn } from '../src/stage.ts'

/** A bad installation: a change of a good file, and what the one line must say. */
interface Case {
  readonly what: string
  readonly side: Side
  readonly change: (config: any, dir: string) => unknown
  /** The path in the file, as the line names it. */
  readonly path: RegExp
  readonly says?: RegExp
  readonly env?: Readonly<Record<string, string>>
}

const NOT_OURS = 'not an address at all'
const CASES: readonly Case[] = [
  { what: 'an unknown key', side: 'edge', change: (c) => (c.xmpp.listne = []), path: /xmpp/, says: /listne/ },
  { what: 'no s2s address', side: 'edge', change: (c) => delete c.xmpp.listen, path: /xmpp\.listen/ },
  {
    what: 'a listen address that is none',
    side: 'edge',
    change: (c) => (c.xmpp.listen = [NOT_OURS]),
    path: /xmpp\.listen\[?\.?0/,
  },
  {
    what: 'a port out of range',
    side: 'edge',
    change: (c) => (c.xmpp.listen = ['127.0.0.1:70000']),
    path: /xmpp\.listen\[?\.?0/,
  },
  { what: 'no certificates', side: 'edge', change: (c) => delete c.xmpp.certificates, path: /xmpp\.certificates/ },
  {
    what: 'a certificate file that is not there',
    side: 'edge',
    change: (c) => (c.xmpp.certificates[0].cert = 'gone.crt'),
    path: /xmpp\.certificates\[?\.?0\]?\.cert/,
    says: /gone\.crt/,
  },
  {
    what: 'a key file that is not there',
    side: 'edge',
    change: (c) => (c.xmpp.certificates[0].key = 'gone.key'),
    path: /xmpp\.certificates\[?\.?0\]?\.key/,
    says: /gone\.key/,
  },
  {
    what: 'a key file that holds no key',
    side: 'edge',
    change: (c, dir) => (c.xmpp.certificates[0].key = garbage(dir)),
    path: /xmpp\.certificates\[?\.?0\]?\.key/,
  },
  {
    what: 'a certificate that is none',
    side: 'edge',
    change: (c, dir) => (c.xmpp.certificates[0].cert = garbage(dir)),
    path: /xmpp\.certificates\[?\.?0\]?\.cert/,
  },
  {
    what: 'a key of another certificate',
    side: 'edge',
    change: (c) => (c.xmpp.certificates[0].key = c.link.key),
    path: /xmpp\.certificates\[?\.?0/,
  },
  { what: 'no link', side: 'edge', change: (c) => delete c.link, path: /link/ },
  {
    what: 'a link certificate that is not there',
    side: 'edge',
    change: (c) => (c.link.cert = 'gone.crt'),
    path: /link\.cert/,
    says: /gone\.crt/,
  },
  {
    what: 'a link CA that is not there',
    side: 'edge',
    change: (c) => (c.link.ca = 'gone-ca.crt'),
    path: /link\.ca/,
    says: /gone-ca\.crt/,
  },
  { what: 'no node name', side: 'edge', change: (c) => delete c.node, path: /node/ },
  {
    what: 'a DNS server that is no address',
    side: 'edge',
    change: (c) => (c.dns = { servers: [NOT_OURS] }),
    path: /dns\.servers\[?\.?0/,
  },
  {
    what: 'an address of another machine',
    side: 'edge',
    change: (c) => (c.xmpp.listen = ['192.0.2.1:22269']),
    path: /xmpp\.listen/,
    says: /192\.0\.2\.1/,
  },
  {
    what: 'an environment variable that is wrong',
    side: 'edge',
    change: () => undefined,
    env: { STOX_EDGE__XMPP__LISTEN: NOT_OURS },
    path: /xmpp\.listen|STOX_EDGE__XMPP__LISTEN/,
  },

  { what: 'an unknown key', side: 'gateway', change: (c) => (c.spi = {}), path: /spi/ },
  { what: 'no SIP', side: 'gateway', change: (c) => delete c.sip, path: /sip/ },
  {
    what: 'a SIP address without a transport',
    side: 'gateway',
    change: (c) => (c.sip.listen = ['127.0.0.1:5098']),
    path: /sip\.listen\[?\.?0/,
  },
  {
    what: 'a transport nobody knows',
    side: 'gateway',
    change: (c) => (c.sip.listen = ['pigeon:127.0.0.1:5098']),
    path: /sip\.listen\[?\.?0/,
  },
  {
    what: 'a route that is no SIP URI',
    side: 'gateway',
    change: (c) => (c.sip.domains[0].route = 'kamailio'),
    path: /sip\.domains\[?\.?0\]?\.route/,
  },
  {
    what: 'a domain that is none',
    side: 'gateway',
    change: (c) => (c.sip.domains[0].domain = 'no domain'),
    path: /sip\.domains\[?\.?0\]?\.domain/,
  },
  {
    what: 'an edge that is no https address',
    side: 'gateway',
    change: (c) => (c.link.edges = ['127.0.0.1:23456']),
    path: /link\.edges\[?\.?0/,
  },
  {
    what: 'a link key that is not there',
    side: 'gateway',
    change: (c) => (c.link.key = 'gone.key'),
    path: /link\.key/,
    says: /gone\.key/,
  },
  {
    what: 'a link CA that holds no certificate',
    side: 'gateway',
    change: (c, dir) => (c.link.ca = garbage(dir)),
    path: /link\.ca/,
  },
  {
    what: 'a store nobody knows',
    side: 'gateway',
    change: (c) => (c.store.url = 'mysql://localhost/stox'),
    path: /store\.url/,
  },
  {
    what: 'a store that is no database',
    side: 'gateway',
    change: (c, dir) => (c.store.url = `sqlite:${garbage(dir)}`),
    path: /store\.url/,
  },
  {
    what: 'a federation file that is not there',
    side: 'gateway',
    change: (c) => (c.federation.file = 'gone.yaml'),
    path: /federation\.file/,
    says: /gone\.yaml/,
  },
  {
    what: 'a federation file with an unknown key',
    side: 'gateway',
    change: (c, dir) => (c.federation.file = file(dir, 'bad-federation.yaml', 'partnres: []')),
    path: /federation/,
    says: /partnres/,
  },
  {
    what: 'a partner whose streams could never be proven',
    side: 'gateway',
    change: (c, dir) =>
      (c.federation.file = file(
        dir,
        'row.yaml',
        JSON.stringify({
          partners: [
            { domain: 'gtalk.example', tlsNegotiation: 'notSupported', saslNegotiation: 'required', dialback: false },
          ],
        }),
      )),
    path: /partners\[?\.?0/,
  },
  {
    what: 'an environment variable that is wrong',
    side: 'gateway',
    change: () => undefined,
    env: { STOX_GATEWAY__ADMIN__LISTEN: NOT_OURS },
    path: /admin\.listen|STOX_GATEWAY__ADMIN__LISTEN/,
  },
]

/** A port somebody else has. */
const TAKEN: readonly {
  readonly side: Side
  readonly path: RegExp
  readonly change: (config: any, address: string) => unknown
}[] = [
  { side: 'edge', path: /xmpp\.listen/, change: (c, address) => (c.xmpp.listen = [address]) },
  { side: 'edge', path: /link\.listen/, change: (c, address) => (c.link.listen = address) },
  { side: 'edge', path: /ops\.listen/, change: (c, address) => (c.ops.listen = address) },
  { side: 'gateway', path: /sip\.listen/, change: (c, address) => (c.sip.listen = [`tcp:${address}`]) },
  { side: 'gateway', path: /admin\.listen/, change: (c, address) => (c.admin.listen = address) },
  { side: 'gateway', path: /ops\.listen/, change: (c, address) => (c.ops.listen = address) },
]

const file = (dir: string, name: string, text: string): string => {
  writeFileSync(join(dir, name), text)
  return join(dir, name)
}
const garbage = (dir: string): string =>
  file(dir, 'garbage', 'this is neither a key nor a certificate nor a database '.repeat(50))

interface Ended {
  readonly code: number | null
  readonly lines: readonly string[]
}

/** Starts the process and waits for its end; one that starts well is ended after a while. */
async function run(
  side: Side,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const main = join(repositoryRoot(), MAIN[side])
  const child = spawn(process.execPath, ['--conditions=stox-source', main, ...args], {
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    timeout: 15_000,
    killSignal: 'SIGKILL',
  })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += String(chunk)))
  child.stdout.resume()
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, lines: errors.split('\n').filter((line) => line.trim() !== '') }
}

describe('configuration', () => {
  const dir = mkdtempSync(join(tmpdir(), 'stox-e2e-configuration-'))
  let files: PairFiles
  let taken: Server
  let takenAddress = ''

  const write = (side: Side, change: (config: any) => unknown): { folder: string; path: string } => {
    const folder = mkdtempSync(join(dir, 'case-'))
    const config = structuredClone(files[side])
    change(config)
    return { folder, path: file(folder, `${side}.yaml`, JSON.stringify(config)) }
  }
  const expectOneLine = (ended: Ended, path: RegExp, says: RegExp = /./): void => {
    expect(ended).toMatchObject({ code: 2, lines: [expect.stringMatching(path)] })
    expect(ended.lines[0]).toMatch(says)
    expect(ended.lines[0]).toMatch(HINT)
  }

  beforeAll(async () => {
    taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    takenAddress = typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
    mkdirSync(join(dir, 'good'))
    files = await configsFor({ dir: join(dir, 'good'), at: addressesIn('127.0.0') })
    file(join(dir, 'good'), 'federation.yaml', JSON.stringify(files.federation))
  })
  afterAll(() => {
    taken.close()
    rmSync(dir, { recursive: true, force: true })
  })

  describe.each(['edge', 'gateway'] as const)('%s', (side) => {
    test('a good file passes --check and starts nothing', async () => {
      const { folder, path } = write(side, () => undefined)
      expect(await run(side, ['--config', path, '--check'], folder)).toMatchObject({ code: 0, lines: [] })
    })

    test.each(CASES.filter((one) => one.side === side))(
      '$what: one line with path and hint, exit code 2',
      async (one) => {
        const { folder, path } = write(side, (config) => one.change(config, dir))
        expectOneLine(await run(side, ['--config', path], folder, one.env), one.path, one.says)
      },
    )

    test.each(TAKEN.filter((one) => one.side === side))('a port in use at $path', async (one) => {
      const { folder, path } = write(side, (config) => one.change(config, takenAddress))
      expectOneLine(await run(side, ['--config', path], folder), one.path, /in use/)
    })

    test('no such file', async () => {
      expectOneLine(await run(side, ['--config', join(dir, 'nowhere.yaml')], dir), /nowhere\.yaml/)
    })

    test('no file named', async () => {
      expectOneLine(await run(side, [], dir), /--config/)
    })

    test('a file that is no YAML', async () => {
      expectOneLine(await run(side, ['--config', file(dir, 'broken.yaml', 'node: [unclosed')], dir), /broken\.yaml/)
    })

    test('every problem at once, a line for each', async () => {
      const { folder, path } = write(side, (config) => {
        delete config.node
        config.ops.listen = NOT_OURS
        config.link.cert = 'gone.crt'
      })
      const ended = await run(side, ['--config', path], folder)
      expect(ended.code).toBe(2)
      for (const problem of [/node/, /ops\.listen/]) expect(ended.lines).toContainEqual(expect.stringMatching(problem))
    })
  })
})

/** A hint says what to do. */
const HINT = /—|:|\(|hint/
