import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configsFor, MAIN, type PairFiles, type Side } from '../src/pair.ts'
import { repositoryRoot, sourceEnv } from '../src/root.ts'
import { addressesIn } from '../src/stage.ts'

/** What a bad installation may name. */
interface Around {
  /** A file of words. */
  readonly garbage: string
  /** A good key that belongs to something else. */
  readonly otherKey: string
  /** `host:port` that another program has. */
  readonly taken: string
  file(name: string, text: string): string
}

/** A bad installation: what differs from a good one, and what the one line must say. */
interface Case {
  readonly what: string
  readonly side: Side
  /** By path in the file; undefined: left out. */
  readonly change: (around: Around) => Readonly<Record<string, unknown>>
  /** The path, as the line names it. */
  readonly path: RegExp
  readonly says?: RegExp
  readonly env?: Readonly<Record<string, string>>
}

const NOWHERE = 'not an address at all'
const IMPOSSIBLE = {
  domain: 'gtalk.example',
  tlsNegotiation: 'notSupported',
  saslNegotiation: 'required',
  dialback: false,
}

const CASES: readonly Case[] = [
  { what: 'an unknown key', side: 'edge', change: () => ({ 'xmpp.listne': [] }), path: /xmpp/, says: /listne/ },
  { what: 'no s2s address', side: 'edge', change: () => ({ 'xmpp.listen': undefined }), path: /xmpp\.listen/ },
  {
    what: 'a listen address that is none',
    side: 'edge',
    change: () => ({ 'xmpp.listen': [NOWHERE] }),
    path: /xmpp\.listen\[?\.?0/,
  },
  {
    what: 'a port out of range',
    side: 'edge',
    change: () => ({ 'xmpp.listen': ['127.0.0.1:70000'] }),
    path: /xmpp\.listen\[?\.?0/,
  },
  {
    what: 'no certificates',
    side: 'edge',
    change: () => ({ 'xmpp.certificates': undefined }),
    path: /xmpp\.certificates/,
  },
  {
    what: 'a certificate file that is not there',
    side: 'edge',
    change: () => ({ 'xmpp.certificates.0.cert': 'gone.crt' }),
    path: /xmpp\.certificates\[?\.?0\]?\.cert/,
    says: /gone\.crt/,
  },
  {
    what: 'a key file that is not there',
    side: 'edge',
    change: () => ({ 'xmpp.certificates.0.key': 'gone.key' }),
    path: /xmpp\.certificates\[?\.?0\]?\.key/,
    says: /gone\.key/,
  },
  {
    what: 'a key file that holds no key',
    side: 'edge',
    change: ({ garbage }) => ({ 'xmpp.certificates.0.key': garbage }),
    path: /xmpp\.certificates\[?\.?0\]?\.key/,
  },
  {
    what: 'a certificate that is none',
    side: 'edge',
    change: ({ garbage }) => ({ 'xmpp.certificates.0.cert': garbage }),
    path: /xmpp\.certificates\[?\.?0\]?\.cert/,
  },
  {
    what: 'a key of another certificate',
    side: 'edge',
    change: ({ otherKey }) => ({ 'xmpp.certificates.0.key': otherKey }),
    path: /xmpp\.certificates\[?\.?0/,
  },
  { what: 'no link', side: 'edge', change: () => ({ link: undefined }), path: /link/ },
  {
    what: 'a link certificate that is not there',
    side: 'edge',
    change: () => ({ 'link.cert': 'gone.crt' }),
    path: /link\.cert/,
    says: /gone\.crt/,
  },
  {
    what: 'a link CA that is not there',
    side: 'edge',
    change: () => ({ 'link.ca': 'gone-ca.crt' }),
    path: /link\.ca/,
    says: /gone-ca\.crt/,
  },
  { what: 'no node name', side: 'edge', change: () => ({ node: undefined }), path: /node/ },
  {
    what: 'a DNS server that is no address',
    side: 'edge',
    change: () => ({ dns: { servers: [NOWHERE] } }),
    path: /dns\.servers\[?\.?0/,
  },
  {
    what: 'an address of another machine',
    side: 'edge',
    change: () => ({ 'xmpp.listen': ['192.0.2.1:22269'] }),
    path: /xmpp\.listen/,
    says: /192\.0\.2\.1/,
  },
  {
    what: 'an environment variable that is wrong',
    side: 'edge',
    change: () => ({}),
    path: /xmpp\.listen|STOX_EDGE__XMPP__LISTEN/,
    env: { STOX_EDGE__XMPP__LISTEN: NOWHERE },
  },
  { what: 'an unknown key', side: 'gateway', change: () => ({ spi: {} }), path: /spi/ },
  { what: 'no SIP', side: 'gateway', change: () => ({ sip: undefined }), path: /sip/ },
  {
    what: 'a SIP address without a transport',
    side: 'gateway',
    change: () => ({ 'sip.listen': ['127.0.0.1:5098'] }),
    path: /sip\.listen\[?\.?0/,
  },
  {
    what: 'a transport nobody knows',
    side: 'gateway',
    change: () => ({ 'sip.listen': ['pigeon:127.0.0.1:5098'] }),
    path: /sip\.listen\[?\.?0/,
  },
  {
    what: 'a route that is no SIP URI',
    side: 'gateway',
    change: () => ({ 'sip.domains.0.route': 'kamailio' }),
    path: /sip\.domains\[?\.?0\]?\.route/,
  },
  {
    what: 'a domain that is none',
    side: 'gateway',
    change: () => ({ 'sip.domains.0.domain': 'no domain' }),
    path: /sip\.domains\[?\.?0\]?\.domain/,
  },
  {
    what: 'an edge that is no https address',
    side: 'gateway',
    change: () => ({ 'link.edges': ['127.0.0.1:23456'] }),
    path: /link\.edges\[?\.?0/,
  },
  {
    what: 'a link key that is not there',
    side: 'gateway',
    change: () => ({ 'link.key': 'gone.key' }),
    path: /link\.key/,
    says: /gone\.key/,
  },
  {
    what: 'a link CA that holds no certificate',
    side: 'gateway',
    change: ({ garbage }) => ({ 'link.ca': garbage }),
    path: /link\.ca/,
  },
  {
    what: 'a store nobody knows',
    side: 'gateway',
    change: () => ({ 'store.url': 'mysql://localhost/stox' }),
    path: /store\.url/,
  },
  {
    what: 'a store that is no database',
    side: 'gateway',
    change: ({ garbage }) => ({ 'store.url': `sqlite:${garbage}` }),
    path: /store\.url/,
  },
  {
    what: 'a federation file that is not there',
    side: 'gateway',
    change: () => ({ 'federation.file': 'gone.yaml' }),
    path: /federation\.file/,
    says: /gone\.yaml/,
  },
  {
    what: 'a federation file with an unknown key',
    side: 'gateway',
    change: ({ file }) => ({ 'federation.file': file('bad-federation.yaml', 'partnres: []') }),
    path: /federation/,
    says: /partnres/,
  },
  {
    what: 'a partner whose streams could never be proven',
    side: 'gateway',
    change: ({ file }) => ({ 'federation.file': file('row.yaml', JSON.stringify({ partners: [IMPOSSIBLE] })) }),
    path: /partners\[?\.?0/,
  },
  {
    what: 'an environment variable that is wrong',
    side: 'gateway',
    change: () => ({}),
    path: /admin\.listen|STOX_GATEWAY__ADMIN__LISTEN/,
    env: { STOX_GATEWAY__ADMIN__LISTEN: NOWHERE },
  },
  {
    what: 'a port in use at xmpp.listen',
    side: 'edge',
    change: ({ taken }) => ({ 'xmpp.listen': [taken] }),
    path: /xmpp\.listen/,
    says: /in use/,
  },
  {
    what: 'a port in use at link.listen',
    side: 'edge',
    change: ({ taken }) => ({ 'link.listen': taken }),
    path: /link\.listen/,
    says: /in use/,
  },
  {
    what: 'a port in use at ops.listen',
    side: 'edge',
    change: ({ taken }) => ({ 'ops.listen': taken }),
    path: /ops\.listen/,
    says: /in use/,
  },
  {
    what: 'a port in use at sip.listen',
    side: 'gateway',
    change: ({ taken }) => ({ 'sip.listen': [`tcp:${taken}`] }),
    path: /sip\.listen/,
    says: /in use/,
  },
  {
    what: 'a port in use at admin.listen',
    side: 'gateway',
    change: ({ taken }) => ({ 'admin.listen': taken }),
    path: /admin\.listen/,
    says: /in use/,
  },
  {
    what: 'a port in use at ops.listen',
    side: 'gateway',
    change: ({ taken }) => ({ 'ops.listen': taken }),
    path: /ops\.listen/,
    says: /in use/,
  },
]

/** `stox edge: path: what is wrong (what to do)`. */
const LINE = /^stox (?:edge|gateway): \S.*: .* \(\S.*\)$/
/** Processes at once, and the longest that the last of them may wait. */
const AT_ONCE = 3
const PATIENCE_MS = 120_000
/** Half a second alone; a hundred times that where twenty others want the machine too. */
const ENDS_WITHIN_MS = 100_000
/** As the tests come. */
const IN_ORDER = CASES.toSorted((one, other) => one.side.localeCompare(other.side))

interface Ended {
  readonly code: number | null
  readonly lines: readonly string[]
}

/** Starts the process and waits for its end; one that starts well after all is ended after a while. */
async function run(side: Side, args: readonly string[], cwd: string, env: Case['env'] = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['--conditions=stox-source', join(repositoryRoot(), MAIN[side]), ...args], {
    cwd,
    env: { ...process.env, ...sourceEnv(), ...env },
    timeout: ENDS_WITHIN_MS,
    killSignal: 'SIGKILL',
  })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors += String(chunk)))
  child.stdout.resume()
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, lines: errors.split('\n').filter((line) => line.trim() !== '') }
}

/** A copy with something else at a path. */
function withAt(tree: unknown, [first = '', ...rest]: readonly string[], value: unknown): unknown {
  if (Array.isArray(tree))
    return tree.map((one: unknown, index) => (String(index) === first ? withAt(one, rest, value) : one))
  const branch = Object(tree) as Readonly<Record<string, unknown>>
  return { ...branch, [first]: rest.length === 0 ? value : withAt(branch[first], rest, value) }
}

describe('configuration', () => {
  const dir = mkdtempSync(join(tmpdir(), 'stox-e2e-configuration-'))
  const endings = new Map<Case, Promise<Ended>>()
  let files: PairFiles
  let taken: Server

  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  }
  const write = (side: Side, changes: Readonly<Record<string, unknown>>): { folder: string; path: string } => {
    const folder = mkdtempSync(join(dir, 'case-'))
    // A federation file is read into an empty store alone: what one case wrote must not be what another finds.
    const own = side === 'gateway' ? { 'store.url': `sqlite:${join(folder, 'stox.db')}` } : {}
    const config = Object.entries({ ...own, ...changes }).reduce<unknown>(
      (tree, [path, value]) => withAt(tree, path.split('.'), value),
      files[side],
    )
    writeFileSync(join(folder, `${side}.yaml`), JSON.stringify(config))
    return { folder, path: join(folder, `${side}.yaml`) }
  }

  beforeAll(async () => {
    taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : undefined
    mkdirSync(join(dir, 'good'))
    files = await configsFor({ dir: join(dir, 'good'), at: addressesIn('127.0.0') }, { anyPort: true })
    writeFileSync(join(dir, 'good', 'federation.yaml'), JSON.stringify(files.federation))
    const around: Around = {
      garbage: file('garbage', 'neither a key nor a certificate nor a database '.repeat(50)),
      otherKey: join(dir, 'good', 'gateway.inside.key'),
      taken: `127.0.0.1:${port}`,
      file,
    }
    // Each is a process of half a second: a few at once, in the order of the tests.
    const lanes: Promise<unknown>[] = Array.from({ length: AT_ONCE }, () => Promise.resolve())
    IN_ORDER.forEach((one, index) => {
      const { folder, path } = write(one.side, one.change(around))
      const ended = (lanes[index % AT_ONCE] ?? Promise.resolve()).then(() =>
        run(one.side, ['--config', path], folder, one.env),
      )
      lanes[index % AT_ONCE] = ended
      endings.set(one, ended)
    })
  })
  afterAll(async () => {
    await Promise.all(endings.values())
    taken.close()
    rmSync(dir, { recursive: true, force: true })
  }, PATIENCE_MS)

  describe.each(['edge', 'gateway'] as const)('%s', (side) => {
    test.each(CASES.filter((one) => one.side === side))(
      '$what: one line with path and hint, exit code 2',
      async (one) => {
        const ended = await endings.get(one)
        expect(ended).toEqual({ code: 2, lines: [expect.stringMatching(LINE)] })
        expect(ended?.lines[0]).toMatch(one.path)
        expect(ended?.lines[0]).toMatch(one.says ?? /./)
      },
      PATIENCE_MS,
    )

    test(
      'a good file passes --check and starts nothing',
      async () => {
        const { folder, path } = write(side, {})
        expect(await run(side, ['--config', path, '--check'], folder)).toEqual({ code: 0, lines: [] })
      },
      PATIENCE_MS,
    )

    test.each([
      ['no such file', () => ['--config', join(dir, 'nowhere.yaml')], /nowhere\.yaml/],
      ['no file named', () => [], /--config/],
      ['a file that is no YAML', () => ['--config', file('broken.yaml', 'node: [unclosed')], /broken\.yaml/],
      ['an option nobody knows', () => ['--confg', 'x.yaml'], /--confg/],
    ])(
      '%s: one line with path and hint, exit code 2',
      async (_what, args, says) => {
        const ended = await run(side, args(), dir)
        expect(ended).toEqual({ code: 2, lines: [expect.stringMatching(LINE)] })
        expect(ended.lines[0]).toMatch(says)
      },
      PATIENCE_MS,
    )

    test(
      'every problem at once, a line for each',
      async () => {
        const { folder, path } = write(side, { node: undefined, 'ops.listen': NOWHERE })
        const ended = await run(side, ['--config', path], folder)
        expect(ended).toEqual({ code: 2, lines: [expect.stringMatching(LINE), expect.stringMatching(LINE)] })
        for (const problem of [/node/, /ops\.listen/])
          expect(ended.lines).toContainEqual(expect.stringMatching(problem))
      },
      PATIENCE_MS,
    )
  })
})
