import type { Log, LogFields } from '@stox/kernel'
import { silentLog } from '@stox/kernel'
import type { PartnerRules, Refused, StreamFailureInfo, XmppEndpointOptions } from '@stox/transport'
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

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

/** A server of ours that keeps all that it tells. */
async function juliet(rules: PartnerRules = RULES.tlsNotSupported, options: Partial<XmppEndpointOptions> = {}) {
  const resolver = new TableResolver()
  const lines: LogFields[] = []
  const log: Log = { ...silentLog, warn: (event, fields) => void lines.push({ event, ...fields }) }
  const server = await new TestServer(JULIET, resolver, { log, ...options }).listen()
  closing.push(() => server.endpoint.close())
  server.partners.set(ROMEO, rules)
  const romeoAt = (port: number): void => {
    resolver.srvRecords.set(`_xmpp-server._tcp.${ROMEO}`, [{ priority: 1, weight: 0, port, target: 'x.example' }])
    resolver.hosts.set('x.example', ['127.0.0.1'])
  }
  return { server, resolver, lines, romeoAt }
}

async function romeo(onPeer: (peer: RawPeer, index: number) => void = dialbackSpeaker(ROMEO)): Promise<RawServer> {
  const made = await new RawServer(onPeer).listen()
  closing.push(() => made.close())
  return made
}

async function connected(server: TestServer): Promise<RawPeer> {
  const peer = await RawPeer.connect(server.port)
  closing.push(() => Promise.resolve(peer.socket.destroy()))
  return peer
}

test('a partner where nobody listens: one record that counts, one line, with address and port', async () => {
  const { server, lines, romeoAt } = await juliet(undefined, { limits: { backOffFirstMs: 1, backOffCapMs: 1 } })
  romeoAt(1)
  for (let count = 1; count <= 5; count += 1) {
    await server.send(domain(ROMEO), `m${count}`)
    await server.until(() => (server.endpoint.failures()[0]?.times ?? 0) >= count)
  }
  expect(server.endpoint.failures()).toMatchObject([
    {
      direction: 'out',
      partner: 'a partner',
      local: JULIET,
      remote: ROMEO,
      remoteAddress: '127.0.0.1',
      remotePort: 1,
      stage: 'tcp',
      reason: 'connection-refused',
      sentence: `The connection to the XMPP server of ${ROMEO} was refused: nothing listens there`,
      detail: '127.0.0.1 port 1: ECONNREFUSED',
      wasEstablished: false,
    },
  ])
  expect(lines).toHaveLength(1)
})

test.each<[string, (stage: Awaited<ReturnType<typeof juliet>>) => void | Promise<void>, Partial<StreamFailureInfo>]>([
  ['no such domain', () => undefined, { stage: 'dns', reason: 'domain-not-found' }],
  [
    'mapping F.6 point 3: a target of `.`',
    ({ resolver }) =>
      void resolver.srvRecords.set(`_xmpp-server._tcp.${ROMEO}`, [{ priority: 0, weight: 0, port: 0, target: '' }]),
    { stage: 'dns', reason: 'service-refused' },
  ],
  [
    'a host without an address',
    ({ resolver }) =>
      void resolver.srvRecords.set(`_xmpp-server._tcp.${ROMEO}`, [
        { priority: 0, weight: 0, port: 1, target: 'no.host' },
      ]),
    { stage: 'dns', reason: 'no-address' },
  ],
  [
    'a name server in trouble',
    ({ resolver }) => void resolver.trouble.add(`_xmpp-server._tcp.${ROMEO}`),
    { stage: 'dns', reason: 'dns-trouble' },
  ],
  [
    'a name server that is silent',
    ({ resolver }) => void resolver.silent.add(`_xmpp-server._tcp.${ROMEO}`),
    { stage: 'dns', reason: 'dns-silent' },
  ],
  [
    'it hangs up at once',
    async ({ romeoAt }) => romeoAt((await romeo((peer) => peer.socket.end())).port),
    { stage: 'tcp', reason: 'hung-up' },
  ],
  [
    'it hangs up on our key',
    async ({ romeoAt }) => {
      const made = await romeo((peer) => {
        peer.say(header(ROMEO, JULIET, ` id='x' version='1.0'`) + '<stream:features/>')
        void peer.hears(/<db:result/).then(() => peer.socket.end())
      })
      romeoAt(made.port)
    },
    { stage: 'authentication', reason: 'hung-up-authenticating' },
  ],
  [
    'it says that our key is wrong',
    async ({ romeoAt }) => romeoAt((await romeo(dialbackSpeaker(ROMEO, () => 'invalid'))).port),
    { stage: 'authentication', reason: 'dialback-invalid' },
  ],
  [
    'it does not know itself',
    async ({ romeoAt }) => {
      const error = `<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`
      romeoAt((await romeo((peer) => peer.say(header(ROMEO, JULIET, ` id='x' version='1.0'`) + error))).port)
    },
    { stage: 'policy', reason: 'peer-host-unknown' },
  ],
  [
    'it speaks something else',
    async ({ romeoAt }) => romeoAt((await romeo((peer) => peer.say('220 smtp.example ESMTP\r\n'))).port),
    { stage: 'protocol', reason: 'protocol-error' },
  ],
])('why a stream cannot be had, and each is one record: %s', async (_name, prepare, expected) => {
  const stage = await juliet()
  await prepare(stage)
  expect(await stage.server.send(domain(ROMEO), 'm1')).toMatchObject({ kind: 'failed' })
  expect(stage.server.endpoint.failures()).toMatchObject([{ direction: 'out', times: 1, ...expected }])
  expect(stage.lines).toMatchObject([{ event: 'stream-failed', ...expected }])
})

test('a stream that stood and breaks: one record, one line, and its end says so', async () => {
  const { server, lines, romeoAt } = await juliet()
  const there = await romeo()
  romeoAt(there.port)
  await server.send(domain(ROMEO), 'm1')
  there.peers[0]?.socket.resetAndDestroy()
  await server.until(() => server.downs.length === 1)
  expect(server.downs).toMatchObject([{ isFailure: true }])
  expect(server.endpoint.failures()).toMatchObject([
    { stage: 'tcp', reason: 'connection-lost', wasEstablished: true, detail: expect.stringContaining('ECONNRESET') },
  ])
  expect(lines).toHaveLength(1)
})

test('a key that cannot be verified: told as the failure of the stream that it was for, and once', async () => {
  const { server, lines, romeoAt } = await juliet()
  romeoAt(1)
  const peer = await connected(server)
  peer.say(header(ROMEO, JULIET) + `<db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`)
  await peer.hears(/remote-connection-failed/)
  peer.socket.destroy()
  await server.until(() => server.endpoint.streams().length === 0)
  expect(server.endpoint.failures()).toMatchObject([
    { direction: 'in', remote: ROMEO, partner: 'a partner', stage: 'tcp', reason: 'connection-refused', times: 1 },
  ])
  expect(lines.filter(({ event }) => event === 'stream-failed')).toHaveLength(1)
})

test('a stream that an administrator closes: our closing tag, nothing of the partner lost, and no failure', async () => {
  const { server, lines, romeoAt } = await juliet()
  romeoAt((await romeo()).port)
  const peer = await connected(server)
  peer.say(header(ROMEO, JULIET) + `<db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`)
  await peer.hears(/type=.valid/)
  const stream = server.endpoint.streams().find(({ pairs }) => pairs.length > 0)
  expect(server.endpoint.closeStream(stream?.id ?? '')).toBe(true)
  await peer.hears(/<\/stream:stream>$/)
  peer.say(`<message from='r@${ROMEO}' to='j@${JULIET}' id='late'><body>x</body></message></stream:stream>`)
  await peer.closes()
  await server.until(() => server.downs.length === 1)
  expect(server.arrived.map(({ stanza }) => stanza.id)).toEqual(['late'])
  expect(server.downs).toMatchObject([{ isFailure: false, reason: 'closed' }])
  expect([server.endpoint.failures(), lines]).toEqual([[], []])
})

test('who only asks about a key may go as he likes: nothing is told', async () => {
  const { server, lines } = await juliet()
  for (let count = 0; count < 3; count += 1) {
    const peer = await connected(server)
    peer.say(header(ROMEO, JULIET))
    peer.say(`<db:verify from='${ROMEO}' to='${JULIET}' id='x'>k</db:verify>`)
    await peer.hears(/type=.invalid/)
    peer.socket.resetAndDestroy()
  }
  await server.until(() => server.endpoint.streams().length === 0)
  expect(server.endpoint.failures()).toEqual([])
  expect(lines).toEqual([])
})

test('a stranger: what ends his stream is said to be the last of it', async () => {
  const told: Refused[] = []
  const { server, lines } = await juliet()
  const second = new TestServer(JULIET, new TableResolver(), {
    on: {
      stanza: () => undefined,
      refused: (refused) => void told.push(refused),
      streamUp: () => undefined,
      streamDown: () => undefined,
    },
  })
  await second.listen()
  closing.push(() => second.endpoint.close())
  for (const to of [server, second]) {
    const peer = await connected(to)
    peer.say(header('stranger.example', JULIET))
    await peer.closes()
  }
  expect(told).toEqual([
    { kind: 'unknown-partner', detail: expect.any(String), remoteAddress: '127.0.0.1', isLast: true },
  ])
  expect(lines).toMatchObject([
    {
      event: 'stream-failed',
      stage: 'policy',
      reason: 'unknown-partner',
      partner: undefined,
      remoteAddress: '127.0.0.1',
      sentence: 'stranger.example is no partner of ours, or is switched off',
    },
  ])
})

describe('before anybody has proven himself', () => {
  test('so many bytes are read and no more', async () => {
    const { server } = await juliet(undefined, { limits: { bytesBeforeProof: 20_000 } })
    const peer = await connected(server)
    peer.say(header(ROMEO, JULIET))
    // Each of a size that would be taken, and fewer than the questions that would be.
    const question = `<db:verify from='${ROMEO}' to='${JULIET}' id='${'x'.repeat(1000)}'>k</db:verify>`
    peer.say(question.repeat(30))
    await peer.hears(/<policy-violation/)
    await peer.closes()
    expect(server.refused.at(-1)).toBe('too-much-unproven')
  })

  test('so many keys are verified for one network, and those that are right do not count', async () => {
    const limits = { verificationsPerSecondPerAddress: 0.5, fruitlessPerSecondPerAddress: 100 }
    const { server, romeoAt } = await juliet(undefined, { limits })
    let verdict = 'valid'
    romeoAt((await romeo(dialbackSpeaker(ROMEO, () => verdict))).port)
    const ask = async (): Promise<string> => {
      const peer = await connected(server)
      peer.say(header(ROMEO, JULIET) + `<db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`)
      const [, answer = ''] = await peer.hears(/<db:result [^>]*type=.(\w+)/)
      peer.socket.destroy()
      return answer
    }
    verdict = 'invalid'
    expect([await ask(), await ask(), await ask()]).toEqual(['invalid', 'invalid', 'invalid'])
    expect(await ask()).toBe('error')
    verdict = 'valid'
    const fresh = await juliet(undefined, { limits })
    fresh.romeoAt((await romeo(dialbackSpeaker(ROMEO, () => verdict))).port)
    for (let count = 0; count < 8; count += 1) {
      const peer = await connected(fresh.server)
      peer.say(header(ROMEO, JULIET) + `<db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`)
      await peer.hears(/type=.valid/)
      peer.socket.destroy()
    }
  })

  test('strangers behind the address of a partner do not keep it out', async () => {
    const { server, romeoAt } = await juliet(undefined, { limits: { unauthenticatedPerAddress: 3 } })
    romeoAt((await romeo()).port)
    const prove = async (): Promise<RawPeer> => {
      const peer = await connected(server)
      peer.say(header(ROMEO, JULIET) + `<db:result from='${ROMEO}' to='${JULIET}'>k</db:result>`)
      await peer.hears(/type=.valid/)
      return peer
    }
    await prove()
    const strangers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => connected(server)))
    await server.until(() => strangers.filter(({ isClosed }) => isClosed).length === 3)
    await prove()
    expect(server.refused.filter((kind) => kind === 'connection-limit').length).toBeGreaterThanOrEqual(3)
  })
})

test('one attempt at a time for each partner; another partner does not wait for it', async () => {
  const { server, resolver, romeoAt } = await juliet()
  const silent = await romeo(() => undefined)
  romeoAt(silent.port)
  const other = 'other.example'
  server.partners.set(other, { ...RULES.tlsNotSupported, partner: other })
  const second = 'second.montague.example'
  server.partners.set(second, RULES.tlsNotSupported)
  resolver.srvRecords.set(`_xmpp-server._tcp.${second}`, [
    { priority: 1, weight: 0, port: silent.port, target: 'x.example' },
  ])
  resolver.srvRecords.set(`_xmpp-server._tcp.${other}`, [
    { priority: 1, weight: 0, port: (await romeo(dialbackSpeaker(other))).port, target: 'x.example' },
  ])
  const slow = [ROMEO, second].map((name) => server.send(domain(name), 'm1', 'Hi', 1_500))
  await server.until(() => silent.peers.length === 1)
  expect(await server.send(domain(other), 'm2')).toMatchObject({ kind: 'sent' })
  await Promise.all(slow)
  expect(silent.peers).toHaveLength(1)
})
