import { EMPTY_MODEL, federationFileSchema } from '@stox/federation'
import { silentLog } from '@stox/kernel'
import type { Outcome } from '@stox/kernel'
import type { InboundEnvelope, Replica } from '@stox/link'
import { SipAgent } from '@stox/testkit'
import type { LinkClientOptions, LinkClientPort } from '@stox/transport'
import { formatJid } from '@stox/xmpp'
import { gatewayConfigSchema } from '../src/config.ts'
import type { GatewayConfig } from '../src/config.ts'
import { startGateway } from '../src/gateway.ts'
import type { Gateway } from '../src/gateway.ts'
import { FakeLink, envelopeFor, modelFor, stanzaOf } from './stage.ts'

/** A link whose edge is the test. */
class TestLink extends FakeLink implements LinkClientPort {
  readonly options: LinkClientOptions
  started = false
  published = 0
  /** What the edge goes by. */
  replicaRevision = 1
  constructor(options: LinkClientOptions) {
    super()
    this.options = options
  }
  start(): void {
    this.started = true
    this.options.on.attached?.('edge-1')
  }
  publish(replica: Replica): void {
    this.published = replica.model.revision
  }
  edges(): ReturnType<LinkClientPort['edges']> {
    return [
      {
        url: 'https://127.0.0.1:1',
        node: 'edge-1',
        attached: this.started,
        replicaRevision: this.replicaRevision,
        roundTripMs: 1,
        lastProblem: undefined,
      },
    ]
  }
  sessions(): ReturnType<LinkClientPort['sessions']> {
    return Promise.resolve([])
  }
  closeSession(): Promise<boolean> {
    return Promise.resolve(false)
  }
  gauges(): ReturnType<LinkClientPort['gauges']> {
    return {
      attached: 1,
      waiting: 0,
      openSent: 0,
      openTaken: 0,
      creditStanzas: 10,
      roundTripMs: 1,
    } as ReturnType<LinkClientPort['gauges']>
  }
  close(): Promise<void> {
    return Promise.resolve()
  }
  /** From the world. */
  inbound(xml: string, more: Partial<InboundEnvelope> = {}): Promise<Outcome> {
    return this.options.on.inbound(envelopeFor(xml, more))
  }
  async next(test: (xml: string) => boolean = () => true): Promise<string> {
    for (let tries = 0; tries < 100; tries += 1) {
      const at = this.sent.findIndex((envelope) => test(envelope.stanzaXml))
      if (at !== -1) return this.sent.splice(at, 1)[0]?.stanzaXml ?? ''
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('nothing was sent')
  }
}

const model = modelFor()

function configFor(juliet: string): GatewayConfig {
  const {
    link: _link,
    federation: _federation,
    sip: { tls: _tls, ...sip },
    ...rest
  } = gatewayConfigSchema.omit({ link: true }).parse({
    node: 'gateway-1',
    sip: {
      listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'],
      domains: [{ domain: 'capulet.example', route: juliet }],
      trustedPeers: ['127.0.0.1'],
    },
    admin: { listen: '127.0.0.1:0' },
    ops: { listen: '127.0.0.1:0' },
    store: { url: 'memory:' },
    presence: { notifyIntervalMs: 100 },
  }) as ReturnType<typeof gatewayConfigSchema.parse>
  return {
    ...rest,
    sip: { ...sip, tls: undefined, credentials: [], digest: undefined },
    link: { edges: ['https://127.0.0.1:1'], tls: { cert: '', key: '', ca: '' } },
    federation: federationFileSchema.parse({ settings: model.settings, partners: model.partners }),
  }
}

describe('the gateway on loopback sockets', () => {
  let gateway: Gateway
  let link: TestLink
  let juliet: SipAgent
  let token = ''

  beforeAll(async () => {
    // The agent has to know the gateway and the gateway the agent: a first one lends its port.
    const probe = await SipAgent.start({
      aor: 'sip:juliet@capulet.example',
      listen: 'udp:127.0.0.1:0',
      outboundProxy: { transport: 'udp', host: '127.0.0.1', port: 9 },
    })
    const port = Number(/:(\d+)/.exec(probe.contact.slice(4))?.[1])
    await probe.close()
    gateway = await startGateway(configFor(`sip:127.0.0.1:${port};transport=udp`), {
      log: silentLog,
      link: (options) => (link = new TestLink(options)),
      firstToken: (made) => (token = made),
    })
    const udp = gateway.addresses.sip.find((address) => address.transport === 'udp')
    juliet = await SipAgent.start({
      aor: 'sip:juliet@capulet.example',
      listen: `udp:127.0.0.1:${port}`,
      outboundProxy: { transport: 'udp', host: '127.0.0.1', port: udp?.port ?? 0 },
    })
  })
  afterAll(async () => {
    await juliet.close()
    await gateway.close()
  })

  const ops = (path: string) => fetch(`http://${gateway.addresses.ops.address}:${gateway.addresses.ops.port}${path}`)

  test('is ready, and says so', async () => {
    expect((await ops('/healthz')).status).toBe(200)
    expect((await ops('/readyz')).status).toBe(200)
    expect(link.options.replica.dialbackSecret).toHaveLength(64)
    expect(link.options.replica.model.settings.dialbackPassphrase).toBeNull()
    expect(link.options.replica.model.revision).toBeGreaterThan(EMPTY_MODEL.revision)
    expect(token).not.toBe('')
  })

  test('a message each way', async () => {
    const received = juliet.received.next()
    const outcome = await link.inbound(
      "<message xmlns='jabber:server' id='m1' from='romeo@montague.example/orchard' to='juliet@capulet.example'><body>Wherefore &lt;&amp;🎈</body></message>",
    )
    expect(outcome).toEqual({ kind: 'delivered', status: 200 })
    expect((await received).body).toBe('Wherefore <&🎈')

    const reply = await juliet.message('sip:romeo@montague.example', 'Art thou there?')
    expect(reply).toMatchObject({ kind: 'response', response: { status: 202 } })
    const stanza = stanzaOf(await link.next((xml) => xml.includes('<message')))
    expect(stanza.kind === 'message' ? [formatJid(stanza.from), stanza.bodies[0]?.text] : []).toEqual([
      'juliet@capulet.example',
      'Art thou there?',
    ])
    const metrics = await (await ops('/metrics')).text()
    expect(metrics).toMatch(/stox_messages_total\{[^}]*direction="sip-to-xmpp"[^}]*\} 1/)
  })

  test('a refusal each way', async () => {
    juliet.onMessage(() => 404)
    expect(
      await link.inbound(
        "<message xmlns='jabber:server' id='m2' from='romeo@montague.example/orchard' to='juliet@capulet.example'><body>x</body></message>",
        { correlationId: 'c-2' },
      ),
    ).toMatchObject({ kind: 'bounced', failure: { condition: 'item-not-found' } })
    expect(await juliet.message('sip:romeo@stranger.example', 'x')).toMatchObject({
      kind: 'response',
      response: { status: 403 },
    })
  })

  test('the API knows how they ended', async () => {
    const { address, port } = gateway.addresses.admin
    await new Promise((resolve) => setTimeout(resolve, 300))
    const reply = await fetch(`http://${address}:${port}/v1/messages`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(reply.status).toBe(200)
    const text = await reply.text()
    for (const word of ['delivered', 'bounced', 'item-not-found', 'not-allowed']) expect(text).toContain(word)
    expect(text).not.toContain('Wherefore')
  })

  test('a change is answered when the attached edge goes by it, not before', async () => {
    const { address, port } = gateway.addresses.admin
    let answered = false
    const change = fetch(`http://${address}:${port}/v1/settings`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'if-match': '*' },
      body: JSON.stringify({ inactivityTimeoutS: 601 }),
    }).then((response) => {
      answered = true
      return response.status
    })
    for (let tries = 0; tries < 100 && link.published === 0; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 10))
    expect(link.published).toBeGreaterThan(link.replicaRevision)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(answered).toBe(false)
    link.replicaRevision = link.published
    expect(await change).toBe(200)
  })

  test('the SIP user watches', async () => {
    const watch = juliet.subscribe('sip:romeo@montague.example')
    await watch.states.next((state) => state.subscription === 'pending')
    await link.next((xml) => xml.includes("type='subscribe'") || xml.includes('type="subscribe"'))
    const from = "from='romeo@montague.example'"
    await link.inbound(`<presence xmlns='jabber:server' ${from} to='juliet@capulet.example' type='subscribed'/>`)
    await link.inbound(
      "<presence xmlns='jabber:server' from='romeo@montague.example/orchard' to='juliet@capulet.example'><show>away</show><status>Under the balcony</status></presence>",
    )
    const state = await watch.states.next((one) => one.basic === 'open')
    expect(state).toMatchObject({ subscription: 'active', show: 'away', note: 'Under the balcony' })
    await watch.unsubscribe()
  })

  test('the XMPP user watches', async () => {
    juliet.serve('active')
    juliet.show({ basic: 'open', show: 'dnd', note: 'Asleep' })
    await link.inbound(
      "<presence xmlns='jabber:server' id='s1' from='romeo@montague.example' to='juliet@capulet.example' type='subscribe'/>",
    )
    await link.next((xml) => xml.includes('subscribed'))
    const stanza = stanzaOf(await link.next((xml) => xml.includes('dnd')))
    expect(stanza).toMatchObject({ kind: 'presence', type: 'available', show: 'dnd', statuses: [{ text: 'Asleep' }] })
  })
})
