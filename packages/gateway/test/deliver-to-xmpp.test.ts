import { silentLog } from '@stox/kernel'
import type { Outcome } from '@stox/kernel'
import type { FederationModel } from '@stox/federation'
import { localDomainSchema } from '@stox/federation'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { formatJid } from '@stox/xmpp'
import { Conversations, pairKey } from '../src/conversations.ts'
import { deliverToXmpp } from '../src/deliver-to-xmpp.ts'
import {
  besidesOf,
  bounceWith,
  hashes,
  incomingOf,
  indexFor,
  messageOf,
  metrics,
  newStage,
  settle,
  sipMessage,
} from './stage.ts'
import type { Stage } from './stage.ts'

interface World extends Stage {
  readonly conversations: Conversations
  shown: string | undefined
  deliver(request: SipRequest): Promise<SipResponse>
}
function world(more: Partial<FederationModel> = {}): World {
  const stage = newStage()
  const index = indexFor('federated', more)
  const conversations = new Conversations({ clock: stage.time, ids: stage.ids, hashes })
  const at: World = {
    ...stage,
    conversations,
    shown: undefined,
    deliver: async (request) => {
      const { incoming, responses } = incomingOf(request)
      await deliverToXmpp(deps, incoming)
      expect(responses).toHaveLength(1)
      const [response] = responses
      if (response === undefined) throw new Error('no response')
      return response
    },
  }
  const deps = {
    ...besidesOf(stage, conversations),
    clock: stage.time,
    ids: stage.ids,
    hashes,
    log: silentLog,
    metrics,
    journal: stage.store.journal,
    index: () => index,
    link: stage.link,
    giveUpMs: 12_000,
    conversations,
    shownResource: () => at.shown,
  }
  return at
}

describe('a MESSAGE from SIP to XMPP', () => {
  test('is a stanza for an edge, and 202 once it is on a stream [7572-5.4]', async () => {
    const at = world()
    const response = await at.deliver(sipMessage({ body: 'a\r\n<&🎈', headers: [['Subject', 'Balcony']] }))
    expect(response.status).toBe(202)
    expect(response.headers.has('Contact')).toBe(false)
    expect(response.core.to.params.get('tag')).toBeDefined()
    const [envelope] = at.link.sent
    expect(envelope).toMatchObject({
      localDomain: 'capulet.example',
      remoteDomain: 'montague.example',
      from: 'juliet@capulet.example',
      to: 'romeo@montague.example',
      expiresInMs: 12_000,
    })
    const stanza = messageOf(envelope?.stanzaXml ?? '')
    expect(formatJid(stanza.from)).toBe('juliet@capulet.example')
    expect(formatJid(stanza.to)).toBe('romeo@montague.example')
    expect(stanza).toMatchObject({
      type: 'normal',
      subject: 'Balcony',
      thread: 'call-1',
      bodies: [{ text: 'a\n<&🎈' }],
    })
    expect((await at.store.journal.find({ limit: 1 })).items).toMatchObject([
      { direction: 'sip-to-xmpp', outcome: 'delivered', status: 202, callId: 'call-1', stanzaId: stanza.id },
    ])
  })

  test('some servers want 200', async () => {
    const domain = localDomainSchema.parse({
      domain: 'capulet.example',
      route: 'sip:127.0.0.1:5060',
      acceptedStatus: 200,
    })
    expect((await world({ localDomains: [domain] }).deliver(sipMessage({}))).status).toBe(200)
  })

  test('design §4: the final response waits for the outcome', async () => {
    const at = world()
    let give: (outcome: Outcome) => void = () => undefined
    at.link.outcome = () => new Promise((resolve) => (give = resolve))
    let status: number | undefined
    const end = at.deliver(sipMessage({})).then((response) => (status = response.status))
    await settle()
    expect(status).toBeUndefined()
    give({ kind: 'delivered', status: 0 })
    await end
    expect(status).toBe(202)
  })

  test.each([
    ['no such domain', { condition: 'remote-server-not-found', status: 404 }, 404],
    ['not reachable', { condition: 'remote-server-timeout', status: 504 }, 504],
    ['never 408', { condition: 'remote-server-timeout', status: 408 }, 504],
    ['too large', { condition: 'policy-violation', status: 513 }, 513],
  ] as const)('%s', async (_case, failure, status) => {
    const at = world()
    at.link.outcome = bounceWith({ ...failure, text: 'told in words' })
    const response = await at.deliver(sipMessage({}))
    expect(response.status).toBe(status)
    expect(response.headers.get('Warning')).toContain('told in words')
    expect((await at.store.journal.find({ limit: 1 })).items).toMatchObject([{ outcome: 'bounced' }])
  })

  test('a link that breaks down is no silence', async () => {
    const at = world()
    at.link.outcome = () => {
      throw new Error('bug')
    }
    expect((await at.deliver(sipMessage({}))).status).toBe(500)
  })

  test.each([
    ['C.3 a sender that is not ours', { from: '<sip:x@elsewhere.example>' }, 403],
    ['C.3 a sender without a user', { from: '<sip:capulet.example>' }, 403],
    ['a domain that is no partner', { uri: 'sip:x@stranger.example' }, 403],
    ['a domain of our own [7247-5.1]', { uri: 'sip:x@capulet.example' }, 403],
    ['A.6 sips [7247-8.2]', { uri: 'sips:romeo@montague.example' }, 480],
    ['A.2 an address that cannot be', { uri: 'sip:%00@montague.example' }, 400],
    ['C.5 a picture', { contentType: 'image/png', body: 'x' }, 415],
    ['C.5 not UTF-8', { body: new Uint8Array([0xff]) }, 400],
    ['C.6 too large', { body: 'x'.repeat(16_385) }, 513],
    ['G.8 the last hop [7247-8.3]', { maxForwards: 1 }, 483],
  ])('%s', async (_case, some, status) => {
    const at = world()
    expect((await at.deliver(sipMessage(some))).status).toBe(status)
    expect(at.link.sent).toHaveLength(0)
  })

  test('C.5: 415 says what is taken', async () =>
    expect((await world().deliver(sipMessage({ contentType: 'image/png' }))).headers.get('Accept')).toContain(
      'text/plain, text/html, message/cpim',
    ))

  test('nothing to say is accepted, and not passed on', async () => {
    const at = world()
    expect((await at.deliver(sipMessage({ body: ' ' }))).status).toBe(202)
    expect(at.link.sent).toHaveLength(0)
    expect((await at.store.journal.find({ limit: 1 })).items).toMatchObject([
      { outcome: 'absorbed', detail: 'no-content' },
    ])
  })

  test('C.3, RFC 3428 §7: what is too old is dropped with 200, and said', async () => {
    const at = world()
    const headers: SipHeaderEntry[] = [
      ['Date', 'Wed, 31 Dec 2025 23:00:00 GMT'],
      ['Expires', '60'],
    ]
    expect((await at.deliver(sipMessage({ headers }))).status).toBe(200)
    expect(at.link.sent).toHaveLength(0)
    expect((await at.store.journal.find({ limit: 1 })).items).toMatchObject([
      { outcome: 'absorbed', detail: 'expired' },
    ])
  })

  test('C.3: a copy that came another way gets the same answer and makes no second stanza [7572-5t.cseq]', async () => {
    const at = world()
    at.link.outcome = bounceWith({ status: 504 })
    expect((await at.deliver(sipMessage({}))).status).toBe(504)
    expect((await at.deliver(sipMessage({}))).status).toBe(504)
    expect(at.link.sent).toHaveLength(1)
    expect((await at.store.journal.find({ limit: 1 })).items).toMatchObject([
      { outcome: 'absorbed', detail: 'duplicate' },
    ])
    await at.deliver(sipMessage({ cseq: 2 }))
    at.time.advance(38_000)
    await at.deliver(sipMessage({}))
    expect(at.link.sent).toHaveLength(3)
  })

  test('C.4: chat is answered by chat', async () => {
    const at = world()
    const chat = messageOf(
      "<message xmlns='jabber:server' type='chat' from='romeo@montague.example/orchard' to='juliet@capulet.example'><body>x</body></message>",
    )
    at.conversations.noteFromXmpp(pairKey(chat.from, chat.to), chat, false)
    await at.deliver(sipMessage({}))
    expect(messageOf(at.link.sent[0]?.stanzaXml ?? '').type).toBe('chat')
  })

  test('C.13: full addresses where they are known', async () => {
    const at = world()
    at.shown = 'desk'
    const chat = messageOf(
      "<message xmlns='jabber:server' from='romeo@montague.example/orchard' to='juliet@capulet.example'><body>x</body></message>",
    )
    at.conversations.noteFromXmpp(pairKey(chat.from, chat.to), chat, false)
    await at.deliver(sipMessage({ uri: 'sip:romeo@montague.example;gr=orchard' }))
    const fresh = messageOf(at.link.sent[0]?.stanzaXml ?? '')
    expect([formatJid(fresh.from), formatJid(fresh.to)]).toEqual([
      'juliet@capulet.example/desk',
      'romeo@montague.example/orchard',
    ])
    at.time.advance(601_000)
    await at.deliver(sipMessage({ uri: 'sip:romeo@montague.example;gr=orchard', cseq: 2 }))
    expect(formatJid(messageOf(at.link.sent[1]?.stanzaXml ?? '').to)).toBe('romeo@montague.example')
  })

  test('C.2: a Call-ID that stands for a thread becomes that thread again', async () => {
    const at = world()
    const chat = messageOf(
      "<message xmlns='jabber:server' from='romeo@montague.example' to='juliet@capulet.example'><body>x</body><thread>two words</thread></message>",
    )
    const { callId } = at.conversations.callFor(chat.from, chat.to, chat.thread, 'c')
    await at.deliver(sipMessage({ callId }))
    expect(messageOf(at.link.sent[0]?.stanzaXml ?? '').thread).toBe('two words')
  })
})
