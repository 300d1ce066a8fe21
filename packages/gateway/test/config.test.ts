import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import type { Authority, Certificate } from '@stox/testkit'
import { loadConfig } from '../src/config.ts'
import type { GatewayConfig } from '../src/config.ts'
import { seedModel } from '../src/seed-model.ts'
import { trustedPeers } from '../src/trusted-peers.ts'
import { newStage } from './stage.ts'

describe('trusted peers', () => {
  const trusted = trustedPeers(['127.0.0.1', '10.1.0.0/16', '2001:db8::/32'])
  test.each([
    ['127.0.0.1', true],
    ['::ffff:127.0.0.1', true],
    ['10.1.200.3', true],
    ['10.2.0.1', false],
    ['2001:db8::7', true],
    ['2001:db9::7', false],
    ['192.0.2.1', false],
  ])('%s', (address, expected) => expect(trusted(address)).toBe(expected))

  test.each<[readonly string[], boolean]>([
    [['a.example', 'front.inside'], true],
    [['a.example'], false],
    [['tls:front.inside'], false],
    [[], false],
  ])('from elsewhere, having proven %j', (names, expected) => {
    expect(trustedPeers(['127.0.0.1', 'tls:Front.inside'])('192.0.2.1', names)).toBe(expected)
  })
})

describe('gateway.yaml', () => {
  const dir = mkdtempSync(join(tmpdir(), 'stox-gateway-config-'))
  let ca: Authority
  let ours: Certificate
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  }
  const good = (): Record<string, any> => ({
    node: 'gateway-1',
    link: {
      edges: ['https://127.0.0.1:23456'],
      cert: file('gateway.crt', ours.cert),
      key: file('gateway.key', ours.key),
      ca: file('ca.crt', ca.cert),
    },
    sip: {
      listen: ['udp:127.0.0.1:5098', 'tcp:127.0.0.1:5098'],
      domains: [{ domain: 'Capulet.example', route: 'sip:127.0.0.1:5060;transport=udp', answer: 200 }],
      trustedPeers: ['127.0.0.1'],
    },
  })
  const load = (
    change: (config: Record<string, any>) => unknown = () => undefined,
    env: Record<string, string> = {},
  ) => {
    const config = good()
    change(config)
    return loadConfig(file('gateway.yaml', JSON.stringify(config)), env)
  }
  const loaded = (...given: Parameters<typeof load>): GatewayConfig => {
    const config = load(...given)
    if (!config.ok) throw new Error(JSON.stringify(config.failure))
    return config.value
  }

  beforeAll(async () => {
    ca = await makeAuthority('inside')
    ours = await makeCertificate({ names: ['gateway.inside'], issuer: ca })
  })
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('what is left out has its default', () => {
    const config = loaded()
    expect(config).toMatchObject({
      admin: { listen: '127.0.0.1:8080' },
      ops: { listen: '127.0.0.1:9102' },
      store: { url: 'sqlite:data/stox.db' },
      messages: { giveUpS: 12 },
      presence: { notifyIntervalMs: 5000, expiresS: 3600 },
      federation: undefined,
    })
    expect(config.sip.domains).toEqual([
      {
        domain: 'capulet.example',
        messages: {
          typing: true,
          reports: 'learned',
          html: 'never',
          stanzaType: 'mirror',
          stickyThread: false,
          split: false,
          lateErrors: 'message',
          mode: null,
          receiptOn200: false,
          languages: [],
          allLanguages: 'never',
          reactions: false,
          invitations: false,
        },
        presence: { mode: 'notifier', unapproved: 'withhold', vcards: false, noteHeuristics: false },
        route: 'sip:127.0.0.1:5060;transport=udp',
        backupRoutes: [],
        profile: 'generic',
        congestionSafe: null,
        maxMessageBytes: null,
        gruu: null,
        assertedIdentity: null,
        contactInMessage: null,
        answer: 200,
      },
    ])
    expect(config.link.tls.key).toContain('PRIVATE KEY')
  })

  test('the environment is laid over it', () =>
    expect(
      loaded(() => undefined, {
        STOX_GATEWAY__SIP__LISTEN: 'udp:127.0.0.1:6000, tcp:127.0.0.1:6000',
        STOX_GATEWAY__SIP__TRUSTED_PEERS: '["10.0.0.0/8"]',
        STOX_GATEWAY__PRESENCE__NOTIFY_INTERVAL_MS: '100',
        STOX_EDGE__NODE: 'not ours',
      }),
    ).toMatchObject({
      sip: { listen: ['udp:127.0.0.1:6000', 'tcp:127.0.0.1:6000'], trustedPeers: ['10.0.0.0/8'] },
      presence: { notifyIntervalMs: 100 },
    }))

  test.each<[string, (config: Record<string, any>) => unknown, RegExp]>([
    ['no node', (c) => delete c.node, /^node$/],
    ['a transport nobody knows', (c) => (c.sip.listen = ['sctp:127.0.0.1:5060']), /^sip\.listen\[0\]$/],
    ['an edge that is not https', (c) => (c.link.edges = ['http://127.0.0.1:1']), /^link\.edges\[0\]$/],
    ['a route that is none', (c) => (c.sip.domains[0].route = 'kamailio'), /^sip\.domains\[0\]\.route$/],
    ['a domain twice', (c) => c.sip.domains.push({ ...c.sip.domains[0] }), /^sip\.domains\[1\]\.domain$/],
    ['a peer that is no address', (c) => (c.sip.trustedPeers = ['kamailio']), /^sip\.trustedPeers\[0\]$/],
    ['a peer by a certificate that names nobody', (c) => (c.sip.trustedPeers = ['tls:']), /^sip\.trustedPeers\[0\]$/],
    ['TLS without a certificate', (c) => c.sip.listen.push('tls:127.0.0.1:5061'), /^sip\.listen\[2\]$/],
    ['a route by TLS without one', (c) => (c.sip.domains[0].route = 'sips:a.example'), /^sip\.domains\[0\]\.route$/],
    [
      'a SIP key of another certificate',
      (c) =>
        (c.sip.tls = { cert: file('sip.crt', ours.cert), key: file('other.key', ca.key), ca: file('ca.crt', ca.cert) }),
      /^sip\.tls\.key$/,
    ],
    [
      'credentials without a password',
      (c) => (c.sip.credentials = [{ domain: 'capulet.example', username: 'gateway' }]),
      /^sip\.credentials\[0\]$/,
    ],
    [
      'a password file that is not there',
      (c) => (c.sip.digest = { realm: 'r', users: [{ username: 'u', passwordFile: join(dir, 'gone') }] }),
      /^sip\.digest\.users\[0\]$/,
    ],
    ['nobody trusted', (c) => (c.sip.trustedPeers = []), /^sip\.trustedPeers$/],
    ['a key that is not there', (c) => (c.link.key = join(dir, 'gone.key')), /^link\.key$/],
    ['a key of another certificate', (c) => (c.link.key = file('other.key', ca.key)), /^link\.key$/],
    ['a CA that holds none', (c) => (c.link.ca = file('empty.crt', 'nothing')), /^link\.ca$/],
    ['a store nobody knows', (c) => (c.store = { url: 'mysql://x' }), /^store\.url$/],
    [
      'a federation file with an unknown key',
      (c) => (c.federation = { file: file('f.yaml', 'partnres: []') }),
      /partnres/,
    ],
    [
      'a federation file that is not there',
      (c) => (c.federation = { file: join(dir, 'gone.yaml') }),
      /^federation\.file$/,
    ],
    ['an unknown key', (c) => (c.spi = {}), /^spi$/],
    ['a wait that RFC 4320 forbids', (c) => (c.messages = { giveUpS: 40 }), /^messages\.giveUpS$/],
  ])('%s', (_case, change, path) => {
    const config = load(change)
    if (config.ok) throw new Error('accepted')
    expect(config.failure).toEqual([
      {
        path: expect.stringMatching(path) as string,
        problem: expect.any(String) as string,
        hint: expect.any(String) as string,
      },
    ])
  })

  test('every problem at once', () => {
    const config = load((c) => {
      delete c.node
      c.link.cert = 'gone.crt'
      c.ops = { listen: 'here' }
    })
    expect(config.ok ? [] : config.failure.map(({ path }) => path)).toEqual(['node', 'link.cert', 'ops.listen'])
  })

  test('SIP over TLS, and passwords from a file and from the environment', () => {
    const credentials = [{ domain: 'capulet.example', username: 'gateway', password: 'from-the-environment' }]
    const config = loaded(
      (c) => {
        c.sip.listen.push('tls:127.0.0.1:5061')
        c.sip.tls = { cert: file('sip.crt', ours.cert), key: file('sip.key', ours.key), ca: file('ca.crt', ca.cert) }
        c.sip.digest = { realm: 'r', users: [{ username: 'u', passwordFile: file('password', 'from-a-file\n') }] }
      },
      { STOX_GATEWAY__SIP__CREDENTIALS: JSON.stringify(credentials) },
    )
    expect(config.sip.tls).toMatchObject({ clientCertificates: 'required', trust: { kind: 'file' } })
    expect(config.sip.credentials).toEqual(credentials)
    expect(config.sip.digest).toMatchObject({
      users: [{ username: 'u', password: 'from-a-file', domains: [] }],
      algorithms: ['SHA-256', 'MD5'],
    })
  })

  test('SIP over TLS with a certificate for a domain of its own', () => {
    const own = { cert: file('own.crt', ours.cert), key: file('own.key', ours.key) }
    const tls = { cert: file('sip.crt', ours.cert), key: file('sip.key', ours.key), ca: file('ca.crt', ca.cert) }
    const config = loaded((c) => {
      c.sip.tls = { ...tls, certificates: [{ domains: ['Capulet.example'], ...own }] }
    })
    expect(config.sip.tls?.identity.expiries().map(({ domain }) => domain)).toEqual(['sip', 'capulet.example'])
    expect(config.sip.tls?.files.map(({ domains }) => domains)).toEqual([['sip'], ['capulet.example']])
    const twice = load((c) => {
      const certificates = [
        { domains: ['a.example'], ...own },
        { domains: ['a.example'], ...own, key: file('ca.key', ca.key) },
      ]
      c.sip.tls = { ...tls, certificates }
    })
    expect(twice.ok ? [] : twice.failure.map(({ path }) => path)).toEqual([
      'sip.tls.certificates[1].key',
      'sip.tls.certificates[1].domains',
    ])
  })

  describe('the first model', () => {
    const federation = {
      settings: { federation: true },
      partners: [{ domain: 'montague.example', partnerType: 'federated' }],
      localDomains: [{ domain: 'verona.example', route: 'sip:127.0.0.1:5070' }],
    }
    const withFederation = (c: Record<string, any>) =>
      (c.federation = { file: file('federation.yaml', JSON.stringify(federation)) })

    test('is the file’s content, with the domains of gateway.yaml and a secret of its own', async () => {
      const stage = newStage()
      const model = await seedModel(stage.store, loaded(withFederation), { clock: stage.time, ids: stage.ids })
      expect(model.revision).toBeGreaterThan(0)
      expect(model.settings).toMatchObject({ federation: true, dialbackPassphrase: expect.any(String) as string })
      expect(model.partners.map((partner) => partner.domain)).toEqual(['montague.example'])
      expect(model.localDomains.map((one) => [one.domain, one.acceptedStatus])).toEqual([
        ['capulet.example', 200],
        ['verona.example', null],
      ])
    })

    test('the file is not read again; a new route is', async () => {
      const stage = newStage()
      const deps = { clock: stage.time, ids: stage.ids }
      const first = await seedModel(stage.store, loaded(withFederation), deps)
      await stage.store.model.commit([{ kind: 'xmpp-partner', key: 'montague.example', value: null }], {
        who: 'admin',
        atMs: 0,
      })
      const same = await seedModel(stage.store, loaded(withFederation), deps)
      expect(same.partners).toEqual([])
      expect(same.settings.dialbackPassphrase).toBe(first.settings.dialbackPassphrase)
      const moved = await seedModel(
        stage.store,
        loaded((c) => (c.sip.domains[0].route = 'sip:127.0.0.1:5061')),
        deps,
      )
      expect(moved.localDomains.find((one) => one.domain === 'capulet.example')?.route).toBe('sip:127.0.0.1:5061')
      const again = await seedModel(
        stage.store,
        loaded((c) => (c.sip.domains[0].route = 'sip:127.0.0.1:5061')),
        deps,
      )
      expect(again.revision).toBe(moved.revision)
    })

    test.each([
      ['a domain on both sides', { partners: [{ domain: 'capulet.example' }] }],
      [
        'a partner that could never prove itself',
        { partners: [{ domain: 'x.example', tlsNegotiation: 'notSupported', dialback: false }] },
      ],
    ])('%s is refused', async (_case, content) => {
      const stage = newStage()
      const config = loaded((c) => (c.federation = { file: file('bad.yaml', JSON.stringify(content)) }))
      await expect(seedModel(stage.store, config, { clock: stage.time, ids: stage.ids })).rejects.toMatchObject({
        name: 'StartFailure',
        problems: [{ path: expect.stringContaining('partners[0]') as string }],
      })
    })
  })
})
