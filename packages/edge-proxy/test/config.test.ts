import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import { loadConfig } from '@stox/edge-proxy'

let directory: string
const file = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text)
  return join(directory, name)
}
const at = (name: string): string => join(directory, name)

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'stox-edge-config-'))
  const ca = await makeAuthority('inside CA')
  const served = await makeCertificate({ names: ['sip.example'] })
  const edge = await makeCertificate({ names: ['edge.inside'], issuer: ca })
  for (const [name, text] of [
    ['ca.crt', ca.cert],
    ['served.crt', served.cert],
    ['served.key', served.key],
    ['edge.crt', edge.cert],
    ['edge.key', edge.key],
    ['garbage', 'neither a key nor a certificate'],
    ['armour.crt', '-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n'],
  ] as const) {
    file(name, text)
  }
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const good = () => ({
  node: 'edge-1',
  xmpp: {
    listen: ['127.0.0.1:5269'],
    certificates: [{ domains: ['sip.example'], cert: at('served.crt'), key: at('served.key') }],
  },
  link: {
    listen: '127.0.0.1:23456',
    cert: at('edge.crt'),
    key: at('edge.key'),
    ca: at('ca.crt'),
    peers: ['gateway.inside'],
  },
})
type File = ReturnType<typeof good> & Record<string, unknown>

const load = (change: (config: File) => unknown = () => undefined, env: Record<string, string> = {}) => {
  const config: File = good()
  change(config)
  return loadConfig(file('edge.yaml', JSON.stringify(config)), env)
}

test('a good file, with what is left out', () => {
  expect(load()).toMatchObject({
    ok: true,
    value: {
      node: 'edge-1',
      xmpp: { listen: ['127.0.0.1:5269'], trust: { kind: 'system' } },
      link: { peers: ['gateway.inside'], tls: { cert: expect.stringContaining('BEGIN CERTIFICATE') } },
      ops: { listen: '127.0.0.1:9101' },
      dns: { servers: [] },
      replica: { file: 'data/replica.json' },
      log: { level: 'info' },
    },
  })
})

test('authorities of a file', () =>
  expect(load(undefined, { STOX_EDGE__XMPP__TRUSTED_CAS: at('ca.crt') })).toMatchObject({
    value: { xmpp: { trust: { kind: 'file', path: at('ca.crt') } } },
  }))

test('the environment counts more than the file', () => {
  const env = { STOX_EDGE__XMPP__LISTEN: '[::1]:5269, 127.0.0.1:5270', STOX_EDGE__LOG__LEVEL: 'debug' }
  expect(load(undefined, env)).toMatchObject({
    value: { xmpp: { listen: ['[::1]:5269', '127.0.0.1:5270'] }, log: { level: 'debug' } },
  })
})

test.each<[string, (config: File) => unknown, string, RegExp]>([
  ['an unknown key', (c) => Object.assign(c.xmpp, { listne: [] }), 'xmpp.listne', /unknown key/],
  ['no node', (c) => (c.node = ''), 'node', /not a node name/],
  ['no s2s address', (c) => (c.xmpp.listen = []), 'xmpp.listen', /./],
  ['an address that is none', (c) => (c.xmpp.listen = ['here']), 'xmpp.listen[0]', /not host:port/],
  ['a port beyond all', (c) => (c.xmpp.listen = ['127.0.0.1:70000']), 'xmpp.listen[0]', /not host:port/],
  ['no certificates', (c) => (c.xmpp.certificates = []), 'xmpp.certificates', /./],
  [
    'a certificate that is not there',
    (c) => (c.xmpp.certificates[0]!.cert = at('gone.crt')),
    'xmpp.certificates[0].cert',
    /gone\.crt: there is no such file/,
  ],
  [
    'a key that is a directory',
    (c) => (c.xmpp.certificates[0]!.key = directory),
    'xmpp.certificates[0].key',
    /it is a directory/,
  ],
  [
    'a key that is none',
    (c) => (c.xmpp.certificates[0]!.key = at('garbage')),
    'xmpp.certificates[0].key',
    /garbage: no private key in PEM form/,
  ],
  [
    'a certificate with nonsense in it',
    (c) => (c.xmpp.certificates[0]!.cert = at('armour.crt')),
    'xmpp.certificates[0].cert',
    /armour\.crt: not a certificate/,
  ],
  [
    'a key of another certificate',
    (c) => (c.xmpp.certificates[0]!.key = at('edge.key')),
    'xmpp.certificates[0].key',
    /does not belong/,
  ],
  [
    'a domain with two certificates',
    (c) => c.xmpp.certificates.push(...c.xmpp.certificates),
    'xmpp.certificates[1].domains',
    /two certificates/,
  ],
  [
    'authorities that are not there',
    (c) => Object.assign(c.xmpp, { trustedCas: at('gone.crt') }),
    'xmpp.trustedCas',
    /gone\.crt: there is no such file/,
  ],
  [
    'authorities that are none',
    (c) => Object.assign(c.xmpp, { trustedCas: at('armour.crt') }),
    'xmpp.trustedCas',
    /armour\.crt: not a certificate/,
  ],
  [
    'a served domain that is none',
    (c) => (c.xmpp.certificates[0]!.domains = ['no domain']),
    'xmpp.certificates[0].domains[0]',
    /not a domain/,
  ],
  [
    'a link key of another certificate',
    (c) => (c.link.key = at('served.key')),
    'link.key',
    /served\.key: the key does not belong/,
  ],
  ['a CA that is none', (c) => (c.link.ca = at('armour.crt')), 'link.ca', /not a certificate/],
  ['nobody who may attach', (c) => (c.link.peers = []), 'link.peers', /./],
  [
    'a name server that is a name',
    (c) => (c['dns'] = { servers: ['ns.example'] }),
    'dns.servers[0]',
    /not an IP address/,
  ],
  ['a log level nobody knows', (c) => (c['log'] = { level: 'loud' }), 'log.level', /./],
])('%s: one problem with path and hint', (_case, change, path, problem) => {
  const loaded = load(change)
  expect(loaded).toEqual({
    ok: false,
    failure: [{ path, problem: expect.stringMatching(problem), hint: expect.stringMatching(/\w/) }],
  })
})

test('every problem at once', () => {
  const loaded = load((config) => {
    config.node = 'a b'
    config.link.cert = at('gone.crt')
    config['ops'] = { listen: 'nowhere' }
  })
  expect(loaded.ok ? [] : loaded.failure.map(({ path }) => path).toSorted()).toEqual([
    'link.cert',
    'node',
    'ops.listen',
  ])
})

test('problems between files at once', () => {
  const loaded = load((config) => {
    config.link.key = at('served.key')
    config.link.ca = at('armour.crt')
    for (const one of config.xmpp.certificates) one.key = at('edge.key')
  })
  expect(loaded.ok ? [] : loaded.failure.map(({ path }) => path).toSorted()).toEqual([
    'link.ca',
    'link.key',
    'xmpp.certificates[0].key',
  ])
})

test.each([
  ['no such file', () => at('nowhere.yaml'), /there is no such file/],
  ['no YAML', () => file('broken.yaml', 'node: [unclosed'), /not YAML/],
])('%s', (_case, path, problem) => {
  expect(loadConfig(path(), {})).toMatchObject({
    failure: [{ path: path(), problem: expect.stringMatching(problem) }],
  })
})

test('an empty file lacks everything that has no default', () => {
  const loaded = loadConfig(file('empty.yaml', ''), {})
  expect(loaded.ok ? [] : loaded.failure.map(({ path, problem }) => `${path} ${problem}`)).toEqual([
    'node missing',
    'xmpp missing',
    'link missing',
  ])
})
