import { connect as connectHttp2 } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { DEFAULT_SETTINGS, localDomainSchema, xmppPartnerSchema } from '@stox/federation'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import { fastifyConnectPlugin } from '@connectrpc/connect-fastify'
import { Http2SessionManager, createConnectTransport } from '@connectrpc/connect-node'
import { silentLog, type Outcome } from '@stox/kernel'
import {
  Link,
  type GatewayBatch,
  type InboundEnvelope,
  type OutboundEnvelope,
  type Replica,
  type SessionRow,
  type StreamNotice,
} from '@stox/link'
import {
  LinkClient,
  LinkServer,
  cryptoIds,
  systemClock,
  systemTimers,
  type LinkClientOptions,
  type LinkServerOptions,
  type LinkTls,
} from '@stox/transport'
import { makeAuthority, makeCertificate, type Authority, until } from '@stox/testkit'
import { fastify } from 'fastify'

const common = { clock: systemClock, timers: systemTimers, ids: cryptoIds, log: silentLog }

const replicaOf = (revision: number, ...domains: string[]): Replica => ({
  model: {
    partners: domains.map((domain) => xmppPartnerSchema.parse({ domain })),
    settings: { ...DEFAULT_SETTINGS, federation: true },
    localDomains: [localDomainSchema.parse({ domain: 'sip.example', route: 'sip:127.0.0.1:5060;transport=udp' })],
    revision,
  },
  dialbackSecret: 'a secret of some length',
})

const inbound = (n: number, from = 'juliet@xmpp.example'): InboundEnvelope => ({
  correlationId: `in-${n}`,
  edge: 'edge-1',
  streamId: 's1',
  localDomain: 'sip.example',
  remoteDomain: 'xmpp.example',
  provenBy: 'sasl-external',
  from,
  to: 'romeo@sip.example',
  stanzaXml: `<message id='${n}'><body>Ä😀</body></message>`,
  receivedAtMs: 1,
})
const outbound = (n: number, expiresInMs = 5000): OutboundEnvelope => ({
  correlationId: `out-${n}`,
  localDomain: 'sip.example',
  remoteDomain: 'xmpp.example',
  from: 'romeo@sip.example',
  to: 'juliet@xmpp.example',
  stanzaXml: `<message id='${n}'/>`,
  expiresInMs,
})
const delivered: Outcome = { kind: 'delivered', status: 200 }
const conditionOf = (outcome: Outcome): string =>
  outcome.kind === 'bounced' ? outcome.failure.condition : outcome.kind

let ca: Authority
let otherCa: Authority
let edgeTls: LinkTls
let gatewayTls: LinkTls
const open: { close(): Promise<void> }[] = []

const issue = async (issuer: Authority, ...names: readonly string[]): Promise<LinkTls> => ({
  ...(await makeCertificate({ names, issuer })),
  ca: issuer.cert,
})

beforeAll(async () => {
  ca = await makeAuthority('inside CA')
  otherCa = await makeAuthority('another CA')
  edgeTls = await issue(ca, '127.0.0.1', 'edge.inside')
  gatewayTls = await issue(ca, 'gateway.inside')
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()))
})

interface Edge {
  readonly server: LinkServer
  readonly port: number
  readonly url: string
  readonly took: OutboundEnvelope[]
  readonly replicas: Replica[]
  readonly refused: string[]
  readonly detached: string[]
}

async function edgeUp(
  options: Partial<Omit<LinkServerOptions, 'on'>> & { readonly on?: Partial<LinkServerOptions['on']> } = {},
): Promise<Edge> {
  const took: OutboundEnvelope[] = []
  const replicas: Replica[] = []
  const refused: string[] = []
  const detached: string[] = []
  const server = new LinkServer({
    node: 'edge-1',
    listen: '127.0.0.1:0',
    tls: edgeTls,
    peers: ['gateway.inside'],
    ...common,
    ...options,
    on: {
      outbound: (envelope) => {
        took.push(envelope)
        return Promise.resolve(delivered)
      },
      replica: (replica) => replicas.push(replica),
      detached: (gateway, reason) => detached.push(`${gateway} ${reason}`),
      refused: (kind, detail) => refused.push(`${kind}: ${detail}`),
      sessions: () => [],
      closeSession: () => false,
      streams: () => [],
      ...options.on,
    },
  })
  open.push(server)
  const { port } = await server.listen()
  return { server, port, url: `https://127.0.0.1:${port}`, took, replicas, refused, detached }
}

function gatewayFor(
  urls: readonly string[],
  options: Partial<Omit<LinkClientOptions, 'on'>> & { readonly on?: Partial<LinkClientOptions['on']> } = {},
): LinkClient {
  const client = new LinkClient({
    node: 'gateway-1',
    edges: urls,
    tls: gatewayTls,
    replica: replicaOf(1, 'xmpp.example'),
    ...common,
    ...options,
    on: { inbound: () => Promise.resolve(delivered), ...options.on },
  })
  open.push(client)
  client.start()
  return client
}

const attachedTo = (server: LinkServer, count = 1): Promise<void> =>
  until(() => server.attachedGateways().length === count)

describe('a link', () => {
  test('carries stanzas both ways, each with its outcome', async () => {
    const seen: InboundEnvelope[] = []
    const edge = await edgeUp()
    const client = gatewayFor([edge.url], {
      on: {
        inbound: (envelope) => {
          seen.push(envelope)
          return Promise.resolve({ kind: 'absorbed', reason: 'no-content' })
        },
      },
    })
    await attachedTo(edge.server)
    expect(await edge.server.offer(inbound(1))).toEqual({ kind: 'absorbed', reason: 'no-content' })
    expect(await client.send(outbound(1))).toEqual(delivered)
    expect(seen).toEqual([inbound(1)])
    expect(edge.took).toEqual([{ ...outbound(1), expiresInMs: edge.took[0]?.expiresInMs }])
    // The edge is to give up before the gateway does.
    expect(edge.took[0]?.expiresInMs).toBeLessThanOrEqual(4750)
    expect(client.edges()).toMatchObject([{ url: edge.url, node: 'edge-1', attached: true, lastProblem: undefined }])
  })

  test('keeps the order of a pair through a window of eight', async () => {
    const seen: string[] = []
    const edge = await edgeUp()
    gatewayFor([edge.url], {
      limits: { windowStanzas: 8 },
      on: {
        inbound: async ({ correlationId }) => {
          seen.push(correlationId)
          await sleep(1)
          return delivered
        },
      },
    })
    await attachedTo(edge.server)
    const numbers = Array.from({ length: 500 }, (_, n) => n)
    await Promise.all(numbers.map((n) => edge.server.offer(inbound(n))))
    expect(seen).toEqual(numbers.map((n) => `in-${n}`))
    expect(edge.server.gauges()).toMatchObject({ waiting: 0, openSent: 0, creditStanzas: 8 })
  })

  test('says no when too much waits, and takes the next when there is room', async () => {
    const held: ((outcome: Outcome) => void)[] = []
    let holding = true
    const hold = (): Promise<Outcome> => new Promise((resolve) => held.push(resolve))
    const edge = await edgeUp({ limits: { waitingStanzas: 3 } })
    gatewayFor([edge.url], {
      limits: { windowStanzas: 2 },
      on: { inbound: () => (holding ? hold() : Promise.resolve(delivered)) },
    })
    await attachedTo(edge.server)
    const offers = [1, 2, 3, 4, 5, 6].map((n) => edge.server.offer(inbound(n)))
    expect(conditionOf((await offers[5]) ?? delivered)).toBe('resource-constraint')
    holding = false
    for (const resolve of held) resolve(delivered)
    expect((await Promise.all(offers)).map(conditionOf)).toEqual([
      ...Array<string>(5).fill('delivered'),
      'resource-constraint',
    ])
    expect(await edge.server.offer(inbound(7))).toEqual(delivered)
  })

  test('a handler that throws is a failure of ours, not a silence', async () => {
    const edge = await edgeUp({ on: { outbound: () => Promise.reject(new Error('broken')) } })
    const client = gatewayFor([edge.url], { on: { inbound: () => Promise.reject(new Error('broken too')) } })
    await attachedTo(edge.server)
    expect(conditionOf(await client.send(outbound(1)))).toBe('internal-server-error')
    expect(conditionOf(await edge.server.offer(inbound(1)))).toBe('internal-server-error')
  })

  test('a stanza that no window can hold is refused at once', async () => {
    const edge = await edgeUp()
    gatewayFor([edge.url], { limits: { windowBytes: 1000 } })
    await attachedTo(edge.server)
    const big = { ...inbound(1), stanzaXml: `<message>${'x'.repeat(1000)}</message>` }
    expect(conditionOf(await edge.server.offer(big))).toBe('policy-violation')
  })
})

describe('the replica', () => {
  test('comes with the hello; changes follow, and are acknowledged', async () => {
    const revisions: number[] = []
    const edge = await edgeUp()
    const client = gatewayFor([edge.url], {
      on: { replicaAcknowledged: (_edge, revision) => revisions.push(revision) },
    })
    await until(() => revisions.includes(1))
    client.publish(replicaOf(2, 'xmpp.example', 'new.example'))
    await until(() => revisions.includes(2))
    expect(edge.replicas).toEqual([replicaOf(1, 'xmpp.example'), replicaOf(2, 'xmpp.example', 'new.example')])
    expect(client.edges()[0]?.replicaRevision).toBe(2)
  })

  test('of two gateways the higher revision counts; of one alone, its own', async () => {
    const edge = await edgeUp()
    const newer = gatewayFor([edge.url], { replica: replicaOf(5, 'five.example') })
    await attachedTo(edge.server)
    gatewayFor([edge.url], { node: 'gateway-2', replica: replicaOf(3, 'three.example') })
    await attachedTo(edge.server, 2)
    expect(edge.replicas.map(({ model }) => model.revision)).toEqual([5])
    await newer.close()
    await attachedTo(edge.server, 1)
    gatewayFor([edge.url], { node: 'gateway-2', replica: replicaOf(4, 'four.example') })
    await until(() => edge.replicas.length === 2)
    expect(edge.replicas.at(-1)?.model.revision).toBe(4)
  })

  test('one that is not valid is refused with a problem, and nothing changes', async () => {
    const problems: (string | undefined)[] = []
    const edge = await edgeUp()
    gatewayFor([edge.url], {
      replica: { ...replicaOf(1), dialbackSecret: 'short' },
      on: { replicaAcknowledged: (_edge, _revision, problem) => problems.push(problem) },
    })
    await until(() => problems.length > 0)
    expect(problems[0]).toContain('dialbackSecret')
    expect(edge.replicas).toEqual([])
  })
})

describe('when a side dies', () => {
  test('no gateway: bounced with remote-server-timeout when its time is up', async () => {
    const edge = await edgeUp({ limits: { unattachedHoldMs: 100 } })
    expect(conditionOf(await edge.server.offer(inbound(1)))).toBe('remote-server-timeout')
  })

  test('no gateway for a moment: delivered when one is there', async () => {
    const edge = await edgeUp()
    const offers = [1, 2, 3].map((n) => edge.server.offer(inbound(n)))
    gatewayFor([edge.url])
    expect(await Promise.all(offers)).toEqual([delivered, delivered, delivered])
  })

  test('what a gateway had open is offered to another, in order', async () => {
    const seen: string[] = []
    const edge = await edgeUp()
    const first = gatewayFor([edge.url], { node: 'gateway-1', on: { inbound: () => new Promise(() => undefined) } })
    await attachedTo(edge.server)
    const offers = [1, 2, 3].map((n) => edge.server.offer(inbound(n)))
    gatewayFor([edge.url], {
      node: 'gateway-2',
      on: {
        inbound: ({ correlationId }) => {
          seen.push(correlationId)
          return Promise.resolve(delivered)
        },
      },
    })
    await attachedTo(edge.server, 2)
    await until(() => edge.server.gauges().openSent === 3)
    await first.close()
    expect(await Promise.all(offers)).toEqual([delivered, delivered, delivered])
    expect(seen).toEqual(['in-1', 'in-2', 'in-3'])
  })

  test('a gateway that gives no outcome: bounced when the time is up, and a late outcome harms nothing', async () => {
    const edge = await edgeUp({ limits: { inboundHoldMs: 150 } })
    gatewayFor([edge.url], { on: { inbound: () => sleep(400).then(() => delivered) } })
    await attachedTo(edge.server)
    expect(conditionOf(await edge.server.offer(inbound(1)))).toBe('remote-server-timeout')
    await until(() => edge.server.gauges().openSent === 0)
    expect(edge.server.attachedGateways()).toEqual(['gateway-1'])
  })

  test('the edge dies: what it had is bounced, what comes waits for it, and the link comes back', async () => {
    const edge = await edgeUp({ on: { outbound: () => new Promise(() => undefined) } })
    const downs: string[] = []
    const client = gatewayFor([edge.url], { on: { detached: (name) => downs.push(name) } })
    await attachedTo(edge.server)
    const open1 = client.send(outbound(1))
    await until(() => edge.server.gauges().openTaken === 1)
    await edge.server.close()
    expect(conditionOf(await open1)).toBe('remote-server-timeout')
    expect(downs).toEqual(['edge-1'])
    const open2 = client.send(outbound(2))
    await edgeUp({ listen: `127.0.0.1:${edge.port}` })
    expect(await open2).toEqual(delivered)
  })

  test('no edge: bounced when the envelope expires', async () => {
    const client = gatewayFor(['https://127.0.0.1:1'])
    const startedMs = Date.now()
    expect(conditionOf(await client.send(outbound(1, 200)))).toBe('remote-server-timeout')
    expect(Date.now() - startedMs).toBeLessThan(2000)
    expect(client.edges()[0]?.lastProblem).toContain('ECONNREFUSED')
  })

  test('a peer that falls silent is noticed', async () => {
    const edge = await edgeUp({ limits: { deadAfterMs: 1000 } })
    // Beats too seldom: to the edge that is silence.
    gatewayFor([edge.url], { limits: { heartbeatMs: 60_000, deadAfterMs: 60_000 } })
    await attachedTo(edge.server)
    edge.server.gauges()
    await until(() => edge.detached.length > 0)
    expect(edge.detached[0]).toContain('silence')
  })

  test('a gateway that attaches anew replaces its own old link', async () => {
    const edge = await edgeUp()
    gatewayFor([edge.url])
    await attachedTo(edge.server)
    gatewayFor([edge.url])
    await until(() => edge.detached.length > 0)
    expect(edge.detached[0]).toContain('replaced')
  })
})

describe('who may attach', () => {
  test('a gateway with a certificate of another CA may not', async () => {
    const edge = await edgeUp()
    const client = gatewayFor([edge.url], { tls: { ...(await issue(otherCa, 'gateway.inside')), ca: gatewayTls.ca } })
    await until(() => edge.refused.length > 0)
    expect(edge.refused[0]).toContain('link-tls')
    await until(() => client.edges()[0]?.lastProblem !== 'not dialled yet')
    expect(edge.server.attachedGateways()).toEqual([])
  })

  test('a gateway whose name is not among the peers may not, and reads why', async () => {
    const edge = await edgeUp()
    const client = gatewayFor([edge.url], { tls: await issue(ca, 'stranger.inside') })
    await until(() => client.edges()[0]?.lastProblem?.includes('stranger.inside') ?? false)
    expect(edge.refused[0]).toContain('link-peer')
    expect(await client.sessions()).toEqual([])
    expect(edge.server.attachedGateways()).toEqual([])
  })

  test.each([
    ['of another CA', () => issue(otherCa, '127.0.0.1'), 'certificate'],
    ['for another host', () => issue(ca, 'elsewhere.inside'), '127.0.0.1'],
  ])('an edge with a certificate %s is not talked to', async (_case, tls, problem) => {
    const edge = await edgeUp({ tls: await tls() })
    const client = gatewayFor([edge.url])
    await until(() => client.edges()[0]?.lastProblem?.includes(problem) ?? false)
    expect(edge.server.attachedGateways()).toEqual([])
  })

  test('a gateway of another version may not, and reads why', async () => {
    const edge = await edgeUp()
    const sessionManager = new Http2SessionManager(edge.url, {}, gatewayTls)
    const transport = createConnectTransport({ httpVersion: '2', baseUrl: edge.url, sessionManager })
    const hello = { versions: [99], node: 'gateway-1', window: { stanzas: 1, bytes: 1 } }
    async function* say() {
      yield { hello }
    }
    const heard: string[] = []
    for await (const batch of createClient(Link, transport).attach(say())) heard.push(batch.goodbye?.detail ?? '')
    expect(heard).toEqual(['this edge speaks version 1 of the link, the gateway 99'])
    expect(edge.refused).toEqual(['link-greeting: version: this edge speaks version 1 of the link, the gateway 99'])
    sessionManager.abort()
  })

  test('a port in use is one clear sentence', async () => {
    const edge = await edgeUp()
    await expect(edgeUp({ listen: `127.0.0.1:${edge.port}` })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${edge.port}: the port is in use`,
    )
  })
})

describe('a peer that speaks the protocol badly', () => {
  const say = (edge: Edge, contentType: string, bytes: Buffer): Promise<{ status: unknown; closed: boolean }> =>
    new Promise((resolve, reject) => {
      const session = connectHttp2(edge.url, { ...gatewayTls })
      open.push({ close: async () => session.destroy() })
      const headers = { ':method': 'POST', ':path': '/stox.link.v1.Link/Attach', 'content-type': contentType }
      const stream = session.request(headers)
      let status: unknown
      stream.on('response', (response) => (status = response[':status']))
      stream.on('error', reject)
      stream.on('close', () => resolve({ status, closed: true }))
      stream.resume()
      stream.write(bytes)
    })

  test.each([
    ['a batch that cannot be read', Buffer.from([0, 0, 0, 0, 1, 0xff]), 'protocol: a batch that cannot be read'],
    ['a compressed batch', Buffer.from([1, 0, 0, 0, 1, 0]), 'transport: a compressed message'],
    ['a batch without end', Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), 'transport: a message of 4294967295 bytes'],
    ['no hello', Buffer.from([0, 0, 0, 0, 0]), 'protocol: the first batch has no hello'],
  ])('%s: the stream is closed, with its reason counted', async (_case, bytes, reason) => {
    const edge = await edgeUp()
    expect(await say(edge, 'application/connect+proto', bytes)).toMatchObject({ status: 200, closed: true })
    expect(edge.refused).toEqual([expect.stringContaining(`link-greeting: ${reason}`)])
    expect(edge.server.attachedGateways()).toEqual([])
  })

  test('another content type is no stream of ours', async () => {
    const edge = await edgeUp()
    expect(await say(edge, 'application/grpc+proto', Buffer.from([0, 0, 0, 0, 0]))).toMatchObject({ status: 415 })
  })
})

const row = (edge: string): SessionRow => ({
  id: `${edge}/s1`,
  edge,
  direction: 'inbound',
  localDomain: 'sip.example',
  remoteDomain: 'xmpp.example',
  state: 'established',
  provenBy: edge === 'edge-1' ? 'sasl-external' : undefined,
  tls: edge === 'edge-1' ? 'TLSv1.3' : undefined,
  cipher: edge === 'edge-1' ? 'TLS_AES_256_GCM_SHA384' : undefined,
  streamManagement: true,
  bidirectional: false,
  matrixRow: edge === 'edge-1' ? 7 : undefined,
  unprovenBecause: edge === 'edge-1' ? 'self-signed' : undefined,
  partner: edge === 'edge-1' ? 'xmpp.example' : undefined,
  remoteAddress: '127.0.0.1',
  remotePort: edge === 'edge-1' ? 5269 : undefined,
  establishedAtMs: 1_700_000_000_000,
  stanzasIn: 3,
  stanzasOut: 4,
  waitingStanzas: 5,
  waitingBytes: 6,
  quietMs: 7,
  reason: edge === 'edge-1' ? undefined : 'The connection was refused',
  failure:
    edge === 'edge-1'
      ? undefined
      : { stage: 'tcp', cause: 'connection-refused', advice: 'Ask', detail: 'ECONNREFUSED', times: 2, firstAtMs: 1 },
  ownCertificate: undefined,
  peerCertificate:
    edge === 'edge-1'
      ? {
          names: ['xmpp.example', 'xmpp:xmpp.example'],
          issuer: 'CN=a CA',
          notAfterMs: 1_800_000_000_000,
          sha256: 'AB:CD',
        }
      : undefined,
})

const latch = () => {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { open, opened }
}

/** The protocol is Connect's: whoever speaks it may stand at either end. */
describe('with the stock library at the other end', () => {
  const stockClient = (edge: Edge, tls: LinkTls) => {
    const sessionManager = new Http2SessionManager(edge.url, {}, tls)
    open.push({ close: async () => sessionManager.abort() })
    return createClient(Link, createConnectTransport({ httpVersion: '2', baseUrl: edge.url, sessionManager }))
  }

  test('a client attaches, takes a stanza and gives its outcome', async () => {
    const edge = await edgeUp()
    const taken = latch()
    const over = latch()
    async function* say() {
      yield { hello: { versions: [1], node: 'stock', window: { stanzas: 9, bytes: 9999 } } }
      await taken.opened
      yield {
        outcomes: [{ seq: 1, end: { case: 'delivered' as const, value: 200 } }],
        stanzas: [{ seq: 1, correlationId: 'out-1', xml: '<message/>', expiresInMs: 1000 }],
      }
      await over.opened
    }
    const heard = stockClient(edge, gatewayTls).attach(say())[Symbol.asyncIterator]()
    expect((await heard.next()).value).toMatchObject({ hello: { version: 1, node: 'edge-1' } })
    const outcome = edge.server.offer(inbound(1))
    const { value } = await heard.next()
    expect(value).toMatchObject({ stanzas: [{ seq: 1, correlationId: 'in-1', xml: inbound(1).stanzaXml }] })
    taken.open()
    expect(await outcome).toEqual(delivered)
    expect((await heard.next()).value).toMatchObject({
      outcomes: [{ seq: 1, end: { case: 'delivered', value: 200 } }],
      credit: { stanzas: 1, bytes: 10 },
    })
    const closed = edge.server.close()
    expect((await heard.next()).value).toMatchObject({ goodbye: { reason: 'shutdown' } })
    expect(await heard.next()).toMatchObject({ done: true })
    over.open()
    await closed
  })

  test('a client that may not attach hears it as an error of the protocol', async () => {
    const edge = await edgeUp()
    const client = stockClient(edge, await issue(ca, 'stranger.inside'))
    async function* say() {
      yield { hello: { versions: [1], node: 'stock', window: { stanzas: 9, bytes: 9999 } } }
    }
    const heard = client.attach(say())[Symbol.asyncIterator]()
    await expect(heard.next()).rejects.toMatchObject({
      code: Code.PermissionDenied,
      rawMessage: expect.stringContaining('stranger.inside') as string,
    })
  })

  test('a server is attached to', async () => {
    const app = fastify({ http2: true, https: { ...edgeTls, requestCert: true } })
    open.push(app)
    async function* attach(batches: AsyncIterable<GatewayBatch>) {
      for await (const batch of batches) {
        if (batch.hello !== undefined) {
          yield { hello: { version: 1, node: 'stock', window: { stanzas: 9, bytes: 9999 } } }
          yield { stanzas: [{ seq: 1, provenBy: 'sasl-external', correlationId: 'in-1', xml: '<message/>' }] }
        }
        for (const { seq } of batch.stanzas)
          yield { outcomes: [{ seq, end: { case: 'delivered' as const, value: 200 } }] }
        if (batch.outcomes.length > 0) throw new ConnectError('that was all', Code.ResourceExhausted)
      }
    }
    await app.register(fastifyConnectPlugin, { routes: (router) => router.service(Link, { attach }) })
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const taken: InboundEnvelope[] = []
    let settle: (outcome: Outcome) => void = () => undefined
    const client = gatewayFor([url], {
      on: {
        inbound: (envelope) => {
          taken.push(envelope)
          return new Promise((resolve) => (settle = resolve))
        },
      },
    })
    await until(() => taken.length > 0)
    expect(taken[0]).toMatchObject({ correlationId: 'in-1', stanzaXml: '<message/>' })
    expect(await client.send(outbound(1))).toEqual(delivered)
    settle(delivered)
    await until(() => client.edges()[0]?.lastProblem === 'transport: that was all')
  })
})

describe('several edges', () => {
  test('a stanza goes to the edge that has the stream, else to each in turn', async () => {
    const notice: StreamNotice = {
      streamId: 'o1',
      direction: 'outbound',
      localDomain: 'sip.example',
      remoteDomain: 'xmpp.example',
    }
    const ups: string[] = []
    const one = await edgeUp()
    const two = await edgeUp({ node: 'edge-2' })
    const client = gatewayFor([one.url, two.url], {
      on: {
        streamUp: (up, edge) => ups.push(`${edge} up ${up.streamId}`),
        streamDown: (down, edge) => ups.push(`${edge} down ${down.streamId}`),
      },
    })
    await Promise.all([attachedTo(one.server), attachedTo(two.server)])
    for (const n of [1, 2, 3, 4]) await client.send(outbound(n))
    expect([one.took.length, two.took.length]).toEqual([2, 2])
    two.server.streamUp(notice)
    await until(() => ups.length === 1)
    for (const n of [5, 6, 7, 8]) await client.send(outbound(n))
    expect([one.took.length, two.took.length]).toEqual([2, 6])
    two.server.streamDown(notice)
    await until(() => ups.length === 2)
    expect(ups).toEqual(['edge-2 up o1', 'edge-2 down o1'])
  })

  test('sessions of all edges are listed, and closed where they are', async () => {
    const closed: string[] = []
    const on = (edge: string): Partial<LinkServerOptions['on']> => ({
      sessions: () => [row(edge)],
      closeSession: (id) => {
        closed.push(`${edge} ${id}`)
        return true
      },
    })
    const one = await edgeUp({ on: on('edge-1') })
    const two = await edgeUp({ node: 'edge-2', on: on('edge-2') })
    const client = gatewayFor([one.url, two.url])
    await until(() => client.edges().every(({ attached }) => attached))
    expect(await client.sessions()).toEqual([row('edge-1'), row('edge-2')])
    expect(await client.closeSession('edge-2/s1')).toBe(true)
    expect(await client.closeSession('edge-3/s1')).toBe(false)
    expect(closed).toEqual(['edge-2 edge-2/s1'])
  })
})
