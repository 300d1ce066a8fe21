import { startBench, type Bench } from './api.ts'

let bench: Bench
beforeEach(async () => (bench = await startBench()))
afterEach(() => bench.app.close())

const PARTNERS = '/v1/xmpp-partners'
const MONTAGUE = `${PARTNERS}/montague.example`
const add = (domain: string, more: object = {}) => bench.ask('POST', PARTNERS, { body: { domain, ...more } })

describe('/v1/xmpp-partners', () => {
  test('add, read, replace, change, delete', async () => {
    const added = await add('Montague.Example', { additionalDomains: ['chat.montague.example'] })
    expect(added).toMatchObject({
      status: 201,
      headers: { etag: '"1"', location: MONTAGUE },
      json: { domain: 'montague.example', partnerType: 'publicUnverified', revision: 1 },
    })
    expect(await bench.ask('GET', MONTAGUE)).toMatchObject({ status: 200, headers: { etag: '"1"' }, json: added.json })

    const replaced = await bench.ask('PUT', MONTAGUE, { ifMatch: 1, body: { ...added.json, partnerType: 'federated' } })
    expect(replaced).toMatchObject({
      status: 200,
      headers: { etag: '"2"' },
      json: { partnerType: 'federated', additionalDomains: ['chat.montague.example'] },
    })

    const changed = await bench.ask('PATCH', MONTAGUE, {
      ifMatch: 2,
      body: { additionalDomains: null, features: { typing: false }, proxy: { host: 'xmpp.montague.example' } },
    })
    expect(changed).toMatchObject({
      status: 200,
      headers: { etag: '"3"' },
      json: {
        additionalDomains: [],
        features: { im: true, typing: false },
        proxy: { host: 'xmpp.montague.example', port: 5269 },
        partnerType: 'federated',
      },
    })

    expect((await bench.ask('DELETE', MONTAGUE, { ifMatch: 3 })).status).toBe(204)
    expect((await bench.ask('GET', MONTAGUE)).status).toBe(404)
    expect(bench.announced.map((model) => [model.revision, model.partners.length])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 0],
    ])
  })

  test('Google Talk: row 17 of the matrix, and what it comes to', async () => {
    const talk = await add('gmail.com', {
      tlsNegotiation: 'notSupported',
      saslNegotiation: 'notSupported',
      keepAlive: false,
    })
    expect(talk.json.negotiation).toEqual({
      row: 17,
      methods: ['dialback-over-tcp'],
      warning: null,
      note: 'dialback over TCP is the only method',
    })
  })

  test('what works but deserves a second look is said of the partner', async () => {
    const { json } = await add('montague.example', {})
    expect(json.negotiation.warning).toBe('dialback will not be used while TLS and SASL are both required')
  })

  test('a domain is found in either spelling', async () => {
    await add('bücher.example')
    expect((await bench.ask('GET', `${PARTNERS}/xn--bcher-kva.example`)).json.domain).toBe('bücher.example')
  })

  test('pages, and a search', async () => {
    for (const domain of ['d', 'a', 'c', 'b'])
      await add(`${domain}.example`, domain === 'c' ? { additionalDomains: ['cellar.test'] } : {})
    const first = await bench.ask('GET', `${PARTNERS}?limit=3`)
    const second = await bench.ask('GET', `${PARTNERS}?limit=3&after=${first.json.next}`)
    expect(
      [first, second].map(({ json }) => json.items.map((each: { domain: string }) => each.domain.charAt(0))),
    ).toEqual([['a', 'b', 'c'], ['d']])
    expect(second.json.next).toBeNull()
    expect((await bench.ask('GET', `${PARTNERS}?domain=CELLAR`)).json.items).toMatchObject([{ domain: 'c.example' }])
  })

  test('adding one that is there is a conflict', async () => {
    await add('montague.example')
    expect((await add('montague.example', { enabled: false })).status).toBe(409)
  })

  test.each<[string, object, number, string[]]>([
    ['no domain', {}, 400, ['domain: missing']],
    ['a wildcard', { domain: '*.example' }, 400, ['domain: not a domain name']],
    ['an unknown key', { domain: 'a.example', partnertype: 'federated' }, 400, ['partnertype: unknown key']],
    [
      'all problems at once',
      { domain: 'a.example', partnerType: 'friend', proxy: { port: 0 } },
      400,
      [
        'partnerType: expected one of "federated"|"publicVerified"|"publicUnverified"',
        'proxy.host: missing',
        'proxy.port: Too small: expected number to be >=1',
      ],
    ],
    [
      'row 6',
      { domain: 'a.example', tlsNegotiation: 'notSupported', dialback: false },
      422,
      ['saslNegotiation: a.example: SASL is impossible without TLS, and dialback is off'],
    ],
    [
      'row 14',
      { domain: 'a.example', saslNegotiation: 'notSupported', dialback: false },
      422,
      ['saslNegotiation: a.example: SASL or dialback must be enabled'],
    ],
    [
      'row 5 without force',
      { domain: 'a.example', tlsNegotiation: 'notSupported' },
      422,
      ['saslNegotiation: SASL needs TLS: while TLS is not required, negotiation may fail'],
    ],
    ['our own domain', { domain: 'capulet.example' }, 422, ['domain: capulet.example is already a local domain']],
    [
      'a domain of another partner',
      { domain: 'a.example', additionalDomains: ['chat.montague.example'] },
      422,
      ['additionalDomains[0]: chat.montague.example is already a domain of the partner montague.example'],
    ],
  ])('refused, and nothing is saved: %s', async (_what, body, status, problems) => {
    await bench.ask('POST', '/v1/local-domains', { body: { domain: 'capulet.example', route: 'sip:127.0.0.1:5060' } })
    await add('montague.example', { additionalDomains: ['chat.montague.example'] })
    const before = await bench.store.model.read()
    const answer = await bench.ask('POST', PARTNERS, { body })
    expect(answer).toMatchObject({ status, json: { type: 'about:blank', status } })
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(
      answer.json.errors.map((each: { path: string; problem: string }) => `${each.path}: ${each.problem}`),
    ).toEqual(problems)
    expect(answer.json.errors.every((each: { hint: string }) => each.hint.length > 0)).toBe(true)
    expect(await bench.store.model.read()).toBe(before)
    expect(bench.announced).toHaveLength(2)
  })

  test('rows 5 and 11 are taken with force', async () => {
    expect(
      (
        await bench.ask('POST', `${PARTNERS}?force=true`, {
          body: { domain: 'a.example', tlsNegotiation: 'notSupported' },
        })
      ).json.negotiation,
    ).toMatchObject({ row: 5, methods: ['dialback-over-tcp'] })
  })

  test.each<[string, 'PUT' | 'PATCH' | 'DELETE', string | undefined, number]>([
    ['no If-Match', 'PUT', undefined, 428],
    ['no If-Match', 'PATCH', undefined, 428],
    ['no If-Match', 'DELETE', undefined, 428],
    ['an old one', 'PUT', '"1"', 412],
    ['an old one', 'PATCH', '"1"', 412],
    ['an old one', 'DELETE', '"1"', 412],
    ['a weak one', 'PATCH', 'W/"2"', 412],
    ['the right one', 'PATCH', '"2"', 200],
    ['one of several', 'PATCH', '"1", "2"', 200],
    ['any', 'PATCH', '*', 200],
    ['any', 'DELETE', '*', 204],
  ])('RFC 9110 §13.1.1: %s on %s', async (_what, method, ifMatch, status) => {
    await add('montague.example')
    await bench.ask('PATCH', MONTAGUE, { ifMatch: 1, body: { description: 'second' } })
    const body =
      method === 'DELETE' ? undefined : method === 'PUT' ? { domain: 'montague.example' } : { enabled: false }
    const answer = await bench.ask(method, MONTAGUE, { body, ...(ifMatch === undefined ? {} : { ifMatch }) })
    expect(answer.status).toBe(status)
    if (status === 412) expect(answer.headers['etag']).toBe('"2"')
    if (status >= 400) expect((await bench.store.model.read()).revision).toBe(2)
  })

  test('PUT adds what is not there, but not where something was expected', async () => {
    expect((await bench.ask('PUT', MONTAGUE, { ifMatch: 1, body: { domain: 'montague.example' } })).status).toBe(412)
    expect((await bench.ask('PUT', MONTAGUE, { body: { domain: 'montague.example' } })).status).toBe(201)
  })

  test.each(['PUT', 'PATCH'] as const)('%s renames nothing', async (method) => {
    await add('montague.example')
    const answer = await bench.ask(method, MONTAGUE, { ifMatch: 1, body: { domain: 'other.example' } })
    expect([answer.status, answer.json.errors[0].path]).toEqual([400, 'domain'])
  })

  test('application/merge-patch+json is taken', async () => {
    await add('montague.example')
    const answer = await bench.ask('PATCH', MONTAGUE, {
      ifMatch: 1,
      body: { enabled: false },
      headers: { 'content-type': 'application/merge-patch+json' },
    })
    expect([answer.status, answer.json.enabled]).toEqual([200, false])
  })

  test.each<[string, 'POST' | 'PUT' | 'PATCH' | 'DELETE', string, object | undefined, number]>([
    ['adding', 'POST', PARTNERS, { domain: 'new.example' }, 200],
    [
      'adding something bad',
      'POST',
      PARTNERS,
      { domain: 'capulet.example', saslNegotiation: 'notSupported', dialback: false },
      422,
    ],
    ['replacing', 'PUT', MONTAGUE, { domain: 'montague.example', enabled: false }, 200],
    ['changing', 'PATCH', MONTAGUE, { enabled: false }, 200],
    ['deleting', 'DELETE', MONTAGUE, undefined, 204],
  ])('a dry run answers as if, and changes nothing: %s', async (_what, method, url, body, status) => {
    await add('montague.example')
    const before = await bench.store.model.read()
    const answer = await bench.ask(method, `${url}?dryRun=true`, { body, ...(method === 'POST' ? {} : { ifMatch: 1 }) })
    expect(answer.status).toBe(status)
    if (method === 'PATCH') expect(answer.json.enabled).toBe(false)
    expect(await bench.store.model.read()).toBe(before)
    expect([bench.announced.length, (await bench.store.audit.find({ limit: 10 })).items.length]).toEqual([1, 1])
  })
})

describe('/v1/settings', () => {
  const SETTINGS = '/v1/settings'
  const PASSPHRASE = 'wherefore-art-thou-romeo'

  test('the defaults at revision 0, changed, replaced', async () => {
    expect(await bench.ask('GET', SETTINGS)).toMatchObject({
      status: 200,
      headers: { etag: '"0"' },
      json: { federation: false, xmpp: true, connectionLimit: 1000 },
    })
    expect(
      await bench.ask('PATCH', SETTINGS, { ifMatch: 0, body: { federation: true, connectionLimit: 50 } }),
    ).toMatchObject({ status: 200, headers: { etag: '"1"' }, json: { federation: true, connectionLimit: 50 } })
    expect(await bench.ask('PATCH', SETTINGS, { ifMatch: 1, body: { connectionLimit: null } })).toMatchObject({
      json: { federation: true, connectionLimit: 1000 },
    })
    expect(await bench.ask('PUT', SETTINGS, { ifMatch: 2, body: { xmpp: false } })).toMatchObject({
      status: 200,
      json: { federation: false, xmpp: false },
    })
    expect((await bench.ask('PUT', SETTINGS, { ifMatch: 2, body: {} })).status).toBe(412)
  })

  test('the passphrase goes in and never comes out', async () => {
    const texts: string[] = []
    const ask = async (...args: Parameters<Bench['ask']>) => {
      const answer = await bench.ask(...args)
      texts.push(answer.text)
      return answer
    }
    const set = await ask('PATCH', SETTINGS, { ifMatch: 0, body: { dialbackPassphrase: PASSPHRASE } })
    expect(set.json.dialbackPassphraseSet).toBe(true)
    await ask('GET', SETTINGS)
    await ask('GET', '/v1/audit')
    await ask('PATCH', SETTINGS, { ifMatch: 1, body: { dialbackPassphrase: PASSPHRASE, federation: 7 } })
    expect(texts.join()).not.toContain(PASSPHRASE)
    expect((await bench.store.model.read()).settings.dialbackPassphrase).toBe(PASSPHRASE)
  })

  test.each<[string, 'PUT' | 'PATCH', object, string]>([
    ['stays when a PUT leaves it out', 'PUT', { federation: true }, PASSPHRASE],
    ['stays when what was read is written back', 'PUT', { dialbackPassphraseSet: true, revision: 1 }, PASSPHRASE],
    ['stays when a PATCH leaves it out', 'PATCH', { federation: true }, PASSPHRASE],
    ['changes', 'PATCH', { dialbackPassphrase: 'another-passphrase-now' }, 'another-passphrase-now'],
  ])('the passphrase %s', async (_what, method, body, expected) => {
    await bench.ask('PATCH', SETTINGS, { ifMatch: 0, body: { dialbackPassphrase: PASSPHRASE } })
    expect((await bench.ask(method, SETTINGS, { ifMatch: 1, body })).status).toBe(200)
    expect((await bench.store.model.read()).settings.dialbackPassphrase).toBe(expected)
  })

  test.each(['PUT', 'PATCH'] as const)(
    'null in a %s makes a new passphrase up: there is never none',
    async (method) => {
      await bench.ask('PATCH', SETTINGS, { ifMatch: 0, body: { dialbackPassphrase: PASSPHRASE } })
      const answer = await bench.ask(method, SETTINGS, { ifMatch: 1, body: { dialbackPassphrase: null } })
      expect([answer.status, answer.json.dialbackPassphraseSet]).toEqual([200, true])
      const { dialbackPassphrase } = (await bench.store.model.read()).settings
      expect(dialbackPassphrase).toMatch(/^[\w-]{43}$/)
      expect(dialbackPassphrase).not.toBe(PASSPHRASE)
      expect(answer.text).not.toContain(dialbackPassphrase)
    },
  )

  test('a dry run changes nothing', async () => {
    expect(
      (await bench.ask('PATCH', `${SETTINGS}?dryRun=true`, { ifMatch: 0, body: { federation: true } })).json.federation,
    ).toBe(true)
    expect((await bench.ask('GET', SETTINGS)).json.federation).toBe(false)
  })
})

describe('/v1/local-domains', () => {
  const CAPULET = '/v1/local-domains/capulet.example'
  const route = 'sip:127.0.0.1:5060;transport=tcp'

  test('add, list, replace, delete', async () => {
    expect(await bench.ask('POST', '/v1/local-domains', { body: { domain: 'capulet.example', route } })).toMatchObject({
      status: 201,
      headers: { etag: '"1"', location: CAPULET },
    })
    expect((await bench.ask('GET', '/v1/local-domains')).json.items).toEqual([
      {
        domain: 'capulet.example',
        route,
        backupRoutes: [],
        profile: 'generic',
        congestionSafe: null,
        maxMessageBytes: null,
        acceptedStatus: null,
        gruu: null,
        assertedIdentity: null,
        contactInMessage: null,
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
        revision: 1,
      },
    ])
    expect(
      await bench.ask('PUT', CAPULET, { ifMatch: 1, body: { domain: 'capulet.example', route, congestionSafe: true } }),
    ).toMatchObject({ status: 200, json: { congestionSafe: true, revision: 2 } })
    expect(await bench.ask('GET', CAPULET)).toMatchObject({ status: 200, headers: { etag: '"2"' } })
    expect((await bench.ask('DELETE', CAPULET, { ifMatch: 1 })).status).toBe(412)
    expect((await bench.ask('DELETE', CAPULET, { ifMatch: 2 })).status).toBe(204)
    expect((await bench.ask('GET', '/v1/local-domains')).json.items).toEqual([])
  })

  test('a patch changes what it names, null takes the default again, and nothing is renamed', async () => {
    const first = { domain: 'capulet.example', route, congestionSafe: true }
    await bench.ask('POST', '/v1/local-domains', { body: first })
    expect(
      await bench.ask('PATCH', CAPULET, { ifMatch: 1, body: { profile: 'kamailio', congestionSafe: null } }),
    ).toMatchObject({ status: 200, json: { route, profile: 'kamailio', congestionSafe: null, revision: 2 } })
    expect((await bench.ask('PATCH', CAPULET, { ifMatch: 1, body: { profile: 'lync' } })).status).toBe(412)
    expect((await bench.ask('PATCH', CAPULET, { ifMatch: 2, body: { profile: 'no such' } })).status).toBe(400)
    expect(await bench.ask('PATCH', CAPULET, { ifMatch: 2, body: { domain: 'verona.example' } })).toMatchObject({
      status: 400,
      json: { errors: [{ path: 'domain' }] },
    })
    expect((await bench.ask('GET', CAPULET)).json).toMatchObject({ profile: 'kamailio', revision: 2 })
  })

  test('a domain of a partner is refused', async () => {
    await add('montague.example', { additionalDomains: ['capulet.example'] })
    const answer = await bench.ask('POST', '/v1/local-domains', { body: { domain: 'capulet.example', route } })
    expect([answer.status, answer.json.errors[0].problem]).toEqual([422, 'capulet.example is already a local domain'])
  })

  test('a bad route is told with a hint', async () => {
    const answer = await bench.ask('POST', '/v1/local-domains', {
      body: { domain: 'capulet.example', route: '127.0.0.1' },
    })
    expect(answer).toMatchObject({
      status: 400,
      json: { errors: [{ path: 'route', problem: 'not a SIP route', hint: expect.stringContaining('sip:host:port') }] },
    })
  })
})

test('what the gateway does with a change does not undo it', async () => {
  bench.announced.push = () => {
    throw new Error('no edge is there')
  }
  expect((await add('montague.example')).status).toBe(201)
  expect(bench.logged).toMatchObject([{ event: 'model-announcement-failed', detail: 'no edge is there' }])
})
