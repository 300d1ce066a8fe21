import type { Certificate } from '@stox/testkit'
import { makeCertificate } from '@stox/testkit'
import type { PartnerRules, XmppEndpointOptions } from '@stox/transport'
import { TlsIdentity } from '@stox/transport'
import {
  RULES,
  RawPeer,
  RawServer,
  TableResolver,
  TestServer,
  dialbackSpeaker,
  domain,
  header,
} from './xmpp-support.ts'

const ROMEO = 'montague.example'
const JULIET = 'capulet.example'
const OTHER = 'other.example'

const certificates = new Map<string, Certificate>()
beforeAll(async () => {
  await Promise.all(
    [ROMEO, JULIET, OTHER].map(async (name) => certificates.set(name, await makeCertificate({ names: [name] }))),
  )
})

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

const tlsFor = (name: string): TlsIdentity => {
  const certificate = certificates.get(name)
  if (certificate === undefined) throw new Error(`no certificate for ${name}`)
  const identity = TlsIdentity.of([{ domains: [name], ...certificate }])
  if (!identity.ok) throw new Error(JSON.stringify(identity.failure))
  return identity.value
}

function place(resolver: TableResolver, name: string, port: number): void {
  resolver.srvRecords.set(`_xmpp-server._tcp.${name}`, [{ priority: 10, weight: 0, port, target: `x.${name}` }])
  resolver.hosts.set(`x.${name}`, ['127.0.0.1'])
}

async function server(
  name: string,
  resolver: TableResolver,
  options: Partial<XmppEndpointOptions> = {},
): Promise<TestServer> {
  const made = await new TestServer(name, resolver, { tls: tlsFor(name), ...options }).listen()
  closing.push(() => made.endpoint.close())
  place(resolver, name, made.port)
  return made
}

async function two(
  rules: PartnerRules,
  options: Partial<XmppEndpointOptions> = {},
): Promise<{ romeo: TestServer; juliet: TestServer; resolver: TableResolver }> {
  const resolver = new TableResolver()
  const romeo = await server(ROMEO, resolver, options)
  const juliet = await server(JULIET, resolver, options)
  romeo.partners.set(JULIET, rules)
  juliet.partners.set(ROMEO, rules)
  return { romeo, juliet, resolver }
}

async function rawServer(onPeer?: (peer: RawPeer, index: number) => void): Promise<RawServer> {
  const made = await new RawServer(onPeer).listen()
  closing.push(() => made.close())
  return made
}

/** A server of ours, and a raw domain that vouches for every key and has connected and authenticated. */
async function withAuthenticatedPeer(
  rules: PartnerRules = RULES.tlsNotSupported,
  options: Partial<XmppEndpointOptions> = {},
) {
  const resolver = new TableResolver()
  const juliet = await server(JULIET, resolver, options)
  juliet.partners.set(ROMEO, rules)
  const authority = await rawServer(dialbackSpeaker(ROMEO))
  place(resolver, ROMEO, authority.port)
  const peer = await authenticate(juliet)
  return { juliet, peer, authority, resolver }
}

async function authenticate(juliet: TestServer, from = ROMEO): Promise<RawPeer> {
  const peer = await RawPeer.connect(juliet.port)
  closing.push(() => Promise.resolve(peer.socket.destroy()))
  peer.say(header(from, JULIET))
  await peer.hears(/<stream:features/)
  peer.say(`<db:result from='${from}' to='${JULIET}'>any</db:result>`)
  await peer.hears(/<db:result [^>]*type=.valid/)
  return peer
}

const stanza = (id: string, more = '', from = `r@${ROMEO}`, to = `j@${JULIET}`) =>
  `<message from='${from}' to='${to}' id='${id}' type='chat'><body>Hi${more}</body></message>`

describe('endpoint with endpoint', () => {
  test.each([
    ['dialback over TLS, required', RULES.tlsRequired, 'dialback-over-tls', 'TLSv1.3'],
    ['dialback over TLS, optional', RULES.tlsOptional, 'dialback-over-tls', 'TLSv1.3'],
    ['dialback over TCP', RULES.tlsNotSupported, 'dialback-over-tcp', undefined],
  ])('%s: both ways, in order, on one stream each way', async (_name, rules, provenBy, tlsVersion) => {
    const { romeo, juliet } = await two(rules)
    const ids = Array.from({ length: 50 }, (_, count) => `m${count}`)
    const there = await Promise.all(ids.map((id) => romeo.send(juliet.domain, id, `Grüße ${id} 🎭`)))
    const back = await Promise.all(ids.map((id) => juliet.send(romeo.domain, id)))
    expect([...there, ...back].map(({ kind }) => kind)).toEqual(Array.from({ length: 100 }, () => 'sent'))
    await juliet.until(() => juliet.arrived.length === 50)
    await romeo.until(() => romeo.arrived.length === 50)
    expect(juliet.arrived.map(({ stanza: { id } }) => id)).toEqual(ids)
    expect(juliet.arrived[7]?.stanza).toMatchObject({ kind: 'message', bodies: [{ text: 'Grüße m7 🎭' }] })
    expect(juliet.arrived[0]?.context).toMatchObject({ local: JULIET, peer: { domain: ROMEO, provenBy } })
    expect(romeo.ups).toMatchObject([
      { direction: 'out', local: ROMEO, remote: JULIET, provenBy },
      { direction: 'in', local: ROMEO, remote: JULIET, provenBy },
    ])
    const out = romeo.endpoint.streams().find(({ direction, purpose }) => direction === 'out' && purpose === 'stanzas')
    expect(out).toMatchObject({ state: 'established', stanzasOut: 50, encrypted: tlsVersion !== undefined, tlsVersion })
    expect(romeo.refused).toEqual([])
    expect(romeo.endpoint.failures()).toEqual([])
  })

  test('a stream that ends is told of, and the next stanza has a new one', async () => {
    const { romeo, juliet } = await two(RULES.tlsOptional)
    await romeo.send(juliet.domain, 'm1')
    const [up] = romeo.ups
    expect(romeo.endpoint.closeStream(up?.streamId ?? '')).toBe(true)
    expect(romeo.endpoint.closeStream('no such stream')).toBe(false)
    await juliet.until(() => juliet.downs.length === 1)
    expect(romeo.downs).toMatchObject([{ direction: 'out', reason: 'closed' }])
    expect(await romeo.send(juliet.domain, 'm2')).toMatchObject({ kind: 'sent' })
    await juliet.until(() => juliet.arrived.length === 2)
    expect(romeo.ups).toHaveLength(2)
  })

  test('XEP-0478: what is longer than the peer takes is refused by us, and the stream stays', async () => {
    const { romeo, juliet } = await two(RULES.tlsRequired)
    juliet.partners.set(ROMEO, { ...RULES.tlsRequired, maxStanzaBytes: 10_000 })
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
    expect(await romeo.send(juliet.domain, 'm2', 'ü'.repeat(6_000))).toMatchObject({
      kind: 'failed',
      failure: { condition: 'policy-violation', status: 513 },
    })
    expect(await romeo.send(juliet.domain, 'm3', 'ü'.repeat(4_000))).toMatchObject({ kind: 'sent' })
    await juliet.until(() => juliet.arrived.length === 2)
    expect(romeo.ups).toHaveLength(1)
    expect(juliet.refused).toEqual([])
  })

  test('a fixed proxy stands in place of DNS', async () => {
    const { romeo, juliet, resolver } = await two(RULES.tlsOptional)
    resolver.srvRecords.delete(`_xmpp-server._tcp.${JULIET}`)
    resolver.hosts.set('127.0.0.1', ['127.0.0.1'])
    romeo.partners.set(JULIET, { ...RULES.tlsOptional, proxy: { host: '127.0.0.1', port: juliet.port } })
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
  })

  test('a partner that is taken off the list loses its streams', async () => {
    const { romeo, juliet } = await two(RULES.tlsOptional)
    await romeo.send(juliet.domain, 'm1')
    juliet.partners.delete(ROMEO)
    juliet.endpoint.policyChanged()
    await romeo.until(() => romeo.downs.length === 1)
    expect(romeo.downs[0]?.reason).toContain('policy-violation')
    await romeo.until(() => romeo.endpoint.streams().length === 0)
  })

  test('rules that leave nothing fail without a connection', async () => {
    const { romeo, juliet } = await two({ ...RULES.saslOnly, methods: [] })
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({
      kind: 'failed',
      failure: {
        status: 504,
        condition: 'remote-server-timeout',
        detail: expect.stringContaining('allows no method'),
      },
    })
    expect(romeo.endpoint.streams()).toEqual([])
  })

  test('an idle stream ends by itself, and leaves no failure', async () => {
    const { romeo, juliet } = await two(RULES.tlsOptional)
    romeo.times = { ...romeo.times, inactivityTimeoutMs: 200 }
    await romeo.send(juliet.domain, 'm1')
    await romeo.until(() => romeo.downs.length === 1)
    expect(romeo.downs[0]?.reason).toBe('closed')
    await romeo.until(() => romeo.endpoint.streams().length === 0)
    expect(juliet.endpoint.failures()).toEqual([])
  })

  test('white space keeps an idle stream alive', async () => {
    const { romeo, juliet } = await two(RULES.tlsNotSupported)
    romeo.times = { ...romeo.times, keepAliveIntervalMs: 50 }
    juliet.times = { ...juliet.times, keepAliveIntervalMs: 400 }
    await romeo.send(juliet.domain, 'm1')
    const bytesIn = () => juliet.endpoint.streams().find(({ direction }) => direction === 'in')?.bytesIn ?? 0
    await juliet.until(() => juliet.arrived.length === 1)
    const before = bytesIn()
    await juliet.until(() => bytesIn() >= before + 10)
    expect(juliet.downs).toEqual([])
    romeo.times = { ...romeo.times, keepAliveIntervalMs: 60_000 }
  })

  test('close ends everything, and says so to who still waits', async () => {
    const { romeo, juliet } = await two(RULES.tlsOptional)
    await romeo.send(juliet.domain, 'm1')
    await Promise.all([romeo.endpoint.close(), juliet.endpoint.close()])
    expect(romeo.endpoint.streams()).toEqual([])
    expect(juliet.endpoint.streams()).toEqual([])
    expect([...romeo.endpoint.failures(), ...juliet.endpoint.failures()]).toEqual([])
    expect(await romeo.send(juliet.domain, 'm2')).toMatchObject({
      kind: 'failed',
      failure: { text: 'The gateway is shutting down' },
    })
  })
})

test('who is in the middle of proving himself when we stop is told so, and it is no failure', async () => {
  const romeo = await server(ROMEO, new TableResolver())
  romeo.partners.set(JULIET, RULES.tlsNotSupported)
  const peer = await RawPeer.connect(romeo.port)
  peer.say(header(JULIET, ROMEO))
  await peer.hears(/<stream:features/)
  await romeo.endpoint.close()
  await peer.hears(/<system-shutdown/)
  await peer.closes()
  expect(romeo.endpoint.failures()).toEqual([])
})

describe('why a stanza cannot be sent', () => {
  const alone = async (options: Partial<XmppEndpointOptions> = {}) => {
    const resolver = new TableResolver()
    const romeo = await server(ROMEO, resolver, options)
    romeo.partners.set(JULIET, RULES.tlsOptional)
    return { romeo, resolver }
  }
  const failureOf = async (romeo: TestServer, maxWaitMs = 5_000) => {
    const outcome = await romeo.send(domain(JULIET), 'm1', 'Hi', maxWaitMs)
    return outcome.kind === 'failed' ? outcome.failure : undefined
  }

  test('no partner', async () => {
    const { romeo } = await alone()
    romeo.partners.clear()
    expect(await failureOf(romeo)).toMatchObject({ condition: 'not-allowed', status: 403 })
  })

  test('no such domain', async () => {
    const { romeo } = await alone()
    expect(await failureOf(romeo)).toMatchObject({ condition: 'remote-server-not-found', status: 404 })
  })

  test('the domain says that it has no XMPP', async () => {
    const { romeo, resolver } = await alone()
    resolver.srvRecords.set(`_xmpp-server._tcp.${JULIET}`, [{ priority: 0, weight: 0, port: 0, target: '' }])
    resolver.hosts.set(JULIET, ['127.0.0.1'])
    expect(await failureOf(romeo)).toMatchObject({ condition: 'remote-server-not-found', status: 404 })
  })

  test('the name server is in trouble: not the same as no record', async () => {
    const { romeo, resolver } = await alone()
    resolver.trouble.add(`_xmpp-server._tcp.${JULIET}`)
    resolver.hosts.set(JULIET, ['127.0.0.1'])
    expect(await failureOf(romeo)).toMatchObject({ condition: 'remote-server-timeout', status: 504 })
  })

  test('nobody listens there', async () => {
    const { romeo, resolver } = await alone()
    place(resolver, JULIET, 1)
    expect(await failureOf(romeo)).toMatchObject({ condition: 'remote-server-timeout', status: 504 })
  })

  test('where no partner may be', async () => {
    const { romeo, resolver } = await alone({ mayConnect: () => false })
    place(resolver, JULIET, romeo.port)
    expect(await failureOf(romeo)).toMatchObject({
      status: 504,
      detail: expect.stringContaining('where no partner may be'),
    })
  })

  test('the peer does not know itself by this name', async () => {
    const { romeo, resolver } = await alone()
    const other = await server(OTHER, resolver)
    place(resolver, JULIET, other.port)
    expect(await failureOf(romeo)).toMatchObject({ condition: 'remote-server-not-found', status: 404 })
    expect(other.refused).toEqual(['host-unknown'])
  })

  test('we are no partner of theirs', async () => {
    const { romeo, juliet } = await two(RULES.tlsOptional)
    juliet.partners.clear()
    const outcome = await romeo.send(juliet.domain, 'm1')
    expect(outcome).toMatchObject({ failure: { condition: 'policy-violation', status: 403 } })
    expect(juliet.refused).toEqual(['unknown-partner'])
    expect(juliet.arrived).toEqual([])
  })

  test('they say that our key is forged', async () => {
    const { romeo, juliet, resolver } = await two(RULES.tlsOptional)
    const liar = await rawServer(dialbackSpeaker(ROMEO, () => 'invalid'))
    place(resolver, ROMEO, liar.port)
    const outcome = await romeo.send(juliet.domain, 'm1')
    expect(outcome).toMatchObject({ failure: { condition: 'internal-server-error', status: 502 } })
    expect(juliet.refused).toEqual(['dialback-invalid'])
  })

  test('they cannot ask our server', async () => {
    const { romeo, juliet, resolver } = await two(RULES.tlsOptional)
    place(resolver, ROMEO, 1)
    const outcome = await romeo.send(juliet.domain, 'm1')
    expect(outcome).toMatchObject({
      failure: { status: 502, detail: expect.stringContaining('remote-connection-failed') },
    })
  })

  test('a silent peer: each stanza has its own time, the stream another', async () => {
    const silent = await rawServer()
    const { romeo, resolver } = await alone()
    romeo.times = { ...romeo.times, establishmentTimeoutMs: 600 }
    place(resolver, JULIET, silent.port)
    const started = Date.now()
    const [soon, later] = await Promise.all([
      failureOf(romeo, 150).then((failure) => ({ failure, afterMs: Date.now() - started })),
      failureOf(romeo, 5_000).then((failure) => ({ failure, afterMs: Date.now() - started })),
    ])
    expect(soon).toMatchObject({ failure: { status: 504, detail: expect.stringContaining('no stream in time') } })
    expect(soon.afterMs).toBeLessThan(500)
    expect(later).toMatchObject({ failure: { status: 504, detail: expect.stringContaining('awaiting-header') } })
    expect(later.afterMs).toBeGreaterThanOrEqual(500)
  })

  test('the queue has a bound', async () => {
    const silent = await rawServer()
    const { romeo, resolver } = await alone({ limits: { queueEntries: 3 } })
    romeo.times = { ...romeo.times, establishmentTimeoutMs: 300 }
    place(resolver, JULIET, silent.port)
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => failureOf(romeo, 2_000)))
    expect(outcomes.map((failure) => failure?.status)).toEqual([504, 504, 504, 480])
    expect(outcomes[3]).toMatchObject({ condition: 'resource-constraint', retryAfterS: 10 })
  })

  test('too large for the partner', async () => {
    const { romeo, juliet } = await two(RULES.tlsOptional)
    const outcome = await romeo.send(juliet.domain, 'm1', 'x'.repeat(60_000))
    expect(outcome).toMatchObject({ failure: { condition: 'policy-violation', status: 513 } })
    expect(romeo.ups).toEqual([])
  })

  test('a partner has its own number of connections', async () => {
    const { romeo, juliet } = await two({ ...RULES.tlsOptional, connectionLimit: 1 })
    await juliet.send(romeo.domain, 'm0')
    await juliet.until(() => juliet.ups.length === 1 && juliet.endpoint.streams().length === 1)
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({
      failure: { condition: 'resource-constraint', status: 480 },
    })
  })

  test('a peer that comes to us is gone to again at once', async () => {
    const { romeo, juliet, resolver } = await two(RULES.tlsOptional, { limits: { backOffFirstMs: 60_000 } })
    place(resolver, JULIET, 1)
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ failure: { status: 504 } })
    place(resolver, JULIET, juliet.port)
    expect(await romeo.send(juliet.domain, 'm2')).toMatchObject({ failure: { status: 504 } })
    expect(await juliet.send(romeo.domain, 'm3')).toMatchObject({ kind: 'sent' })
    await romeo.until(() => romeo.arrived.length === 1)
    expect(await romeo.send(juliet.domain, 'm4')).toMatchObject({ kind: 'sent' })
  })

  test('a failed attempt is not repeated at once, and the next one comes by itself', async () => {
    const resolver = new TableResolver()
    const romeo = await server(ROMEO, resolver, { limits: { backOffFirstMs: 400 } })
    romeo.partners.set(JULIET, RULES.tlsNotSupported)
    let attempts = 0
    const closed = await rawServer((peer) => {
      attempts += 1
      if (attempts === 1) peer.socket.destroy()
      else dialbackSpeaker(JULIET)(peer)
    })
    place(resolver, JULIET, closed.port)
    expect(await failureOf(romeo)).toMatchObject({ status: 504 })
    expect(await failureOf(romeo, 10)).toMatchObject({ status: 504 })
    expect(attempts).toBe(1)
    expect(await romeo.send(domain(JULIET), 'm3')).toMatchObject({ kind: 'sent' })
    expect(attempts).toBe(2)
  })
})

describe('a hostile peer', () => {
  test.each([
    ['not XML', 'GET / HTTP/1.1\r\n\r\n', 'not-well-formed', 'malformed-xml'],
    ['a document type', '<!DOCTYPE x>', 'restricted-xml', 'restricted-xml'],
    ['a stranger', header('stranger.example', JULIET), 'policy-violation', 'unknown-partner'],
    ['a domain of ours', header(JULIET, JULIET), 'invalid-from', 'own-domain'],
    ['not our domain', header(ROMEO, 'nobody.example'), 'host-unknown', 'host-unknown'],
    ['a stanza first', header(ROMEO, JULIET) + stanza('m1'), 'not-authorized', 'not-authorized'],
    [
      'a large element first',
      `${header(ROMEO, JULIET)}<message><body>${'x'.repeat(20_000)}`,
      'policy-violation',
      'stanza-too-big',
    ],
  ])('%s', async (_name, text, condition, refused) => {
    const juliet = await server(JULIET, new TableResolver())
    juliet.partners.set(ROMEO, RULES.tlsOptional)
    const peer = await RawPeer.connect(juliet.port)
    peer.say(text)
    await peer.hears(new RegExp(`<stream:stream [^]*<stream:error[^>]*><${condition}[^]*</stream:stream>$`))
    await peer.closes()
    expect(juliet.refused).toEqual([refused])
    expect(juliet.arrived).toEqual([])
  })

  test.each([
    ['another `from`', stanza('bad', '', 'x@other.example'), 'invalid-from', 'invalid-from'],
    ['relay', stanza('bad', '', undefined, 'x@other.example'), 'host-unknown', 'host-unknown'],
    ['too large', stanza('bad', 'x'.repeat(60_000)), 'policy-violation', 'stanza-too-big'],
    ['a comment', stanza('bad').replace('Hi', '<!--x-->'), 'restricted-xml', 'restricted-xml'],
    ['an entity', stanza('bad', '&lol;'), 'restricted-xml', 'restricted-xml'],
    ['crossed tags', stanza('bad', '<a><b></a></b>'), 'not-well-formed', 'malformed-xml'],
  ])(
    'authenticated, and then: %s; the good stanza before it passes, and the next stream is as good',
    async (_name, text, condition, refused) => {
      const { juliet, peer } = await withAuthenticatedPeer()
      peer.say(stanza('good') + text)
      await peer.hears(new RegExp(`<stream:error[^>]*><${condition}`))
      await peer.closes()
      expect(juliet.refused).toEqual([refused])
      expect(juliet.arrived.map(({ stanza: { id } }) => id)).toEqual(['good'])
      const next = await authenticate(juliet)
      next.say(stanza('next'))
      await juliet.until(() => juliet.arrived.length === 2)
      expect(juliet.arrived[1]?.stanza.id).toBe('next')
    },
  )

  test('a stanza of the size that is allowed, in crumbs', async () => {
    const { juliet, peer } = await withAuthenticatedPeer()
    const text = stanza('large', 'ü'.repeat(20_000))
    for (let at = 0; at < text.length; at += 7_000) peer.say(text.slice(at, at + 7_000))
    await juliet.until(() => juliet.arrived.length === 1)
    expect(juliet.refused).toEqual([])
  })

  test('a forged key: refused, and nothing passes', async () => {
    const { romeo, juliet } = await two(RULES.tlsNotSupported)
    const peer = await RawPeer.connect(juliet.port)
    peer.say(header(ROMEO, JULIET))
    await peer.hears(/<stream:features/)
    peer.say(`<db:result from='${ROMEO}' to='${JULIET}'>${'0'.repeat(64)}</db:result>` + stanza('m1').slice(0, 10))
    await peer.hears(/<db:result [^>]*type=.invalid/)
    await peer.closes()
    expect(juliet.refused).toEqual(['dialback-invalid'])
    expect(romeo.refused).toEqual(['dialback-invalid'])
    expect(juliet.arrived).toEqual([])
  })

  test('text behind <starttls/> in the same packet', async () => {
    const juliet = await server(JULIET, new TableResolver())
    juliet.partners.set(ROMEO, RULES.tlsRequired)
    const peer = await RawPeer.connect(juliet.port)
    peer.say(header(ROMEO, JULIET))
    await peer.hears(/<starttls/)
    peer.say(
      `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`,
    )
    await peer.closes()
    expect(peer.heard).not.toContain('<proceed')
    expect(juliet.refused).toEqual(['plaintext-injection'])
  })

  test('text behind <proceed/> in the same packet', async () => {
    const resolver = new TableResolver()
    const romeo = await server(ROMEO, resolver)
    romeo.partners.set(JULIET, RULES.tlsRequired)
    const injector = await rawServer((peer) => {
      peer.say(
        `${header(JULIET, ROMEO, ` id='i1' version='1.0'`)}<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`,
      )
      void peer
        .hears(/<starttls/)
        .then(() => peer.say(`<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><stream:features/>`))
    })
    place(resolver, JULIET, injector.port)
    expect(await romeo.send(domain(JULIET), 'm1')).toMatchObject({
      failure: { status: 504, detail: expect.stringContaining('plain text behind') },
    })
    expect(romeo.refused).toEqual(['plaintext-injection'])
  })

  test('no TLS behind <starttls/>', async () => {
    const juliet = await server(JULIET, new TableResolver())
    juliet.partners.set(ROMEO, RULES.tlsRequired)
    const peer = await RawPeer.connect(juliet.port)
    peer.say(header(ROMEO, JULIET))
    await peer.hears(/<starttls/)
    peer.say(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
    await peer.hears(/<proceed/)
    peer.say(header(ROMEO, JULIET))
    await peer.closes()
    expect(juliet.endpoint.failures()).toMatchObject([{ direction: 'in', remote: ROMEO, kind: 'tls-failed' }])
    expect(juliet.endpoint.streams()).toEqual([])
  })

  test('says nothing', async () => {
    const juliet = await server(JULIET, new TableResolver())
    juliet.times = { ...juliet.times, establishmentTimeoutMs: 150 }
    const peer = await RawPeer.connect(juliet.port)
    await peer.hears(/<stream:stream [^]*<connection-timeout/)
    await peer.closes()
    expect(juliet.refused).toEqual(['establishment-timeout'])
  })

  test('answers our stream and then sends stanzas on it', async () => {
    const resolver = new TableResolver()
    const romeo = await server(ROMEO, resolver)
    romeo.partners.set(JULIET, RULES.tlsNotSupported)
    const liar = await rawServer((peer) => {
      dialbackSpeaker(JULIET)(peer)
      void peer.hears(/<message/).then(() => peer.say(stanza('back', '', `j@${JULIET}`, `r@${ROMEO}`)))
    })
    place(resolver, JULIET, liar.port)
    await romeo.send(domain(JULIET), 'm1')
    await romeo.until(() => romeo.downs.length === 1)
    expect(romeo.refused).toEqual(['wrong-direction'])
    expect(romeo.arrived).toEqual([])
  })

  test('too many connections of one address that prove nothing', async () => {
    const juliet = await server(JULIET, new TableResolver(), { limits: { unauthenticatedPerAddress: 3 } })
    const peers = await Promise.all([1, 2, 3].map(() => RawPeer.connect(juliet.port)))
    await juliet.until(() => juliet.endpoint.streams().length === 3)
    const more = await RawPeer.connect(juliet.port)
    await more.hears(/<resource-constraint/)
    await more.closes()
    expect(juliet.refused).toEqual(['connection-limit'])
    for (const { socket } of peers) socket.destroy()
  })

  test('a crowd of one address: all are counted, a few a second are told why, and another address comes in', async () => {
    const juliet = await server(JULIET, new TableResolver(), { limits: { unauthenticatedPerAddress: 3 } })
    juliet.partners.set(ROMEO, RULES.tlsRequired)
    const first = await Promise.all([1, 2, 3].map(() => RawPeer.connect(juliet.port)))
    await juliet.until(() => juliet.endpoint.streams().length === 3)
    const sinceMs = performance.now()
    const crowd = await Promise.all(Array.from({ length: 200 }, () => RawPeer.connect(juliet.port)))
    const other = await RawPeer.connect(juliet.port, '127.0.0.2')
    other.say(header(ROMEO, JULIET))
    await other.hears(/<starttls/)
    for (const peer of crowd) await peer.closes()
    const tookS = (performance.now() - sinceMs) / 1000
    expect(juliet.refused).toEqual(crowd.map(() => 'connection-limit'))
    const told = crowd.filter(({ heard }) => heard !== '')
    expect(told.length).toBeGreaterThan(0)
    expect(told.length).toBeLessThanOrEqual(20 * (1 + tookS))
    for (const { heard } of told) expect(heard).toMatch(/<resource-constraint/)
    expect(juliet.endpoint.streams()).toHaveLength(4)
    for (const { socket } of [...first, other]) socket.destroy()
  })

  test('the limit of all connections', async () => {
    const juliet = await server(JULIET, new TableResolver())
    juliet.connectionLimit = 1
    const first = await RawPeer.connect(juliet.port)
    await juliet.until(() => juliet.endpoint.streams().length === 1)
    const second = await RawPeer.connect(juliet.port)
    await second.hears(/<resource-constraint/)
    first.socket.destroy()
    await juliet.until(() => juliet.endpoint.streams().length === 0)
  })
})

describe('partners from before XMPP 1.0 (Google Talk)', () => {
  test('no version, no features, no `from` in the header: when the record says so', async () => {
    const resolver = new TableResolver()
    const juliet = await server(JULIET, resolver)
    juliet.partners.set(ROMEO, RULES.tlsNotSupported)
    const authority = await rawServer(dialbackSpeaker(ROMEO))
    place(resolver, ROMEO, authority.port)
    const peer = await RawPeer.connect(juliet.port)
    peer.say(header(undefined, JULIET, ''))
    await peer.hears(/<stream:stream [^>]* id=/)
    peer.say(`<db:result from='${ROMEO}' to='${JULIET}'>any</db:result>`)
    await peer.hears(/<db:result [^>]*type=.valid/)
    peer.say(stanza('m1'))
    await juliet.until(() => juliet.arrived.length === 1)
    expect(peer.heard).not.toContain('<stream:features')
    peer.socket.destroy()
  })

  test('refused when the record does not', async () => {
    const juliet = await server(JULIET, new TableResolver())
    juliet.partners.set(ROMEO, RULES.tlsRequired)
    const peer = await RawPeer.connect(juliet.port)
    peer.say(header(ROMEO, JULIET, ''))
    await peer.hears(/<unsupported-version/)
    await peer.closes()
    expect(juliet.refused).toEqual(['tls-required'])
  })
})

describe('flow', () => {
  test.each([
    ['stanzas', { stanzasInHand: 10 }],
    ['bytes', { bytesInHand: 10_000 }],
  ])('a full upper layer stops the reading, and nothing is lost: %s', async (_name, limits) => {
    const { juliet, peer } = await withAuthenticatedPeer(RULES.tlsNotSupported, { limits })
    const release: (() => void)[] = []
    juliet.onStanza = () => new Promise((resolve) => release.push(resolve))
    const count = 20_000
    let sent = 0
    const pump = () => {
      while (sent < count && peer.socket.write(stanza(`m${(sent += 1)}`, 'x'.repeat(500))));
      if (sent < count) peer.socket.once('drain', pump)
    }
    pump()
    await juliet.until(() => juliet.arrived.length >= 10)
    await new Promise((resolve) => setTimeout(resolve, 200))
    const held = juliet.arrived.length
    // One chunk may hold many stanzas; what is behind it stays in the sockets.
    expect(held).toBeLessThan(1_000)
    expect(sent).toBeLessThan(count)
    juliet.onStanza = () => {}
    for (const settle of release.splice(0)) settle()
    await juliet.until(() => juliet.arrived.length === count, 20_000)
    expect(juliet.arrived.map(({ stanza: { id } }) => id)).toEqual(
      Array.from({ length: count }, (_, at) => `m${at + 1}`),
    )
  })

  test('the same over TLS, from endpoint to endpoint: the sender waits too', async () => {
    const { romeo, juliet } = await two(RULES.tlsRequired, { limits: { stanzasInHand: 10, queueBytes: 2 ** 25 } })
    const release: (() => void)[] = []
    juliet.onStanza = () => new Promise((resolve) => release.push(resolve))
    const count = 2_000
    const sending = Promise.all(
      Array.from({ length: count }, (_, at) => romeo.send(juliet.domain, `m${at}`, 'x'.repeat(8_000), 20_000)),
    )
    await juliet.until(() => juliet.arrived.length >= 10)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(juliet.arrived.length).toBeLessThan(200)
    juliet.onStanza = () => {}
    for (const settle of release.splice(0)) settle()
    expect((await sending).filter(({ kind }) => kind === 'sent')).toHaveLength(count)
    await juliet.until(() => juliet.arrived.length === count, 20_000)
    expect(juliet.arrived.map(({ stanza: { id } }) => id)).toEqual(Array.from({ length: count }, (_, at) => `m${at}`))
  })

  test('a partner that is faster than its record allows is read more slowly', async () => {
    const { juliet, peer } = await withAuthenticatedPeer({ ...RULES.tlsNotSupported, stanzasPerSecond: 20 })
    const started = Date.now()
    for (let count = 0; count < 30; count += 1) {
      peer.say(stanza(`m${count}`))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await juliet.until(() => juliet.arrived.length === 30)
    expect(Date.now() - started).toBeGreaterThan(600)
    expect(juliet.refused).toEqual([])
  })

  test('a peer that does not read is given up, and the senders hear of it', async () => {
    const resolver = new TableResolver()
    const romeo = await server(ROMEO, resolver, {
      limits: {
        stallTimeoutMs: 400,
        writeBufferBytes: 64 * 1024,
        queueEntries: 900,
        queueBytes: 2 ** 26,
        closeTimeoutMs: 200,
      },
    })
    romeo.partners.set(JULIET, RULES.tlsNotSupported)
    const slow = await rawServer((peer, index) => {
      if (index === 0) {
        dialbackSpeaker(JULIET)(peer)
        void peer.hears(/<message/).then(() => peer.socket.pause())
      } else peer.socket.destroy()
    })
    place(resolver, JULIET, slow.port)
    await romeo.send(domain(JULIET), 'first')
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, (_, count) => romeo.send(domain(JULIET), `m${count}`, 'x'.repeat(20_000), 3_000)),
    )
    const failed = outcomes.filter(({ kind }) => kind === 'failed')
    expect(failed.length).toBeGreaterThan(0)
    const statuses = new Set(failed.map((outcome) => (outcome.kind === 'failed' ? outcome.failure.status : 0)))
    // What did not fit into the queue was told so at once; what was under way, when the peer was given up.
    expect(statuses).toEqual(new Set([480, 504]))
    await romeo.until(() => romeo.downs.length === 1)
    expect(romeo.downs[0]?.reason).toContain('does not read')
  })

  test('a broken stanza is answered on our own stream', async () => {
    const { juliet, peer, authority } = await withAuthenticatedPeer()
    peer.say(`<iq from='r@${ROMEO}' to='j@${JULIET}' type='get'><q xmlns='urn:x'/></iq>`)
    await juliet.until(() => authority.peers.some(({ heard }) => /<iq [^>]*type=.error/.test(heard)))
    expect(juliet.refused).toEqual(['malformed-stanza'])
  })
})

test('a port in use is one clear sentence', async () => {
  const first = await server(ROMEO, new TableResolver())
  const second = new TestServer(JULIET, new TableResolver(), { listen: [`127.0.0.1:${first.port}`] })
  await expect(second.listen()).rejects.toThrow(`cannot listen on 127.0.0.1:${first.port}: the port is in use`)
})
