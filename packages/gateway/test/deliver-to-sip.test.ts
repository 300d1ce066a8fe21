import { lossyUtf8Text, silentLog } from '@stox/kernel'
import type { Outcome } from '@stox/kernel'
import type { FederationModel, PartnerType } from '@stox/federation'
import { localDomainSchema, xmppPartnerSchema } from '@stox/federation'
import type { SipReply } from '@stox/transport'
import { parseJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { Conversations } from '../src/conversations.ts'
import { deliverToSip, failureOf } from '../src/deliver-to-sip.ts'
import { PairQueues } from '../src/pair-queues.ts'
import { takeStanza } from '../src/take-stanza.ts'
import { besidesOf, envelopeFor, hashes, indexFor, metrics, newStage, respondTo, settle, sipMessage } from './stage.ts'
import type { Stage } from './stage.ts'

const jidOf = (text: string): Jid => {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(text)
  return jid.value
}

interface World extends Stage {
  readonly servers: { up: boolean }
  release(user: string): void
  heardFrom(sipUser: string, xmppUser: string): void
  deliver(xml: string, correlationId?: string): Promise<Outcome>
}
function world(partnerType: PartnerType = 'federated', more: Partial<FederationModel> = {}, authorized = false): World {
  const stage = newStage()
  const servers = { up: true }
  const index = indexFor(partnerType, more)
  const conversations = new Conversations({ clock: stage.time, ids: stage.ids, hashes })
  const deps = {
    ...besidesOf(stage, conversations),
    clock: stage.time,
    ids: stage.ids,
    log: silentLog,
    metrics,
    journal: stage.store.journal,
    index: () => index,
    gruu: 'raw' as const,
    sip: stage.sip,
    sipAddress: () => undefined,
    queues: new PairQueues<Outcome>(),
    conversations,
    hasServer: () => servers.up,
    link: stage.link,
    giveUpMs: 12_000,
    isAuthorizedBy: () => authorized,
  }
  return {
    ...stage,
    servers,
    release: (user) => deps.held.release(jidOf(user)),
    heardFrom: (sipUser, xmppUser) => void conversations.noteFromSip(jidOf(sipUser), jidOf(xmppUser)),
    deliver: (xml, correlationId = 'c-1') =>
      takeStanza(
        {
          message: (envelope, message) => deliverToSip(deps, envelope, message),
          presence: () => Promise.resolve({ kind: 'absorbed', reason: 'presence-kept' }),
          iq: () => Promise.resolve({ kind: 'absorbed', reason: 'answered-here' }),
        },
        envelopeFor(xml, { correlationId }),
      ),
  }
}
const message = (content: string, attributes = "id='m1'", from = 'romeo@montague.example/orchard') =>
  `<message xmlns='jabber:server' from='${from}' to='juliet@capulet.example' ${attributes}>${content}</message>`
const hello = message('<body>hello</body>')

describe('a message from XMPP to SIP', () => {
  test('is a MESSAGE by the route of its domain, and its 200 is the end [7247-7.0.3]', async () => {
    const at = world()
    expect(await at.deliver(message('<body>a\n&lt;&amp;🎈</body><thread>t1</thread>', "id='m1' type='chat'"))).toEqual({
      kind: 'delivered',
      status: 200,
    })
    const [{ request, towards } = { request: undefined, towards: '' }] = at.sip.sent
    expect(towards).toBe('sip:127.0.0.1:5060;transport=udp')
    expect(request?.uri).toBe('sip:juliet@capulet.example')
    expect(request?.core.callId).toBe('t1')
    expect(lossyUtf8Text(request?.body ?? new Uint8Array())).toBe('a\r\n<&🎈')
    const journal = await at.store.journal.find({ limit: 10 })
    expect(journal.items).toMatchObject([
      {
        correlationId: 'c-1',
        direction: 'xmpp-to-sip',
        from: 'romeo@montague.example',
        to: 'juliet@capulet.example',
        partner: 'montague.example',
        stanzaId: 'm1',
        callId: 't1',
        outcome: 'delivered',
        status: 200,
        edge: 'edge-1',
      },
    ])
    expect(JSON.stringify(journal)).not.toContain('🎈')
  })

  test.each([
    [404, 'item-not-found'],
    [480, 'recipient-unavailable'],
    [603, 'recipient-unavailable'],
    [503, 'internal-server-error'],
  ])('%d comes back as %s [7572-9.1]', async (status, condition) => {
    const at = world()
    at.sip.answer = (request) => respondTo(request, status)
    expect(await at.deliver(hello)).toMatchObject({ kind: 'bounced', failure: { condition, status } })
    expect((await at.store.journal.find({ limit: 1 })).items).toMatchObject([{ outcome: 'bounced', condition, status }])
  })

  test('487 is silence in sessions alone: the next is asked again', async () => {
    const at = world()
    at.sip.answer = (request) => respondTo(request, 487)
    await at.deliver(hello)
    await at.deliver(hello)
    expect(at.sip.sent).toHaveLength(2)
  })

  test('from another domain of a partner is found under its primary one', async () => {
    const partners = [
      xmppPartnerSchema.parse({
        domain: 'verona.example',
        additionalDomains: ['montague.example'],
        partnerType: 'federated',
      }),
    ]
    const at = world('federated', { partners })
    await at.deliver(hello)
    expect((await at.store.journal.find({ limit: 10 })).items).toMatchObject([{ partner: 'verona.example' }])
  })

  test('Retry-After and Warning are told in words', async () => {
    const at = world()
    at.sip.answer = (request) =>
      respondTo(request, 480, [
        ['Retry-After', '30'],
        ['Warning', '399 example.com "gone fishing"'],
      ])
    expect(await at.deliver(hello)).toMatchObject({
      failure: { text: expect.stringMatching(/gone fishing.*30 s/) as string },
    })
  })

  test.each([
    ['timeout', 'remote-server-timeout'],
    ['transport', 'remote-server-timeout'],
    ['no-target', 'remote-server-not-found'],
  ] as const)('no answer: %s', async (cause, condition) => {
    const at = world()
    at.sip.answer = () => ({ kind: 'failed', cause, detail: '' })
    expect(await at.deliver(hello)).toMatchObject({ kind: 'bounced', failure: { condition } })
  })

  test.each([
    ['lync 5: a stranger of an unverified partner', 'publicUnverified', false, 'subscription-required'],
  ] as const)('%s is refused', async (_case, partnerType, authorized, condition) => {
    const at = world(partnerType, {}, authorized)
    expect(await at.deliver(hello)).toMatchObject({ kind: 'bounced', failure: { condition } })
    expect(at.sip.sent).toHaveLength(0)
  })
  test('lync 5: once the local user has added him, he may write', async () =>
    expect(await world('publicUnverified', {}, true).deliver(hello)).toMatchObject({ kind: 'delivered' }))
  test('a domain that is no partner any more', async () =>
    expect(await world('federated', { partners: [] }).deliver(hello)).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'not-allowed' },
    }))
  test('a sender of another domain than the stream’s', async () => {
    const at = world()
    expect(await at.deliver(message('<body>x</body>', '', 'mallory@evil.example'))).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'not-allowed' },
    })
  })
  test('an error is absorbed, and makes none', async () => {
    const at = world()
    const error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    expect(await at.deliver(message(error, "type='error'"))).toEqual({ kind: 'absorbed', reason: 'error-stanza' })
  })
  test('C.4: a headline never makes an error', async () => {
    const at = world()
    at.sip.answer = (request) => respondTo(request, 404)
    expect(await at.deliver(message('<body>news</body>', "type='headline'"))).toEqual({
      kind: 'absorbed',
      reason: 'headline-failed',
    })
  })

  test('C.6: over 1300 bytes is refused, and passes on a congestion-safe route', async () => {
    const long = message(`<body>${'x'.repeat(4000)}</body>`)
    expect(await world().deliver(long)).toMatchObject({ failure: { condition: 'policy-violation' } })
    const safe = localDomainSchema.parse({
      domain: 'capulet.example',
      route: 'sip:127.0.0.1:5060;transport=tcp',
      congestionSafe: true,
    })
    expect(await world('federated', { localDomains: [safe] }).deliver(long)).toMatchObject({ kind: 'delivered' })
  })

  test('C.2: one thread is one call with a growing CSeq; without a thread each is a call of its own [7572-4t.cseq 7572-4t.id]', async () => {
    const at = world()
    for (const id of ['a', 'b']) await at.deliver(message('<body>x</body><thread>t1</thread>', `id='${id}'`))
    for (const id of ['c', 'd']) await at.deliver(message('<body>x</body>', `id='${id}'`), id)
    const seen = at.sip.take().map(({ core }) => [core.callId, core.from.params.get('tag'), core.cseq.number])
    expect(seen[0]?.slice(0, 2)).toEqual(seen[1]?.slice(0, 2))
    expect([seen[0]?.[2], seen[1]?.[2]]).toEqual([1, 2])
    expect(new Set(seen.map(([callId]) => callId)).size).toBe(3)
  })
  test('design §4: the same stanza offered again is the same request', async () => {
    const at = world()
    await at.deliver(hello, 'c-7')
    await at.deliver(hello, 'c-7')
    const [one, two] = at.sip.take()
    expect([one?.core.callId, one?.core.cseq, one?.core.from.params.get('tag')]).toEqual([
      two?.core.callId,
      two?.core.cseq,
      two?.core.from.params.get('tag'),
    ])
  })

  test('A.5: a resource goes to the SIP side only when it came from there', async () => {
    const at = world()
    await at.deliver(
      "<message xmlns='jabber:server' from='romeo@montague.example' to='juliet@capulet.example/phone'><body>x</body></message>",
    )
    expect(at.sip.take()[0]?.uri).toBe('sip:juliet@capulet.example')
  })

  test('what is no stanza', async () =>
    expect(await world().deliver('<message')).toMatchObject({ kind: 'bounced', failure: { condition: 'bad-request' } }))
})

describe('C.7: one at a time for each pair', () => {
  const from = (user: string, body: string) => message(`<body>${body}</body>`, '', `${user}@montague.example`)

  test('in order, while other pairs go ahead', async () => {
    const at = world()
    const waiting: ((reply: SipReply) => void)[] = []
    at.sip.answer = () => new Promise((resolve) => waiting.push(resolve))
    const outcomes: string[] = []
    for (const [user, body] of [
      ['romeo', '1'],
      ['romeo', '2'],
      ['tybalt', '3'],
      ['romeo', '4'],
    ] as const)
      void at.deliver(from(user, body), body).then(() => outcomes.push(body))
    await settle()
    const bodies = () => at.sip.sent.map(({ request }) => lossyUtf8Text(request.body))
    expect(bodies()).toEqual(['1', '3'])
    for (let index = 0; index < 4; index += 1) {
      const sent = at.sip.sent[index]
      if (sent === undefined) throw new Error('not sent')
      waiting[index]?.(respondTo(sent.request, 200))
      await settle()
    }
    expect(bodies()).toEqual(['1', '3', '2', '4'])
    expect(outcomes.filter((body) => body !== '3')).toEqual(['1', '2', '4'])
  })

  test('a full line is answered, not grown', async () => {
    const at = world()
    at.sip.answer = () => new Promise(() => undefined)
    for (let index = 0; index <= 1000; index += 1) void at.deliver(from('romeo', String(index)), `q${index}`)
    expect(await at.deliver(from('romeo', 'one more'), 'last')).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'resource-constraint', errorType: 'wait' },
    })
  })

  test('after a timeout those behind fail at once', async () => {
    const at = world()
    let give: (reply: SipReply) => void = () => undefined
    at.sip.answer = () => new Promise((resolve) => (give = resolve))
    const all = ['1', '2', '3'].map((body) => at.deliver(from('romeo', body), body))
    await settle()
    give({ kind: 'failed', cause: 'timeout', detail: 'Timer F' })
    for (const outcome of await Promise.all(all))
      expect(outcome).toMatchObject({ kind: 'bounced', failure: { condition: 'remote-server-timeout' } })
    expect(at.sip.sent).toHaveLength(1)
    at.sip.answer = (request) => respondTo(request, 200)
    expect(await at.deliver(from('romeo', '4'), '4')).toMatchObject({ kind: 'delivered' })
  })
})

describe('C.7: who let a request time out is not asked again for 30 s', () => {
  const silent: SipReply = { kind: 'failed', cause: 'timeout', detail: 'Timer F', provisional: false }
  const tried = async (reply: SipReply, then: (at: World) => void): Promise<number> => {
    const at = world()
    at.servers.up = false
    at.sip.answer = () => reply
    await at.deliver(hello, 'first')
    at.sip.answer = (request) => respondTo(request, 200)
    then(at)
    const outcome = await at.deliver(hello, 'second')
    if (at.sip.sent.length === 1)
      expect(outcome).toMatchObject({ failure: { condition: 'remote-server-timeout', errorType: 'wait' } })
    else expect(outcome).toMatchObject({ kind: 'delivered' })
    return at.sip.sent.length
  }
  test.each<[string, SipReply, (at: World) => void, number]>([
    ['nothing heard of his server', silent, (at) => void at.time.advance(29_000), 1],
    ['after 30 s', silent, (at) => void at.time.advance(30_001), 2],
    ['his server is there again, or another one', silent, (at) => void (at.servers.up = true), 2],
    [
      'his server is there, he is silent (a 100 came)',
      { ...silent, provisional: true },
      (at) => void (at.servers.up = true),
      1,
    ],
    [
      'a broken connection is no silence',
      { kind: 'failed', cause: 'transport', detail: 'ECONNRESET' },
      () => undefined,
      2,
    ],
  ])('%s', async (_case, reply, then, count) => expect(await tried(reply, then)).toBe(count))

  test('others of the domain are tried, and who writes is there', async () => {
    const at = world()
    at.servers.up = false
    at.sip.answer = () => silent
    await at.deliver(hello, 'first')
    await at.deliver(hello.replace('juliet', 'nurse'), 'nurse')
    expect(at.sip.sent).toHaveLength(2)
    at.release('juliet@capulet.example')
    await at.deliver(hello, 'second')
    expect(at.sip.sent).toHaveLength(3)
  })

  test('typing is not told to him either', async () => {
    const at = world()
    at.servers.up = false
    at.heardFrom('juliet@capulet.example', 'romeo@montague.example')
    at.sip.answer = () => silent
    const typing = message(`<composing xmlns='http://jabber.org/protocol/chatstates'/>`, "type='chat' id='t'")
    await at.deliver(hello, 'first')
    await at.deliver(typing, 'typing')
    expect(at.sip.sent).toHaveLength(1)
    at.servers.up = true
    await at.deliver(typing, 'typing again')
    expect(at.sip.sent).toHaveLength(2)
  })
})

test('D.14: what Lync says of an error stands in the log', () => {
  const reply = respondTo(sipMessage({}), 404, [['ms-diagnostics', '1003;reason="User does not exist"']])
  expect(failureOf(reply).detail).toBe('SIP 404, ms-diagnostics 1003;reason="User does not exist"')
})
