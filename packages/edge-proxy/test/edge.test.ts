import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartFailure } from '@stox/service'
import { startEdge, type Edge, type EdgeConfig } from '@stox/edge-proxy'
import { silentLog, type Failure, type Outcome } from '@stox/kernel'
import type { InboundEnvelope, OutboundEnvelope, Replica } from '@stox/link'
import { makeAuthority, makeCertificate, until } from '@stox/testkit'
import { LinkClient, type LinkTls, type TlsIdentity } from '@stox/transport'
import type { Stanza } from '@stox/xmpp'
import { edgeConfig, identityOf, nowhere, partnerServer, surroundings } from './edge-support.ts'
import { SIP, XMPP, domain, partner, replicaOf } from './samples.ts'

const failure: Failure = {
  fault: 'recipient',
  retry: 'never',
  condition: 'item-not-found',
  status: 404,
  text: 'no such user',
  detail: 'said 404',
}
const delivered: Outcome = { kind: 'delivered', status: 200 }

let directory: string
let edgeTls: LinkTls
let gatewayTls: LinkTls
let served: TlsIdentity
const open: { close(): Promise<void> }[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'stox-edge-'))
  const ca = await makeAuthority('inside CA')
  edgeTls = { ...(await makeCertificate({ names: ['127.0.0.1'], issuer: ca })), ca: ca.cert }
  gatewayTls = { ...(await makeCertificate({ names: ['gateway.inside'], issuer: ca })), ca: ca.cert }
  served = identityOf({ domains: [SIP], ...(await makeCertificate({ names: [SIP] })) })
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one.close()
})

let files = 0
const configOf = (more: Partial<EdgeConfig> = {}): EdgeConfig => ({
  ...edgeConfig(served, edgeTls, join(directory, `replica-${(files += 1)}.json`)),
  ...more,
})

async function edgeUp(config: EdgeConfig): Promise<Edge> {
  const edge = await startEdge(config, { log: silentLog, resolver: nowhere })
  open.push(edge)
  return edge
}

/** A partner's server, whose users write and read. */
async function partnerUp(name = XMPP) {
  const heard: Stanza[] = []
  const { endpoint, port, knows } = await partnerServer(name, (stanza) => heard.push(stanza))
  open.push(endpoint)
  return {
    heard,
    port,
    knows,
    write: (id: string, more = '', to = `romeo@${SIP}`) =>
      endpoint.send(
        domain(name),
        domain(SIP),
        `<message from='juliet@${name}' to='${to}' id='${id}' ${more}><body>Ä &lt;😀</body></message>`,
        { maxWaitMs: 5000 },
      ),
  }
}

const replicaFor = (port: number, revision = 1): Replica =>
  replicaOf({
    revision,
    partners: [
      partner(XMPP, {
        tlsNegotiation: 'notSupported',
        saslNegotiation: 'notSupported',
        proxy: { host: '127.0.0.1', port },
      }),
    ],
  })

function gatewayFor(edge: Edge, replica: Replica, inbound: (envelope: InboundEnvelope) => Promise<Outcome>) {
  const streams: string[] = []
  const client = new LinkClient({
    ...surroundings,
    node: 'gateway-1',
    edges: [`https://127.0.0.1:${edge.addresses.link.port}`],
    tls: gatewayTls,
    replica,
    on: {
      inbound,
      streamUp: ({ direction, remoteDomain }) => streams.push(`${direction} ${remoteDomain} up`),
      streamDown: ({ direction, remoteDomain }) => streams.push(`${direction} ${remoteDomain} down`),
    },
  })
  open.push(client)
  client.start()
  const ready = () => until(() => client.edges()[0]?.replicaRevision === replica.model.revision)
  return { client, streams, ready }
}

const outbound = (id: string, more: Partial<OutboundEnvelope> = {}): OutboundEnvelope => ({
  correlationId: id,
  localDomain: SIP,
  remoteDomain: XMPP,
  from: `romeo@${SIP}`,
  to: `juliet@${XMPP}`,
  stanzaXml: `<message xmlns='jabber:server' from='romeo@${SIP}' to='juliet@${XMPP}' id='${id}'><body>Ö &amp;</body></message>`,
  expiresInMs: 8000,
  ...more,
})

const opsOf = async (edge: Edge, path: string): Promise<{ readonly status: number; readonly text: string }> => {
  const reply = await fetch(`http://127.0.0.1:${edge.addresses.ops.port}${path}`)
  return { status: reply.status, text: await reply.text() }
}

test('messages both ways between a partner and a gateway, with streams, sessions and metrics', async () => {
  const edge = await edgeUp(configOf())
  const them = await partnerUp()
  them.knows(edge)
  expect((await opsOf(edge, '/readyz')).status).toBe(503)
  const seen: InboundEnvelope[] = []
  const { client, streams, ready } = gatewayFor(edge, replicaFor(them.port), (envelope) => {
    seen.push(envelope)
    return Promise.resolve(envelope.to.startsWith('romeo') ? delivered : { kind: 'bounced', failure })
  })
  await ready()
  expect((await opsOf(edge, '/readyz')).status).toBe(200)

  expect((await them.write('m1')).kind).toBe('sent')
  await until(() => seen.length === 1)
  expect(seen[0]).toMatchObject({
    from: `juliet@${XMPP}`,
    to: `romeo@${SIP}`,
    provenBy: 'dialback-over-tcp',
    edge: 'edge-1',
  })
  expect(seen[0]?.stanzaXml).toContain('Ä &lt;😀')

  expect(await client.send(outbound('o1'))).toEqual({ kind: 'delivered', status: 202 })
  await until(() => them.heard.length === 1)
  expect(them.heard[0]).toMatchObject({ kind: 'message', id: 'o1', bodies: [{ text: 'Ö &' }] })

  await them.write('m2', '', `nobody@${SIP}`)
  await until(() => them.heard.length === 2)
  expect(them.heard[1]).toMatchObject({ type: 'error', id: 'm2', error: { condition: 'item-not-found' } })

  expect(streams.toSorted()).toEqual([`inbound ${XMPP} up`, `outbound ${XMPP} up`])
  const rows = await client.sessions()
  expect(rows.map(({ direction, remoteDomain, tls }) => `${direction} ${remoteDomain} ${tls}`).toSorted()).toEqual([
    `inbound ${XMPP} undefined`,
    `outbound ${XMPP} undefined`,
  ])
  expect(rows).toMatchObject([
    { partner: XMPP, matrixRow: 17, state: 'established', remoteAddress: '127.0.0.1', waitingStanzas: 0 },
    { partner: XMPP, matrixRow: 17, state: 'established', remoteAddress: '127.0.0.1', waitingStanzas: 0 },
  ])
  const { text } = await opsOf(edge, '/metrics')
  expect(text).toContain('stox_messages_total{direction="xmpp-to-sip",outcome="delivered",node="edge-1"} 1')
  expect(text).toContain('stox_messages_total{direction="xmpp-to-sip",outcome="bounced",node="edge-1"} 1')
  expect(text).toMatch(
    /stox_streams\{direction="inbound",partner="xmpp\.example",method="dialback-over-tcp",tls="none",node="edge-1"\} 1/,
  )

  const inboundRow = rows.find(({ direction }) => direction === 'inbound')
  expect(await client.closeSession(inboundRow?.id ?? '')).toBe(true)
  await until(() => streams.includes(`inbound ${XMPP} down`))
})

test('a gateway that is gone: its messages are held, and given to the one that comes', async () => {
  const edge = await edgeUp(configOf())
  const them = await partnerUp()
  them.knows(edge)
  const deaf = gatewayFor(edge, replicaFor(them.port), () => new Promise(() => undefined))
  await deaf.ready()
  for (const id of ['m1', 'm2', 'm3']) await them.write(id)
  await sleep(50)
  await deaf.client.close()
  const seen: string[] = []
  gatewayFor(edge, replicaFor(them.port), (envelope) => {
    seen.push(/id=['"](\w+)/.exec(envelope.stanzaXml)?.[1] ?? '')
    return Promise.resolve(delivered)
  })
  await until(() => seen.length === 3)
  expect(seen).toEqual(['m1', 'm2', 'm3'])
})

test('restarted without a gateway it knows its partners from the file, and refuses strangers', async () => {
  const config = configOf()
  const them = await partnerUp()
  const stranger = await partnerUp('stranger.example')
  const first = await edgeUp(config)
  await gatewayFor(first, replicaFor(them.port, 7), () => Promise.resolve(delivered)).ready()
  for (const one of open.splice(open.indexOf(first)).toReversed()) await one.close()

  const second = await edgeUp(config)
  them.knows(second)
  stranger.knows(second)
  expect((await opsOf(second, '/readyz')).text).toContain('revision 7')
  expect(await them.write('m1')).toMatchObject({ kind: 'sent' })
  expect(await stranger.write('m1')).toMatchObject({ kind: 'failed' })
  expect((await opsOf(second, '/metrics')).text).toMatch(
    /stox_refused_inputs_total\{kind="unknown-partner",node="edge-1"\} [1-9]/,
  )
})

test('a partner that is taken off the list loses its streams at once', async () => {
  const edge = await edgeUp(configOf())
  const them = await partnerUp()
  them.knows(edge)
  const { client, streams, ready } = gatewayFor(edge, replicaFor(them.port), () => Promise.resolve(delivered))
  await ready()
  await them.write('m1')
  await until(() => streams.includes(`inbound ${XMPP} up`))
  client.publish(replicaOf({ revision: 2, partners: [] }))
  await until(() => streams.includes(`inbound ${XMPP} down`))
  expect(await client.send(outbound('o1'))).toMatchObject({ kind: 'bounced', failure: { condition: 'not-allowed' } })
})

test('a partner that cannot be reached: its sender hears it in time', async () => {
  const edge = await edgeUp(configOf())
  const { client, ready } = gatewayFor(edge, replicaFor(1), () => Promise.resolve(delivered))
  await ready()
  expect(await client.send(outbound('o1', { expiresInMs: 3000 }))).toMatchObject({
    kind: 'bounced',
    failure: { condition: 'remote-server-timeout', status: 504 },
  })
  expect((await opsOf(edge, '/metrics')).text).toContain(
    'stox_stream_failures_total{direction="outbound",stage="tcp",reason="connection-refused"',
  )
})

describe('what is taken by others', () => {
  let taken: Server
  let address: string
  beforeAll(async () => {
    taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const at = taken.address()
    address = typeof at === 'object' && at !== null ? `127.0.0.1:${at.port}` : ''
  })
  afterAll(() => taken.close())

  test.each<[string, () => Partial<EdgeConfig>]>([
    [
      'xmpp.listen',
      () => ({
        xmpp: {
          listen: [address],
          tls: served,
          listenDirectTls: [],
          trust: { kind: 'system' },
          penalties: { freeFaults: 6, forgivenEveryS: 20 },
          certificates: [],
          revocations: [],
        },
      }),
    ],
    ['link.listen', () => ({ link: { listen: address, tls: edgeTls, peers: ['gateway.inside'] } })],
    ['ops.listen', () => ({ ops: { listen: address } })],
  ])('%s: one problem, and nothing stays open', async (path, more) => {
    const starting = startEdge(configOf(more()), { log: silentLog })
    await expect(starting).rejects.toBeInstanceOf(StartFailure)
    await expect(starting).rejects.toMatchObject({
      problems: [{ path, problem: `cannot listen on ${address}: the port is in use` }],
    })
  })

  test('a revocation list that is none', async () => {
    const { xmpp } = configOf()
    const file = join(directory, 'none.crl')
    writeFileSync(file, 'nothing')
    const starting = startEdge(configOf({ xmpp: { ...xmpp, revocations: [file] } }), { log: silentLog })
    await expect(starting).rejects.toMatchObject({
      problems: [{ path: 'xmpp.revocations', problem: `${file}: not a revocation list` }],
    })
  })

  test('a replica file that cannot be read', async () => {
    await expect(startEdge(configOf({ replica: { file: directory } }), { log: silentLog })).rejects.toMatchObject({
      problems: [{ path: 'replica.file' }],
    })
  })
})
