import { FederationIndex, type FederationModel } from '@stox/federation'
import { VirtualTime, type Failure, type Outcome } from '@stox/kernel'
import type { InboundEnvelope, OutboundEnvelope } from '@stox/link'
import type { SendOutcome, StanzaContext } from '@stox/transport'
import { parseStanzaText, type Stanza } from '@stox/xmpp'
import { giveOutbound } from '../src/give-outbound.ts'
import { takeInbound } from '../src/take-inbound.ts'
import { SIP, XMPP, domain, logOf, modelOf, partner, type Line } from './samples.ts'

const JULIET = `juliet@${XMPP}`
const ROMEO = `romeo@${SIP}`
const addressed = `from='${JULIET}/balcony' to='${ROMEO}'`

function stanzaOf(xml: string): Stanza {
  const parsed = parseStanzaText(xml.replace(/^<(\w+)/, `<$1 xmlns='jabber:server'`))
  if (!parsed.ok) throw new Error(`${parsed.failure.condition}: ${parsed.failure.detail}`)
  return parsed.value
}

/** What a journey needs, and what it has done. */
function worldOf(model: FederationModel = modelOf()) {
  const time = new VirtualTime()
  const lines: Line[] = []
  const sent: string[] = []
  const offered: InboundEnvelope[] = []
  const counted: string[] = []
  const refused: string[] = []
  const world = {
    outcome: { kind: 'delivered', status: 200 } as Outcome,
    sendOutcome: { kind: 'sent', streamId: 'o1' } as SendOutcome,
    lines,
    sent,
    offered,
    counted,
    refused,
    deps: {
      node: 'edge-1',
      clock: time,
      log: logOf(lines),
      sparing: logOf(lines),
      ids: { token: () => 'token-1', fraction: () => 0.5 },
      metrics: {
        messageEnded: (direction: string, outcome: string) => void counted.push(`message ${direction} ${outcome}`),
        presencePassed: (direction: string, kind: string) => void counted.push(`presence ${direction} ${kind}`),
      },
      index: () => new FederationIndex(model),
      offer(envelope: InboundEnvelope): Promise<Outcome> {
        offered.push(envelope)
        return Promise.resolve(world.outcome)
      },
      send(local: string, remote: string, xml: string): Promise<SendOutcome> {
        sent.push(`${local} ${remote} ${xml}`)
        return Promise.resolve(world.sendOutcome)
      },
      refused: (kind: string, detail: string) => void refused.push(`${kind}: ${detail}`),
    },
  }
  return world
}

const context: StanzaContext = {
  streamId: 'i1',
  local: domain(SIP),
  // Branded where it is proven; here nobody proves anything.
  peer: { domain: domain(XMPP), provenBy: 'dialback-over-tls' } as StanzaContext['peer'],
  bytes: 100,
}

const failure: Failure = {
  fault: 'recipient',
  retry: 'never',
  condition: 'item-not-found',
  status: 404,
  text: 'no such user',
  detail: 'the SIP server said 404',
}

describe('from a partner', () => {
  test('a message goes to a gateway as it came, and its end is one line and one count', async () => {
    const world = worldOf()
    const stanza = stanzaOf(`<message ${addressed} id='m1' type='chat'><body>Ä &lt;&amp; 😀</body></message>`)
    await takeInbound(world.deps, stanza, context)
    expect(world.offered).toEqual([
      {
        correlationId: 'token-1',
        edge: 'edge-1',
        streamId: 'i1',
        localDomain: SIP,
        remoteDomain: XMPP,
        provenBy: 'dialback-over-tls',
        from: JULIET,
        to: ROMEO,
        stanzaXml: expect.stringContaining('<body>Ä &lt;&amp; 😀</body>'),
        receivedAtMs: Date.UTC(2026, 0, 1),
      },
    ])
    expect(world.sent).toEqual([])
    expect(world.counted).toEqual(['message xmpp-to-sip delivered'])
    expect(world.lines).toEqual([
      {
        level: 'debug',
        event: 'stanza-ended',
        correlationId: 'token-1',
        direction: 'xmpp-to-sip',
        kind: 'message',
        type: 'chat',
        from: `${JULIET}/balcony`,
        to: ROMEO,
        id: 'm1',
        outcome: 'delivered 200',
        detail: undefined,
        durationMs: 0,
      },
    ])
    expect(JSON.stringify(world.lines)).not.toContain('😀')
  })

  test('a bounce goes back as an error with the stanza’s own id', async () => {
    const world = worldOf()
    world.outcome = { kind: 'bounced', failure }
    await takeInbound(world.deps, stanzaOf(`<message ${addressed} id='m1'><body>x</body></message>`), context)
    expect(world.sent).toHaveLength(1)
    const [local, remote, ...xml] = (world.sent[0] ?? '').split(' ')
    expect([local, remote]).toEqual([SIP, XMPP])
    const reply = parseStanzaText(xml.join(' '))
    expect(reply).toMatchObject({
      value: { id: 'm1', type: 'error', error: { condition: 'item-not-found', type: 'cancel', text: 'no such user' } },
    })
    expect(world.lines).toMatchObject([
      { level: 'info', outcome: 'bounced item-not-found', detail: 'the SIP server said 404' },
    ])
    expect(world.counted).toEqual(['message xmpp-to-sip bounced'])
  })

  test('an error that bounces is answered by nothing', async () => {
    const world = worldOf()
    world.outcome = { kind: 'bounced', failure }
    const error = `<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
    await takeInbound(world.deps, stanzaOf(`<message ${addressed} id='m1' type='error'>${error}</message>`), context)
    expect(world.offered).toHaveLength(1)
    expect(world.sent).toEqual([])
  })

  test('what the rules refuse is not forwarded, and hears why', async () => {
    const world = worldOf(modelOf({ partners: [partner(XMPP, { features: { im: false } })] }))
    await takeInbound(world.deps, stanzaOf(`<message ${addressed} id='m1'><body>x</body></message>`), context)
    expect(world.offered).toEqual([])
    expect(world.sent[0]).toContain('not-allowed')
    expect(world.lines).toMatchObject([{ outcome: 'bounced not-allowed', detail: expect.stringContaining('feature') }])
  })

  test('a stranger to its recipient is for the gateway to judge', async () => {
    const world = worldOf(modelOf({ partners: [partner(XMPP, { partnerType: 'publicUnverified' })] }))
    await takeInbound(world.deps, stanzaOf(`<message ${addressed}><body>x</body></message>`), context)
    expect(world.offered).toHaveLength(1)
  })

  test.each([
    ['available', `<presence ${addressed}/>`],
    ['subscribe', `<presence ${addressed} type='subscribe'/>`],
  ])('presence, %s', async (kind, xml) => {
    const world = worldOf()
    await takeInbound(world.deps, stanzaOf(xml), context)
    expect(world.offered).toHaveLength(1)
    expect(world.counted).toEqual([`presence xmpp-to-sip ${kind}`])
  })

  test.each([
    ['ping', `<iq from='${XMPP}' to='${SIP}' id='q' type='get'><ping xmlns='urn:xmpp:ping'/></iq>`, "type='result'"],
    ['a query nobody knows', `<iq ${addressed} id='q' type='get'><q xmlns='urn:x'/></iq>`, 'service-unavailable'],
  ])('an iq is answered here: %s', async (_case, xml, answer) => {
    const world = worldOf()
    await takeInbound(world.deps, stanzaOf(xml), context)
    expect(world.offered).toEqual([])
    expect(world.sent).toEqual([expect.stringContaining(answer)])
    expect(world.lines).toMatchObject([{ kind: 'iq', outcome: 'absorbed answered-here' }])
  })

  test('XEP-0157: whoever asks a domain is told whom to write to', async () => {
    const { settings } = modelOf()
    const contactAddresses = { ...settings.contactAddresses, abuse: ['mailto:abuse@sip.example'] }
    const world = worldOf(modelOf({ settings: { ...settings, contactAddresses } }))
    const asks = `<iq from='${XMPP}' to='${SIP}' id='q' type='get'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`
    await takeInbound(world.deps, stanzaOf(asks), context)
    expect(world.sent).toEqual([expect.stringContaining('<value>mailto:abuse@sip.example</value>')])
  })

  test.each([
    ['where that is wanted', true, /<name>stox<\/name><version>\d+\.\d+\.\d+</],
    ['else', false, /service-unavailable/],
  ])('XEP-0092, C.14: which software this is, %s', async (_when, softwareVersion, answer) => {
    const world = worldOf(modelOf({ settings: { ...modelOf().settings, softwareVersion } }))
    const asks = `<iq from='${XMPP}' to='${SIP}' id='q' type='get'><query xmlns='jabber:iq:version'/></iq>`
    await takeInbound(world.deps, stanzaOf(asks), context)
    expect(world.sent).toEqual([expect.stringMatching(answer)])
  })

  test.each([
    ['what a user can do', `<query xmlns='http://jabber.org/protocol/disco#info'/>`],
    ['his name', `<vCard xmlns='vcard-temp'/>`],
    ['whether he is there', `<ping xmlns='urn:xmpp:ping'/>`],
  ])('C.14: the gateway is asked %s', async (_what, payload) => {
    const world = worldOf()
    await takeInbound(world.deps, stanzaOf(`<iq ${addressed} id='q' type='get'>${payload}</iq>`), context)
    expect(world.offered).toHaveLength(1)
  })

  test('the answer to an iq is answered by nothing', async () => {
    const world = worldOf()
    await takeInbound(world.deps, stanzaOf(`<iq ${addressed} id='q' type='result'/>`), context)
    expect(world.sent).toEqual([])
  })

  test('an answer that cannot be sent is said', async () => {
    const world = worldOf()
    world.outcome = { kind: 'bounced', failure }
    world.sendOutcome = { kind: 'failed', failure: { ...failure, detail: 'no stream' } }
    await takeInbound(world.deps, stanzaOf(`<message ${addressed}><body>x</body></message>`), context)
    await Promise.resolve()
    expect(world.lines).toContainEqual(expect.objectContaining({ event: 'answer-not-sent', detail: 'no stream' }))
  })
})

const envelopeOf = (more: Partial<OutboundEnvelope> = {}): OutboundEnvelope => ({
  correlationId: 'c1',
  localDomain: SIP,
  remoteDomain: XMPP,
  from: ROMEO,
  to: JULIET,
  stanzaXml: `<message xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='o1' type='chat'><body>Ä&amp;😀</body></message>`,
  expiresInMs: 5000,
  ...more,
})

describe('from a gateway', () => {
  test('a stanza goes out, and its outcome is that it is on its way', async () => {
    const world = worldOf()
    expect(await giveOutbound(world.deps, envelopeOf())).toEqual({ kind: 'delivered', status: 202 })
    expect(world.sent).toEqual([expect.stringContaining('<body>Ä&amp;😀</body>')])
    expect(world.counted).toEqual(['message sip-to-xmpp delivered'])
    expect(world.lines).toMatchObject([
      { event: 'stanza-ended', direction: 'sip-to-xmpp', correlationId: 'c1', id: 'o1', outcome: 'delivered 202' },
    ])
  })

  test('a stream that cannot be had is the outcome', async () => {
    const world = worldOf()
    world.sendOutcome = { kind: 'failed', failure: { ...failure, condition: 'remote-server-timeout', status: 504 } }
    expect(await giveOutbound(world.deps, envelopeOf())).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'remote-server-timeout', status: 504 },
    })
    expect(world.counted).toEqual(['message sip-to-xmpp bounced'])
  })

  test.each<[string, Partial<OutboundEnvelope>]>([
    ['what is no XML', { stanzaXml: 'nonsense' }],
    ['what is no stanza', { stanzaXml: "<stream xmlns='jabber:server'/>" }],
    ['two stanzas', { stanzaXml: `${envelopeOf().stanzaXml}${envelopeOf().stanzaXml}` }],
    ['the end of our stream', { stanzaXml: `${envelopeOf().stanzaXml}</stream:stream>` }],
    ['another namespace', { stanzaXml: envelopeOf().stanzaXml.replace('jabber:server', 'jabber:client') }],
    ['another local domain', { localDomain: 'other.example' }],
    ['another remote domain', { remoteDomain: 'other.example' }],
    ['another sender', { from: `mallory@${SIP}` }],
    ['another recipient', { to: `mallory@${XMPP}` }],
  ])('%s is refused, and counted', async (_case, more) => {
    const world = worldOf()
    expect(await giveOutbound(world.deps, envelopeOf(more))).toMatchObject({
      kind: 'bounced',
      failure: { fault: 'us', condition: 'internal-server-error' },
    })
    expect(world.sent).toEqual([])
    expect(world.refused).toEqual([expect.stringContaining('link-stanza')])
  })

  test('what stands around a stanza does not go out', async () => {
    const world = worldOf()
    const stanzaXml = `<?xml version='1.0'?><!-- hello -->${envelopeOf().stanzaXml}`
    expect((await giveOutbound(world.deps, envelopeOf({ stanzaXml }))).kind).toBe('delivered')
    expect(world.sent[0]).toMatch(new RegExp(`^${SIP} ${XMPP} <message `))
  })

  test('a domain that is no partner gets nothing', async () => {
    const world = worldOf(modelOf({ partners: [] }))
    expect(await giveOutbound(world.deps, envelopeOf())).toMatchObject({
      kind: 'bounced',
      failure: { fault: 'policy', condition: 'not-allowed', status: 403 },
    })
    expect([world.sent, world.refused]).toEqual([[], []])
  })

  test('stanzas are handed to their stream in the order in which they came', () => {
    const world = worldOf()
    for (const n of [1, 2, 3]) {
      void giveOutbound(world.deps, envelopeOf({ stanzaXml: envelopeOf().stanzaXml.replace("'o1'", `'o${n}'`) }))
    }
    // None of them has had a turn of the event loop yet.
    expect(world.sent.map((line) => /id=['"](o\d)/.exec(line)?.[1])).toEqual(['o1', 'o2', 'o3'])
  })
})
