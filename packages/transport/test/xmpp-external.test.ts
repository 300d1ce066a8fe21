import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import type { Authority, Certificate, CertificateOrder } from '@stox/testkit'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import type { PartnerRules, TlsIdentity, TrustStore } from '@stox/transport'
import { certificateJudge, systemClock } from '@stox/transport'
import { RULES, RawPeer, TableResolver, TestServer, header, identityOf, place, trustIn } from './xmpp-support.ts'

const ROMEO = 'montague.example'
const JULIET = 'capulet.example'

let ours: Authority
let foreign: Authority
let trust: TrustStore
beforeAll(async () => {
  ours = await makeAuthority('the authority')
  foreign = await makeAuthority('another authority')
  trust = await trustIn(ours)
})

const identities = new Map<string, TlsIdentity>()
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

const signed = (name: string, changes: Partial<CertificateOrder> = {}): Promise<Certificate> =>
  makeCertificate({ names: [name], issuer: ours, ...changes })

async function server(name: string, resolver: TableResolver, certificate: Certificate): Promise<TestServer> {
  const tls = identityOf(name, certificate)
  identities.set(name, tls)
  const judgeCertificate = certificateJudge(trust, systemClock)
  const made = await new TestServer(name, resolver, { tls, judgeCertificate }).listen()
  closing.push(() => made.endpoint.close())
  place(resolver, name, made.port)
  return made
}

interface Two {
  readonly romeo: TestServer
  readonly juliet: TestServer
}

async function two(
  certificates: readonly [Certificate, Certificate],
  rules: readonly [PartnerRules, PartnerRules],
): Promise<Two> {
  const resolver = new TableResolver()
  const romeo = await server(ROMEO, resolver, certificates[0])
  const juliet = await server(JULIET, resolver, certificates[1])
  romeo.partners.set(JULIET, rules[0])
  juliet.partners.set(ROMEO, rules[1])
  return { romeo, juliet }
}

const both = (rules: PartnerRules) => [rules, rules] as const

describe('endpoint with endpoint', () => {
  test.each([
    ['SASL only', RULES.saslOnly, {}, 'sasl-external', 1],
    ['SASL only, a certificate for servers alone', RULES.saslOnly, { purposes: ['serverAuth'] }, 'sasl-external', 1],
    ['SASL or dialback', RULES.saslOrDialback, {}, 'sasl-external', 1],
    ['dialback only, though certificates are good', RULES.tlsRequired, {}, 'dialback-over-tls', 2],
  ] as const)(
    '%s: both ways, in order, on one stream or on one each way',
    async (_name, rules, order, provenBy, streams) => {
      const { romeo, juliet } = await two([await signed(ROMEO, order), await signed(JULIET, order)], both(rules))
      const ids = Array.from({ length: 30 }, (_, count) => `m${count}`)
      const there = await Promise.all(ids.map((id) => romeo.send(juliet.domain, id)))
      const back = await Promise.all(ids.map((id) => juliet.send(romeo.domain, id)))
      expect([...there, ...back].map(({ kind }) => kind)).toEqual(Array.from({ length: 60 }, () => 'sent'))
      await juliet.until(() => juliet.arrived.length === 30)
      await romeo.until(() => romeo.arrived.length === 30)
      expect(juliet.arrived.map(({ stanza: { id } }) => id)).toEqual(ids)
      expect(juliet.arrived[0]?.context).toMatchObject({ local: JULIET, peer: { domain: ROMEO, provenBy } })
      const up = { local: ROMEO, remote: JULIET, provenBy }
      expect(romeo.ups).toMatchObject(
        [
          { direction: 'out', ...up },
          { direction: 'in', ...up },
        ].slice(0, streams),
      )
      expect(romeo.endpoint.streams()[0]).toMatchObject({ bidirectional: streams === 1, stanzasOut: 30 })
      expect([romeo.refused, juliet.refused]).toEqual([[], []])
    },
  )

  test('XEP-0478 §3.2: what who opened a stream takes is kept to on the way back too, and the stream stays', async () => {
    const rules = [{ ...RULES.saslOnly, maxStanzaBytes: 10_000 }, RULES.saslOnly] as const
    const { romeo, juliet } = await two([await signed(ROMEO), await signed(JULIET)], rules)
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
    await juliet.until(() => juliet.arrived.length === 1)
    expect(await juliet.send(romeo.domain, 'm2', 'ü'.repeat(6_000))).toMatchObject({
      kind: 'failed',
      failure: { condition: 'policy-violation', status: 513 },
    })
    expect(await juliet.send(romeo.domain, 'm3', 'ü'.repeat(4_000))).toMatchObject({ kind: 'sent' })
    await romeo.until(() => romeo.arrived.length === 1)
    expect([romeo.ups.length, romeo.downs, romeo.refused]).toEqual([1, [], []])
  })

  test.each([
    ['names the domain', JULIET, 'sent'],
    ['names the proxy alone', 'proxy.inside', 'failed'],
  ])('a fixed proxy is no name to prove: a certificate that %s', async (_name, named, outcome) => {
    const resolver = new TableResolver()
    const romeo = await server(ROMEO, resolver, await signed(ROMEO))
    const juliet = await server(JULIET, resolver, await signed(named))
    resolver.srvRecords.clear()
    resolver.hosts.set('proxy.inside', ['127.0.0.1'])
    romeo.partners.set(JULIET, { ...RULES.saslOnly, proxy: { host: 'proxy.inside', port: juliet.port } })
    juliet.partners.set(ROMEO, RULES.saslOnly)
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: outcome })
    const failed = outcome === 'sent' ? [] : ['certificate-wrong-name']
    expect(romeo.endpoint.failures().map(({ reason }) => reason)).toEqual(failed)
  })

  const bad: readonly (readonly [string, () => Promise<Certificate>, RegExp])[] = [
    ['self-signed', () => makeCertificate({ names: [ROMEO] }), /signed by itself alone/],
    ['of an authority that is not trusted', () => signed(ROMEO, { issuer: foreign }), /authorit/i],
    ['for another domain', () => signed('other.example'), /other\.example/],
    ['for clients alone', () => signed(ROMEO, { purposes: ['clientAuth'] }), /purpose|server/i],
    ['expired', () => signed(ROMEO, { validDays: 0.0001 }), /expired/i],
  ]

  test.each(bad)('dialback where it is allowed, on the same streams: a certificate %s', async (_name, make, why) => {
    const { romeo, juliet } = await two([await make(), await signed(JULIET)], both(RULES.saslOrDialback))
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
    expect(await juliet.send(romeo.domain, 'm2')).toMatchObject({ kind: 'sent' })
    // The other's certificate is good: so its stanzas may come on our stream.
    expect(romeo.ups.map(({ provenBy }) => provenBy)).toEqual(['dialback-over-tls'])
    // And why its own was not enough, for who looks.
    const stream = juliet.endpoint.streams().find(({ pairs }) => pairs.length > 0)
    expect(stream?.unprovenBecause).toMatch(why)
  })

  test.each(bad)('refused both ways where it is not: a certificate %s', async (_name, make, sentence) => {
    const { romeo, juliet } = await two([await make(), await signed(JULIET)], both(RULES.saslOnly))
    expect(await juliet.send(romeo.domain, 'm1')).toMatchObject({
      kind: 'failed',
      failure: { condition: 'remote-server-timeout', status: 504, detail: expect.stringMatching(sentence) },
    })
    expect(juliet.endpoint.failures()).toMatchObject([
      { direction: 'out', kind: 'certificate', stage: 'certificate', sentence: expect.stringMatching(sentence) },
    ])
    expect(await romeo.send(juliet.domain, 'm2')).toMatchObject({ kind: 'failed', failure: { status: 502 } })
    expect(juliet.endpoint.failures()[1]).toMatchObject({ direction: 'in', kind: 'certificate' })
    expect(juliet.refused).toEqual(['certificate'])
    expect(romeo.arrived.length + juliet.arrived.length).toBe(0)
  })

  test('who offers no EXTERNAL, and is asked for it', async () => {
    const rules = [RULES.saslOnly, RULES.tlsRequired] as const
    const { romeo, juliet } = await two([await signed(ROMEO), await signed(JULIET)], rules)
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({
      kind: 'failed',
      failure: { detail: expect.stringContaining('may not accept our certificate') },
    })
    expect(romeo.endpoint.failures()).toMatchObject([{ kind: 'no-method' }])
  })
})

test('a renewed certificate: the stream that stands stays, the next one shows it', async () => {
  const { romeo, juliet } = await two([await signed(ROMEO), await signed(JULIET)], both(RULES.saslOnly))
  const shown = () => {
    const stream = romeo.endpoint.streams().find(({ direction, pairs }) => direction === 'out' && pairs.length > 0)
    return stream?.certificates
  }
  await romeo.send(juliet.domain, 'm1')
  const before = shown()
  expect(before).toMatchObject({ own: { names: [ROMEO] }, peer: { names: [JULIET], issuer: 'CN=the authority' } })

  const renewed = await signed(JULIET, { validDays: 90 })
  identities.get(JULIET)?.replaceBy(identityOf(JULIET, renewed))
  await romeo.send(juliet.domain, 'm2')
  expect(romeo.ups).toHaveLength(1)
  expect(shown()?.peer?.sha256).toBe(before?.peer?.sha256)

  romeo.endpoint.closeStream(romeo.ups[0]?.streamId ?? '')
  await romeo.until(() => romeo.downs.length === 1)
  await romeo.send(juliet.domain, 'm3')
  expect(shown()?.peer?.sha256).toBe(new X509Certificate(renewed.cert).fingerprint256)
})

test('a peer that says more with its <auth/> than that', async () => {
  const resolver = new TableResolver()
  const juliet = await server(JULIET, resolver, await signed(JULIET))
  juliet.partners.set(ROMEO, RULES.saslOnly)
  const plain = await RawPeer.connect(juliet.port)
  plain.say(header(ROMEO, JULIET) + `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
  await plain.hears(/<proceed/)
  plain.socket.removeAllListeners('data')
  const socket = connectTls({ socket: plain.socket, rejectUnauthorized: false, ...(await signed(ROMEO)) })
  await once(socket, 'secureConnect')
  const peer = new RawPeer(socket)
  closing.push(() => Promise.resolve(socket.destroy()))
  peer.say(header(ROMEO, JULIET))
  await peer.hears(/<mechanism>EXTERNAL/)
  const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`
  peer.say(auth + `<message from='r@${ROMEO}' to='j@${JULIET}'/>`)
  await peer.hears(/policy-violation/)
  await peer.closes()
  expect(peer.heard).not.toContain('<success')
  expect(juliet.arrived).toEqual([])
})
