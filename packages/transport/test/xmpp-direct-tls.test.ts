import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import type { Authority } from '@stox/testkit'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import type { PartnerRules, SrvRecord, TrustStore } from '@stox/transport'
import { certificateJudge, systemClock } from '@stox/transport'
import { RULES, RawPeer, RawServer, TableResolver, TestServer, header, identityOf, trustIn } from './xmpp-support.ts'

const ROMEO = 'montague.example'
const JULIET = 'capulet.example'

let authority: Authority
let trust: TrustStore
beforeAll(async () => {
  authority = await makeAuthority('the authority')
  trust = await trustIn(authority)
})

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

/** A server for STARTTLS at `port`, and for direct TLS at `directPort`. */
async function server(name: string, resolver: TableResolver) {
  const certificate = await makeCertificate({ names: [name], issuer: authority })
  const tls = identityOf(name, certificate)
  const judgeCertificate = certificateJudge(trust, systemClock)
  const made = new TestServer(name, resolver, { tls, judgeCertificate, listenDirectTls: ['127.0.0.1:0'] })
  const [plain, direct] = await made.endpoint.listen()
  closing.push(() => made.endpoint.close())
  resolver.hosts.set(`x.${name}`, ['127.0.0.1'])
  return { server: made, plainPort: plain?.port ?? 0, directPort: direct?.port ?? 0 }
}

const at = (name: string, port: number, priority = 10): SrvRecord => ({
  priority,
  weight: 0,
  port,
  target: `x.${name}`,
})

async function two(rules: PartnerRules) {
  const resolver = new TableResolver()
  const romeo = await server(ROMEO, resolver)
  const juliet = await server(JULIET, resolver)
  resolver.srvRecords.set(`_xmpps-server._tcp.${ROMEO}`, [at(ROMEO, romeo.directPort)])
  resolver.srvRecords.set(`_xmpps-server._tcp.${JULIET}`, [at(JULIET, juliet.directPort)])
  romeo.server.partners.set(JULIET, rules)
  juliet.server.partners.set(ROMEO, rules)
  return { romeo: romeo.server, juliet: juliet.server, resolver, plainPort: juliet.plainPort }
}

test.each([
  ['SASL EXTERNAL, one stream', RULES.saslOnly, ['sasl-external']],
  ['dialback, one each way', RULES.tlsRequired, ['dialback-over-tls', 'dialback-over-tls']],
])('both ways on direct TLS: %s', async (_name, rules, proofs) => {
  const { romeo, juliet } = await two(rules)
  expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
  expect(await juliet.send(romeo.domain, 'm2')).toMatchObject({ kind: 'sent' })
  await juliet.until(() => juliet.arrived.length === 1)
  expect(juliet.ups.map((up) => up.provenBy)).toEqual(proofs)
  const streams = juliet.endpoint.streams().filter(({ pairs }) => pairs.length > 0)
  expect(streams.map(({ tlsVersion }) => tlsVersion)).toEqual(proofs.map(() => 'TLSv1.3'))
})

test('a record without TLS: the way of STARTTLS alone', async () => {
  const { romeo, juliet, resolver, plainPort } = await two(RULES.tlsNotSupported)
  resolver.srvRecords.set(`_xmpp-server._tcp.${JULIET}`, [at(JULIET, plainPort)])
  juliet.partners.set(ROMEO, RULES.saslOnly)
  expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'failed' })
  expect(romeo.endpoint.failures()).toMatchObject([
    { kind: 'no-method', detail: expect.stringContaining('requires TLS') },
  ])
})

test('a target whose handshake fails is no reason to give up: the next one is tried', async () => {
  const { romeo, juliet, resolver, plainPort } = await two(RULES.saslOnly)
  const broken = await new RawServer((peer) => peer.say('no TLS here').socket.end()).listen()
  closing.push(() => broken.close())
  resolver.srvRecords.set(`_xmpps-server._tcp.${JULIET}`, [at(JULIET, broken.port, 1)])
  resolver.srvRecords.set(`_xmpp-server._tcp.${JULIET}`, [at(JULIET, plainPort, 2)])
  expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
  expect(broken.peers).toHaveLength(1)
})

test('nothing but a failing handshake', async () => {
  const { romeo, juliet, resolver } = await two(RULES.saslOnly)
  const broken = await new RawServer((peer) => peer.socket.end()).listen()
  closing.push(() => broken.close())
  resolver.srvRecords.set(`_xmpps-server._tcp.${JULIET}`, [at(JULIET, broken.port)])
  const detail = expect.stringContaining('direct TLS') as string
  expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'failed', failure: { status: 504, detail } })
  expect(romeo.endpoint.failures()).toMatchObject([{ kind: 'tls-failed' }])
})

describe('XEP-0368 §3, who connects', () => {
  const dial = async (options: { servername?: string; ALPNProtocols?: string[] }) => {
    const { server: juliet, directPort } = await server(JULIET, new TableResolver())
    juliet.partners.set(ROMEO, RULES.saslOrDialback)
    const socket = connectTls({ host: '127.0.0.1', port: directPort, rejectUnauthorized: false, ...options })
    closing.push(() => Promise.resolve(socket.destroy()))
    return socket
  }

  test.each([
    ['ALPN', { servername: JULIET, ALPNProtocols: ['xmpp-server'] }, 'xmpp-server'],
    ['no ALPN', { servername: JULIET }, false],
  ])('with %s', async (_name, options, chosen) => {
    const socket = await dial(options)
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe(chosen)
    expect(socket.getPeerCertificate().subject.CN).toBe(JULIET)
    const peer = new RawPeer(socket)
    peer.say(header(ROMEO, JULIET))
    await peer.hears(/<stream:features/)
    expect(peer.heard).not.toContain('starttls')
  })

  test.each([
    ['another protocol', { servername: JULIET, ALPNProtocols: ['h2'] }],
    ['no name', {}],
    ['a name that is not ours', { servername: 'other.example' }],
  ])('with %s: no handshake', async (_name, options) => {
    const socket = await dial(options)
    await expect(once(socket, 'secureConnect')).rejects.toThrow(/alert|handshake|ECONNRESET|disconnected/i)
  })
})
