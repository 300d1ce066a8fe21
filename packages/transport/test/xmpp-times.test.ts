import type { Authority } from '@stox/testkit'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import { VirtualTime } from '@stox/kernel'
import type { PartnerRules, TrustStore } from '@stox/transport'
import { certificateJudge } from '@stox/transport'
import {
  RULES,
  RawPeer,
  RawServer,
  TableResolver,
  TestServer,
  dialbackSpeaker,
  domain,
  header,
  identityOf,
  place,
  trustIn,
} from './xmpp-support.ts'

/** Sockets are real, and time is not: nothing here waits. */
const ROMEO = 'montague.example'
const JULIET = 'capulet.example'
const TIMES = { establishmentTimeoutMs: 60_000, inactivityTimeoutMs: 600_000, keepAliveIntervalMs: 300_000 }

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

async function server(name: string, resolver: TableResolver, time: VirtualTime, validDays = 1): Promise<TestServer> {
  const certificate = await makeCertificate({ names: [name], issuer: authority, validDays })
  const tls = identityOf(name, certificate)
  const judgeCertificate = certificateJudge(trust, time)
  const made = await new TestServer(name, resolver, {
    tls,
    judgeCertificate,
    clock: time,
    timers: time,
  }).listen()
  made.times = TIMES
  place(resolver, name, made.port)
  closing.push(async () => {
    const closed = made.endpoint.close()
    time.advance(60_000)
    await closed
  })
  return made
}

async function two(rules: PartnerRules, validDays: readonly [number, number] = [1, 1]) {
  const time = new VirtualTime(Date.now())
  const resolver = new TableResolver()
  const romeo = await server(ROMEO, resolver, time, validDays[0])
  const juliet = await server(JULIET, resolver, time, validDays[1])
  romeo.partners.set(JULIET, rules)
  juliet.partners.set(ROMEO, rules)
  return { romeo, juliet, time, resolver }
}

const inbound = (to: TestServer) =>
  to.endpoint.streams().find(({ direction, pairs }) => direction === 'in' && pairs.length > 0)

/** What was written has been taken, so that a leap of time finds nobody in the middle of something. */
async function settled(...servers: readonly TestServer[]): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
  for (const each of servers)
    await each.until(() => each.endpoint.streams().every(({ waitingBytes }) => waitingBytes === 0))
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('RFC 6120 §4.6.1: after 300 s of silence white space; nine tenths of the idle time that the peer has told, and the stream is closed', async () => {
  const { romeo, juliet, time } = await two(RULES.tlsNotSupported)
  expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
  await juliet.until(() => juliet.arrived.length === 1)
  await settled(romeo, juliet)
  const bytes = inbound(juliet)?.bytesIn ?? 0
  time.advance(299_000)
  expect(inbound(juliet)?.bytesIn).toBe(bytes)
  time.advance(1_000)
  await juliet.until(() => inbound(juliet)?.bytesIn === bytes + 1)
  await settled(romeo, juliet)
  time.advance(239_000)
  expect(romeo.downs).toEqual([])
  time.advance(1_000)
  await romeo.until(() => romeo.downs.length === 1)
  await juliet.until(() => juliet.downs.length === 1)
  expect([...romeo.downs, ...juliet.downs].map(({ reason }) => reason)).toEqual(['closed', 'closed'])
  expect([...romeo.endpoint.failures(), ...juliet.endpoint.failures()]).toEqual([])
})

test('an inbound stream without a stanza for 600 s is closed, whatever white space comes', async () => {
  const { juliet, time, resolver } = await two(RULES.tlsNotSupported)
  const speaker = await new RawServer(dialbackSpeaker(ROMEO)).listen()
  closing.push(() => speaker.close())
  place(resolver, ROMEO, speaker.port)
  const peer = await RawPeer.connect(juliet.port)
  closing.push(() => Promise.resolve(peer.socket.destroy()))
  peer.say(header(ROMEO, JULIET) + `<db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`)
  await peer.hears(/type=.valid/)
  for (const advanceMs of [250_000, 250_000, 99_000]) {
    const bytes = inbound(juliet)?.bytesIn ?? 0
    time.advance(advanceMs)
    peer.say(' ')
    await juliet.until(() => inbound(juliet)?.bytesIn === bytes + 1)
  }
  expect(juliet.downs).toEqual([])
  time.advance(2_000)
  await peer.hears(/<\/stream:stream>/)
})

test('a partner that keeps nothing alive is closed when it is silent for longer than the interval', async () => {
  const { romeo, juliet, time } = await two(RULES.tlsNotSupported)
  romeo.partners.set(JULIET, { ...RULES.tlsNotSupported, keepAlive: false })
  await romeo.send(juliet.domain, 'm1')
  await juliet.until(() => juliet.arrived.length === 1)
  await settled(romeo, juliet)
  time.advance(320_000)
  expect(juliet.downs).toEqual([])
  time.advance(10_000)
  await juliet.until(() => juliet.downs.length === 1)
})

test('XEP-0199: a ping in place of white space; who answers it stays, whatever the answer', async () => {
  const { romeo, juliet, time } = await two({ ...RULES.tlsNotSupported, keepAliveBy: 'ping' })
  await romeo.send(juliet.domain, 'm1')
  await juliet.until(() => juliet.arrived.length === 1)
  await settled(romeo, juliet)
  time.advance(300_000)
  await juliet.until(() => juliet.arrived.length === 2)
  const ping = juliet.arrived[1]?.stanza
  expect(ping).toMatchObject({ kind: 'iq', type: 'get', payload: { name: 'ping' } })
  const error = `<iq type='error' id='${ping?.id}' from='${JULIET}' to='${ROMEO}'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>`
  await juliet.endpoint.send(juliet.domain, romeo.domain, error, { maxWaitMs: 10_000 })
  await romeo.until(() => inbound(romeo)?.stanzasIn === 1)
  expect(romeo.arrived).toEqual([])
  await settled(romeo, juliet)
  time.advance(61_000)
  expect(romeo.downs).toEqual([])
})

test('XEP-0199: a ping that nobody answers within a minute ends the stream, and is told', async () => {
  const { romeo, juliet, time } = await two({ ...RULES.tlsNotSupported, keepAliveBy: 'ping' })
  await romeo.send(juliet.domain, 'm1')
  await juliet.until(() => juliet.arrived.length === 1)
  await settled(romeo, juliet)
  time.advance(300_000)
  await juliet.until(() => juliet.arrived.length === 2)
  await settled(romeo, juliet)
  time.advance(60_000)
  await romeo.until(() => romeo.downs.length === 1)
  expect(romeo.endpoint.failures()).toMatchObject([{ stage: 'tcp', reason: 'not-answering', wasEstablished: true }])
})

test('every target is dead, each is told of, and when one lives again who waits goes there', async () => {
  const { romeo, juliet, time, resolver } = await two(RULES.tlsNotSupported)
  const dead = await Promise.all([new RawServer().listen(), new RawServer().listen()])
  const ports = dead.map(({ port }) => port)
  await Promise.all(dead.map((one) => one.close()))
  const name = `_xmpp-server._tcp.${JULIET}`
  resolver.srvRecords.set(
    name,
    ports.map((port, priority) => ({ priority, weight: 0, port, target: `x.${JULIET}` })),
  )
  const detail = ports.map((port) => `127.0.0.1 port ${port}: ECONNREFUSED`).join('; ')
  expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'failed', failure: { status: 504, detail } })
  expect(romeo.endpoint.failures()).toMatchObject([{ reason: 'connection-refused', detail }])
  // Too early for the next attempt: it hears at once why.
  expect(await romeo.send(juliet.domain, 'm2', 'Hi', 100)).toMatchObject({ kind: 'failed', failure: { detail } })
  const waits = romeo.send(juliet.domain, 'm3', 'Hi', 30_000)
  place(resolver, JULIET, juliet.port)
  time.advance(1_000)
  expect(await waits).toMatchObject({ kind: 'sent' })
  expect(romeo.endpoint.failures()).toMatchObject([{ times: 1 }])
})

test('a connection has 60 s to authenticate', async () => {
  const { juliet, time } = await two(RULES.tlsNotSupported)
  const peer = await RawPeer.connect(juliet.port)
  closing.push(() => Promise.resolve(peer.socket.destroy()))
  await juliet.until(() => juliet.endpoint.streams().length === 1)
  time.advance(59_999)
  expect(juliet.endpoint.streams()).toHaveLength(1)
  time.advance(1)
  await peer.hears(/<connection-timeout/)
  await peer.closes()
  expect(juliet.endpoint.failures()).toMatchObject([{ stage: 'authentication', reason: 'not-in-time' }])
})

test('and so has one of ours', async () => {
  const { romeo, time, resolver } = await two(RULES.tlsNotSupported)
  const silent = await new RawServer().listen()
  closing.push(() => silent.close())
  place(resolver, JULIET, silent.port)
  const sent = romeo.send(domain(JULIET), 'm1', 'Hi', 90_000)
  await romeo.until(() => romeo.endpoint.streams().length === 1)
  time.advance(60_000)
  expect(await sent).toMatchObject({ kind: 'failed', failure: { status: 504 } })
  expect(romeo.endpoint.failures()).toMatchObject([{ stage: 'protocol', reason: 'no-answer' }])
})

test('one domain of a partner hangs, and its others wait for 2 s, not for its end', async () => {
  const { romeo, juliet, time, resolver } = await two(RULES.tlsNotSupported)
  const hangs = await new RawServer().listen()
  closing.push(() => hangs.close())
  for (const name of ['nurse.example', 'friar.example']) {
    place(resolver, name, hangs.port)
    romeo.partners.set(name, RULES.tlsNotSupported)
  }
  const late = [romeo.send(domain('nurse.example'), 'm1', 'Hi', 90_000)]
  await romeo.until(() => romeo.endpoint.streams().length === 1)
  const sent = romeo.send(juliet.domain, 'm2', 'Hi', 90_000)
  time.advance(1_999)
  await settled(romeo)
  expect(romeo.endpoint.streams()).toHaveLength(1)
  time.advance(1)
  expect(await sent).toMatchObject({ kind: 'sent' })
  // The next domain that hangs does not add to it, and the first has its 60 s.
  late.push(romeo.send(domain('friar.example'), 'm3', 'Hi', 90_000))
  await romeo.until(() => hangs.peers.length === 2)
  time.advance(60_000)
  for (const failed of late) expect(await failed).toMatchObject({ kind: 'failed', failure: { status: 504 } })
})

test('a stanza that waits too long for a silent partner is bounced in its own time', async () => {
  const { romeo, time, resolver } = await two(RULES.tlsNotSupported)
  const silent = await new RawServer().listen()
  closing.push(() => silent.close())
  place(resolver, JULIET, silent.port)
  const sent = romeo.send(domain(JULIET), 'm1', 'Hi', 30_000)
  await romeo.until(() => romeo.endpoint.streams().length === 1)
  time.advance(30_000)
  expect(await sent).toMatchObject({ kind: 'failed', failure: { condition: 'remote-server-timeout' } })
})

test('reconnecting: twice as long each time, with chance in it, and 300 s at most', async () => {
  const { romeo, time, resolver } = await two(RULES.tlsNotSupported)
  const refusing = await new RawServer((peer) => peer.socket.destroy()).listen()
  closing.push(() => refusing.close())
  place(resolver, JULIET, refusing.port)
  const waits: number[] = []
  for (let count = 1; count <= 14; count += 1) {
    // It waits for the next attempt, however late that is.
    const sent = romeo.send(domain(JULIET), `m${count}`, 'Hi', 400_000)
    let waitedMs = 0
    while (refusing.peers.length < count) {
      if (count > 1) time.advance(500)
      waitedMs += 500
      await new Promise((resolve) => setImmediate(resolve))
      if (waitedMs > 400_000) break
    }
    await sent
    waits.push(waitedMs)
  }
  expect(refusing.peers).toHaveLength(14)
  const last = waits.slice(-3)
  expect(Math.min(...last)).toBeGreaterThan(140_000)
  expect(Math.max(...waits)).toBeLessThan(310_000)
  expect(romeo.endpoint.failures()).toMatchObject([{ times: 14, reason: 'hung-up' }])
})

describe('mapping F: a stream that certificates have proven ends when the first of them does', () => {
  const LONG = { establishmentTimeoutMs: 60_000, inactivityTimeoutMs: 1e9, keepAliveIntervalMs: 1e9 }

  test.each([
    ['ours', [1, 3]],
    ['theirs', [3, 1]],
  ] as const)('%s', async (_name, validDays) => {
    const { romeo, juliet, time } = await two(RULES.saslOnly, validDays)
    romeo.times = LONG
    juliet.times = LONG
    expect(await romeo.send(juliet.domain, 'm1')).toMatchObject({ kind: 'sent' })
    await juliet.until(() => juliet.arrived.length === 1)
    await settled(romeo, juliet)
    time.advance(23 * 3_600_000)
    await settled(romeo, juliet)
    expect([...romeo.downs, ...juliet.downs]).toEqual([])
    time.advance(3_600_000)
    await romeo.until(() => romeo.downs.length === 1)
    await juliet.until(() => juliet.downs.length === 1)
    const told = [...romeo.endpoint.failures(), ...juliet.endpoint.failures()].map(({ reason }) => reason)
    expect(told).toContain('certificate-ended')
  })

  test('but not one that dialback has proven', async () => {
    const { romeo, juliet, time } = await two(RULES.tlsRequired)
    romeo.times = LONG
    juliet.times = LONG
    await romeo.send(juliet.domain, 'm1')
    await juliet.until(() => juliet.arrived.length === 1)
    await settled(romeo, juliet)
    time.advance(48 * 3_600_000)
    expect(await romeo.send(juliet.domain, 'm2')).toMatchObject({ kind: 'sent' })
    expect(romeo.ups).toHaveLength(1)
  })
})
