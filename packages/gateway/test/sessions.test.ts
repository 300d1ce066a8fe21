import { lossyUtf8Text, silentLog } from '@stox/kernel'
import type { Log, Outcome } from '@stox/kernel'
import { localDomainSchema } from '@stox/federation'
import { newSipRequest, newSipResponse } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import type { SipReply } from '@stox/transport'
import { chooseRoute } from '../src/choose-route.ts'
import { Conversations } from '../src/conversations.ts'
import { deliverToSip } from '../src/deliver-to-sip.ts'
import { PairQueues } from '../src/pair-queues.ts'
import { sessionRows, sessionsOf } from '../src/session-wiring.ts'
import { takeRequest } from '../src/take-request.ts'
import { busyForSessionS, takeInvite } from '../src/take-session.ts'
import { takeStanza } from '../src/take-stanza.ts'
import {
  addr,
  besidesOf,
  bounceWith,
  envelopeFor,
  hashes,
  incomingOf,
  indexFor,
  metrics,
  newStage,
  respondTo,
  settle,
} from './stage.ts'

const STATES = "xmlns='http://jabber.org/protocol/chatstates'"
const SDP = [
  'v=0',
  'o=- 0 0 IN IP4 127.0.0.1',
  's=session',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=message 5060 sip null',
  'a=accept-types:text/plain',
  '',
].join('\r\n')
const CONTACT: SipHeaderEntry = ['Contact', '<sip:juliet@127.0.0.1:5070>']
const ROUTE: SipHeaderEntry = ['Record-Route', '<sip:127.0.0.1:5060;lr;ms-route-sig=x>']

/** The SIP users of capulet.example write in sessions. */
function world(more: { readonly most?: number; readonly mostPerDomain?: number; readonly profile?: string } = {}) {
  const stage = newStage()
  const { time, ids, link } = stage
  const conversations = new Conversations({ clock: time, ids, hashes })
  const local = { domain: 'capulet.example', route: 'sip:127.0.0.1:5060;transport=udp', messages: { mode: 'session' } }
  const rules =
    more.profile === undefined ? { ...local, acceptedStatus: 200 } : { ...local, messages: {}, profile: more.profile }
  const index = indexFor('federated', { localDomains: [localDomainSchema.parse(rules)] })
  const acks: SipRequest[] = []
  /** Tells of one more 2xx to an INVITE of ours. */
  const again: ((response: SipResponse) => void)[] = []
  const logged: string[] = []
  const log: Log = {
    ...silentLog,
    info: (event, fields) => void logged.push([event, fields?.['by'], fields?.['reason']].filter(Boolean).join(' ')),
  }
  const common = {
    ...besidesOf(stage, conversations),
    ...{ clock: time, ids, log: silentLog, metrics, conversations, link, giveUpMs: 12_000 },
    journal: stage.store.journal,
    index: () => index,
  }
  const room = sessionsOf({
    ...{ clock: time, timers: time, ids, log, idleMs: 600_000, patienceMs: 20_000, mostNew: 3 },
    sipAddress: () => ({ host: '127.0.0.1', port: 5098 }),
    sip: {
      send: (request, towards, options) => {
        if (options?.accepted !== undefined) again.push(options.accepted)
        return stage.sip.send(request, towards)
      },
      acknowledge: async (ack) => void acks.push(ack),
    },
    limits: { most: more.most ?? 100, mostPerDomain: more.mostPerDomain ?? 100 },
    index: () => index,
    route: (domain) => chooseRoute(index, domain, 'raw', () => undefined),
    toXmpp: { ...common, hashes, shownResource: () => undefined },
    counted: (work) => work,
  })
  const { sessions } = room
  const toSip = {
    ...common,
    ...{
      gruu: 'raw' as const,
      sip: stage.sip,
      sessions,
      sipAddress: () => undefined,
      queues: new PairQueues<Outcome>(),
    },
    sipAddress: () => ({ host: '127.0.0.1', port: 5098 }),
    hasServer: () => true,
    isAuthorizedBy: () => false,
  }
  // A front end that takes everything.
  stage.sip.answer = (request) => takes(request)
  return {
    ...stage,
    ...{ room, sessions, acks, again, logged },
    deliver: (content: string, attributes = "type='chat'", to = 'juliet@capulet.example'): Promise<Outcome> =>
      takeStanza(
        {
          message: (envelope, message) => deliverToSip(toSip, envelope, message),
          presence: () => Promise.reject(new Error('no presence')),
          iq: () => Promise.reject(new Error('no iq')),
        },
        envelopeFor(
          `<message xmlns='jabber:server' from='romeo@montague.example/orchard' to='${to}' id='m1' ${attributes}>${content}</message>`,
        ),
      ),
    take: (request: SipRequest, isCancelled?: () => boolean): SipResponse[] => {
      const { incoming, responses } = incomingOf(request)
      takeRequest(
        {
          ids,
          index: () => index,
          message: () => responses.push(newSipResponse(request, 599)),
          subscribe: () => undefined,
          notify: () => undefined,
          takesSessions: (one) => sessions.takes(one),
          invite: (one) => void takeInvite(room, one),
          inSession: (one) => sessions.takeInDialog(one),
        },
        isCancelled === undefined ? incoming : { ...incoming, isCancelled },
      )
      return responses
    },
    /** What has been asked of the SIP side, and how often acknowledged. */
    asked: (): readonly string[] => [
      ...stage.sip.take().map(({ method, core, body }) => {
        const text = method === 'MESSAGE' ? ` ${lossyUtf8Text(body)}` : ''
        return `${method} ${core.cseq.number}${core.to.params.has('tag') ? ' in' : ''}${text}`
      }),
    ],
  }
}
type World = ReturnType<typeof world>

const takes = (request: SipRequest, status = 200, body = SDP): SipReply =>
  request.method === 'INVITE' && status === 200
    ? {
        kind: 'response',
        response: newSipResponse(request, 200, undefined, {
          toTag: 'peer',
          headers: [CONTACT, ROUTE],
          contentType: 'application/sdp',
          body,
        }),
      }
    : respondTo(request, status)

const body = (text: string): string => `<body>${text}</body><thread>t1</thread><active ${STATES}/>`
const said = (at: World): readonly string[] => at.link.sent.splice(0).map(({ stanzaXml }) => stanzaXml)

describe('X2S, mapping E.1', () => {
  test('the first words open a session in the call of their thread, the next go in it [7573-4.invite 7573-4.offer 7573-4.ack 7573-4.send]', async () => {
    const at = world()
    expect(await at.deliver(body('one'))).toEqual({ kind: 'delivered', status: 200 })
    expect(await at.deliver(body('two'))).toEqual({ kind: 'delivered', status: 200 })
    const [invite, one, two] = at.sip.sent
    expect([invite?.request.core.callId, invite?.request.uri]).toEqual(['t1', 'sip:juliet@capulet.example'])
    expect(invite?.request.headers.get('Contact')).toBe('<sip:romeo@127.0.0.1:5098;transport=udp>')
    expect([one?.request.uri, one?.towards]).toEqual([
      'sip:juliet@127.0.0.1:5070',
      'sip:127.0.0.1:5060;lr;ms-route-sig=x',
    ])
    expect(two?.request.headers.all('Route')).toEqual(['<sip:127.0.0.1:5060;lr;ms-route-sig=x>'])
    expect(two?.request.headers.get('Content-Type')).toBe('text/plain;charset=UTF-8')
    expect(at.asked()).toEqual(['INVITE 1', 'MESSAGE 2 in one', 'MESSAGE 3 in two'])
    expect(at.acks.map(({ core }) => `${core.cseq.number} ${core.to.params.get('tag')}`)).toEqual(['1 peer'])
    expect(at.logged).toEqual(['session-opened'])
    expect([...sessionRows(at.sessions, at.time)]).toMatchObject([
      { sipUser: 'juliet@capulet.example', xmppUser: 'romeo@montague.example', state: 'open', fromXmpp: 2, fromSip: 0 },
    ])
  })

  test('while nobody has taken the session the words wait, in order', async () => {
    const at = world()
    let take: (reply: SipReply) => void = () => undefined
    at.sip.answer = (request) =>
      request.method === 'INVITE' ? new Promise((resolve) => (take = () => resolve(takes(request)))) : takes(request)
    const all = [at.deliver(body('one')), at.deliver(body('two')), at.deliver(body('three'))]
    await settle()
    expect(at.asked()).toEqual(['INVITE 1'])
    at.sip.answer = takes
    take(undefined as never)
    expect((await Promise.all(all)).map(({ kind }) => kind)).toEqual(['delivered', 'delivered', 'delivered'])
    expect(at.asked()).toEqual(['MESSAGE 2 in one', 'MESSAGE 3 in two', 'MESSAGE 4 in three'])
  })

  test.each([405, 406, 415, 420, 488, 501, 606])(
    'INVITE %d: each message is one of its own, for an hour',
    async (status) => {
      const at = world()
      at.sip.answer = (request) => takes(request, request.method === 'INVITE' ? status : 200)
      await at.deliver(body('one'))
      expect(await at.deliver(body('two'))).toEqual({ kind: 'delivered', status: 200 })
      expect(at.asked()).toEqual(['INVITE 1', 'MESSAGE 1 one', 'MESSAGE 2 two'])
      at.time.advance(3_600_000)
      await at.deliver(body('three'))
      expect(at.asked()).toEqual(['INVITE 3', 'MESSAGE 3 three'])
      expect([at.sessions.size, at.time.armed]).toEqual([0, 0])
    },
  )

  test.each([
    [404, 'item-not-found'],
    [403, 'forbidden'],
    [480, 'recipient-unavailable'],
    [486, 'recipient-unavailable'],
    [487, 'recipient-unavailable'],
    [603, 'recipient-unavailable'],
    [500, 'internal-server-error'],
  ])('INVITE %d is said of him: %s [mapping B.2]', async (status, condition) => {
    const at = world()
    at.sip.answer = (request) => takes(request, status)
    expect(await at.deliver(body('one'))).toMatchObject({ kind: 'bounced', failure: { condition, status } })
    expect(at.asked()).toEqual(['INVITE 1'])
    expect([at.sessions.size, at.time.armed]).toEqual([0, 0])
  })

  test('INVITE without any answer: an error, and none of those behind it waits as long', async () => {
    const at = world()
    at.sip.answer = () => ({ kind: 'failed', cause: 'timeout', detail: 'no response' })
    const outcomes = await Promise.all([at.deliver(body('one')), at.deliver(body('two'))])
    const bounced = { kind: 'bounced', failure: { condition: 'remote-server-timeout' } }
    expect(outcomes).toMatchObject([bounced, bounced])
    expect(at.asked()).toEqual(['INVITE 1'])
  })

  test('nobody takes it until it is cancelled: told to all who wait, and he is left alone for a while', async () => {
    const at = world()
    at.sip.answer = (request) => takes(request, 487)
    const outcomes = await Promise.all([at.deliver(body('one')), at.deliver(body('two'))])
    const bounced = { kind: 'bounced', failure: { condition: 'recipient-unavailable', errorType: 'wait' } }
    expect([...outcomes, await at.deliver(body('three'))]).toMatchObject([bounced, bounced, bounced])
    expect(at.asked()).toEqual(['INVITE 1'])
  })

  test('the profile lync: sessions, an asserted identity and a Contact everywhere, no gr', async () => {
    const at = world({ profile: 'lync' })
    await at.deliver(body('one'))
    const [invite, one] = at.sip.take()
    for (const request of [invite, one]) {
      expect(request?.headers.get('P-Asserted-Identity')).toBe('<sip:romeo@montague.example>')
      expect(request?.headers.get('Contact')).toBe('<sip:romeo@127.0.0.1:5098;transport=udp>')
      expect(request?.headers.get('From')).toMatch(/^<sip:romeo@montague.example>;tag=/)
    }
    expect([invite?.method, one?.method]).toEqual(['INVITE', 'MESSAGE'])
  })

  test('accepted, and no medium is left: BYE, and the message by itself', async () => {
    const at = world()
    at.sip.answer = (request) => takes(request, 200, SDP.replace('message 5060', 'message 0'))
    expect(await at.deliver(body('one'))).toEqual({ kind: 'delivered', status: 200 })
    expect(at.asked()).toEqual(['INVITE 1', 'BYE 2 in', 'MESSAGE 1 one'])
    expect(at.acks).toHaveLength(1)
  })

  test.each<[string, SipReply | number, readonly string[]]>([
    ['481: forgotten', 481, ['MESSAGE 3 in two', 'INVITE 2', 'MESSAGE 3 in two']],
    ['487: ended meanwhile', 487, ['MESSAGE 3 in two', 'INVITE 2', 'MESSAGE 3 in two']],
    [
      'the way is gone',
      { kind: 'failed', cause: 'transport', detail: 'ECONNREFUSED' },
      ['MESSAGE 3 in two', 'BYE 4 in', 'INVITE 2', 'MESSAGE 3 in two'],
    ],
  ])('%s: another session, and once more', async (_row, answer, asked) => {
    const at = world()
    await at.deliver(body('one'))
    at.asked()
    let first = true
    at.sip.answer = (request) => {
      const isFirst = first && request.method === 'MESSAGE'
      if (isFirst) first = false
      return isFirst ? (typeof answer === 'number' ? respondTo(request, answer) : answer) : takes(request)
    }
    expect(await at.deliver(body('two'))).toEqual({ kind: 'delivered', status: 200 })
    expect(at.asked()).toEqual(asked)
    expect(at.sessions.size).toBe(1)
  })

  test('481 again is the end of it', async () => {
    const at = world()
    at.sip.answer = (request) => takes(request, request.method === 'MESSAGE' ? 481 : 200)
    expect(await at.deliver(body('one'))).toMatchObject({ kind: 'bounced', failure: { condition: 'item-not-found' } })
    expect(at.asked()).toEqual(['INVITE 1', 'MESSAGE 2 in one', 'INVITE 1', 'MESSAGE 2 in one'])
  })

  test.each([
    [480, 'recipient-unavailable', 1, []],
    [404, 'item-not-found', 0, ['BYE 3 in']],
    [503, 'internal-server-error', 1, []],
  ] as const)('MESSAGE %d in the session is %s, and %d session is left', async (status, condition, left, then) => {
    const at = world()
    at.sip.answer = (request) => takes(request, request.method === 'MESSAGE' ? status : 200)
    expect(await at.deliver(body('one'))).toMatchObject({ kind: 'bounced', failure: { condition, status } })
    expect([at.sessions.size, at.asked()]).toEqual([left, ['INVITE 1', 'MESSAGE 2 in one', ...then]])
  })

  test('RFC 7573 §6.1: “gone” is BYE, behind the words before it [7573-6.gone 7573-6.gone-bye]', async () => {
    const at = world()
    await Promise.all([at.deliver(body('one')), at.deliver(`<gone ${STATES}/>`)])
    await settle()
    expect(at.asked()).toEqual(['INVITE 1', 'MESSAGE 2 in one', 'BYE 3 in'])
    expect([at.logged, at.sessions.size, at.time.armed]).toEqual([['session-opened', 'session-closed us gone'], 0, 0])
  })

  test('typing is INFO in the session, and opens none', async () => {
    const at = world()
    const typing = (): Promise<Outcome> => at.deliver(`<composing ${STATES}/>`)
    await opened(at)
    await typing()
    const [info] = at.sip.take()
    expect([info?.method, lossyUtf8Text(info?.body ?? new Uint8Array())]).toEqual([
      'INFO',
      expect.stringMatching(/<KeyboardActivity><status status=["']type["']\/><\/KeyboardActivity>/),
    ])
    await byeOf(at, 2)
    at.time.advance(60_000)
    await typing()
    expect(at.asked()).toEqual([])
  })

  test('ten minutes without a word: BYE [7573-6.idle]', async () => {
    const at = world()
    await at.deliver(body('one'))
    at.time.advance(599_999)
    expect(at.sessions.size).toBe(1)
    at.time.advance(1)
    await settle()
    expect([at.asked().at(-1), at.logged.at(-1)]).toEqual(['BYE 3 in', 'session-closed us idle'])
    expect([at.sessions.size, at.time.armed]).toEqual([0, 0])
  })

  test('§13.2.2.4: a 2xx that comes again is acknowledged again, another fork is ended', async () => {
    const at = world()
    await at.deliver(body('one'))
    const [{ request } = { request: inviteOf() }] = at.sip.sent
    at.asked()
    for (const toTag of ['peer', 'fork'])
      at.again[0]?.(newSipResponse(request, 200, undefined, { toTag, headers: [CONTACT] }))
    await settle()
    expect(at.acks.map(({ core }) => core.to.params.get('tag'))).toEqual(['peer', 'peer', 'fork'])
    expect([at.asked(), at.sessions.size]).toEqual([['BYE 2 in'], 1])
  })
})

const inviteOf = (
  more: {
    from?: string
    to?: string
    sdp?: string
    headers?: readonly SipHeaderEntry[]
    callId?: string
    maxForwards?: number
  } = {},
) =>
  newSipRequest({
    method: 'INVITE',
    uri: `sip:${more.to ?? 'romeo@montague.example'}`,
    from: addr(`<sip:${more.from ?? 'juliet@capulet.example'}>`, 'j1'),
    to: addr(`<sip:${more.to ?? 'romeo@montague.example'}>`),
    callId: more.callId ?? 'call-1',
    cseq: 1,
    maxForwards: more.maxForwards ?? 70,
    headers: [CONTACT, ROUTE, ...(more.headers ?? [])],
    contentType: 'application/sdp',
    body: more.sdp ?? SDP,
  })

let tag = ''
const inDialog = (method: string, cseq: number, content?: { type: string; body: string }, callId = 'call-1') =>
  newSipRequest({
    method,
    uri: 'sip:romeo@127.0.0.1:5098',
    from: addr('<sip:juliet@capulet.example>', 'j1'),
    to: addr('<sip:romeo@montague.example>', tag),
    callId,
    cseq,
    headers: [CONTACT],
    ...(content === undefined ? {} : { contentType: content.type, body: content.body }),
  })

/** A session of hers, acknowledged. */
async function opened(at: World, more: Parameters<typeof inviteOf>[0] = {}): Promise<SipResponse> {
  const responses = at.take(inviteOf(more))
  await settle()
  const [response] = responses
  if (response?.status !== 200) throw new Error(`not taken: ${response?.status}`)
  tag = response.core.to.params.get('tag') ?? ''
  at.sessions.acknowledged(inDialog('ACK', 1, undefined, more.callId))
  return response
}
async function statusesOf(at: World, request: SipRequest): Promise<readonly number[]> {
  const responses = at.take(request)
  await settle()
  return responses.map(({ status }) => status)
}
const wordsOf = (at: World, cseq: number, text: string): Promise<readonly number[]> =>
  statusesOf(at, inDialog('MESSAGE', cseq, { type: 'text/plain', body: text }))
const byeOf = (at: World, cseq: number): Promise<readonly number[]> => statusesOf(at, inDialog('BYE', cseq))

describe('S2X, mapping E.1', () => {
  test('INVITE is taken by the gateway, and nobody hears of it [7573-5.invite 7573-5.answer]', async () => {
    const at = world()
    const response = await opened(at)
    expect(response.headers.get('Contact')).toBe('<sip:romeo@127.0.0.1:5098;transport=udp>')
    expect(response.headers.get('Allow')).toContain('INVITE, ACK, CANCEL, BYE, INFO')
    expect(response.headers.all('Record-Route')).toEqual([ROUTE[1]])
    expect(lossyUtf8Text(response.body)).toContain('m=message 5098 sip sip:romeo@montague.example\r\n')
    expect([said(at), at.logged]).toEqual([[], ['session-opened']])
  })

  test('words in it become a chat in the thread of its call, and are answered by their outcome [7573-5.message]', async () => {
    const at = world()
    await opened(at)
    expect(await wordsOf(at, 2, 'hello')).toEqual([200])
    const [xml] = said(at)
    expect(xml).toMatch(
      /from=["']juliet@capulet.example["'] to=["']romeo@montague.example["'] id=["']\w+["'] type=["']chat["']/,
    )
    expect(xml).toContain('<body>hello</body>')
    expect(xml).toContain('<thread>call-1</thread>')
    at.link.outcome = bounceWith({ condition: 'item-not-found', status: 404 })
    expect(await wordsOf(at, 3, 'again')).toEqual([404])
  })

  test('the same request by another way is one message', async () => {
    const at = world()
    await opened(at)
    await wordsOf(at, 2, 'hello')
    expect(await wordsOf(at, 2, 'hello')).toEqual([200])
    expect(said(at)).toHaveLength(1)
  })

  test('her words go in his session [7573-5.reply]', async () => {
    const at = world()
    await opened(at)
    expect(await at.deliver(body('one'))).toEqual({ kind: 'delivered', status: 200 })
    expect(at.asked()).toEqual(['MESSAGE 1 in one'])
  })

  test('while he changes the session her words go in it', async () => {
    const at = world()
    await opened(at)
    expect(
      await statusesOf(at, { ...inviteOf(), ...inDialog('INVITE', 2, { type: 'application/sdp', body: SDP }) }),
    ).toEqual([200])
    await at.deliver(body('one'))
    expect(at.asked()).toEqual(['MESSAGE 1 in one'])
  })

  test('who opens a session can take one, though he has refused one', async () => {
    const at = world()
    at.sip.answer = (request) => takes(request, request.method === 'INVITE' ? 488 : 200)
    await at.deliver(body('one'))
    await opened(at)
    await at.deliver(body('two'))
    expect(at.asked()).toEqual(['INVITE 1', 'MESSAGE 1 one', 'MESSAGE 1 in two'])
  })

  test.each<[string, Parameters<typeof inviteOf>[0], number]>([
    ['a user who is not ours', { from: 'mallory@elsewhere.example' }, 403],
    ['to a domain that is no partner', { to: 'romeo@stranger.example' }, 403],
    ['used up', { maxForwards: 1 }, 483],
    ['voice', { sdp: SDP.replace('m=message 5060 sip null', 'm=audio 4000 RTP/AVP 0') }, 488],
    ['broken', { sdp: 'v=0' }, 400],
  ])('refused: %s', async (_row, more, status) => {
    const at = world()
    expect(await statusesOf(at, inviteOf(more))).toEqual([status])
    expect([at.sessions.size, at.time.armed, at.logged]).toEqual([0, 0, ['session-refused']])
  })

  test('§12.1.1: without a Contact there is no session', async () => {
    const at = world()
    const invite = inviteOf()
    expect(await statusesOf(at, { ...invite, headers: invite.headers.without('Contact') })).toEqual([400])
  })

  const FIRST: SipHeaderEntry = [
    'ms-text-format',
    `text/plain; charset=UTF-8;ms-body=${Buffer.from('hé').toString('base64')}`,
  ]
  test('D.14 item 8: the first words in the INVITE are passed on once, and the 200 says so', async () => {
    const at = world()
    const response = await opened(at, { headers: [FIRST] })
    expect(response.headers.get('Supported')).toBe('ms-text-format')
    expect(said(at)).toEqual([expect.stringContaining('<body>hé</body>')])
  })

  test('what she answers to them before the session is open waits for it', async () => {
    const at = world()
    let pass: (outcome: Outcome) => void = () => undefined
    at.link.outcome = () => new Promise((resolve) => (pass = resolve))
    const responses = at.take(inviteOf({ headers: [FIRST] }))
    await settle()
    const answer = at.deliver(body('one'))
    await settle()
    pass({ kind: 'delivered', status: 200 })
    await settle()
    expect([responses.map(({ status }) => status), at.asked()]).toEqual([[200], []])
    tag = responses[0]?.core.to.params.get('tag') ?? ''
    at.sessions.acknowledged(inDialog('ACK', 1))
    expect(await answer).toEqual({ kind: 'delivered', status: 200 })
    expect(at.asked()).toEqual(['MESSAGE 1 in one'])
  })

  test('without an ACK she begins one herself', async () => {
    const at = world()
    at.take(inviteOf())
    await settle()
    const answer = at.deliver(body('one'))
    await settle()
    expect(at.asked()).toEqual([])
    at.time.advance(32_000)
    expect(await answer).toEqual({ kind: 'delivered', status: 200 })
    expect(at.asked().toSorted()).toEqual(['BYE 1 in', 'INVITE 1', 'MESSAGE 2 in one'])
  })

  test('they cannot be passed on: so the INVITE is refused', async () => {
    const at = world()
    at.link.outcome = bounceWith({ condition: 'item-not-found', status: 404 })
    expect(await statusesOf(at, inviteOf({ headers: [FIRST] }))).toEqual([404])
    expect(at.sessions.size).toBe(0)
  })

  test('§9.2: cancelled meanwhile: no session', async () => {
    const at = world()
    const responses = at.take(inviteOf({ headers: [FIRST] }), () => true)
    await settle()
    expect([responses, at.sessions.size]).toEqual([[], 0])
  })

  test.each<[string, boolean]>([
    ['whose client tells states', true],
    ['who has told none', false],
  ])('BYE is “gone” for one %s [7573-6.gone 7573-6.bye-gone]', async (_who, tells) => {
    const at = world()
    await opened(at)
    await at.deliver(tells ? body('one') : '<body>one</body>')
    expect(await byeOf(at, 2)).toEqual([200])
    expect(said(at).map((xml) => xml.includes('<gone'))).toEqual(tells ? [true] : [])
    expect([at.logged.at(-1), at.sessions.size, at.time.armed]).toEqual(['session-closed peer bye', 0, 0])
    expect(await wordsOf(at, 3, 'too late')).toEqual([481])
  })

  test('of two sessions of the same two the end of one is not the end of the chat', async () => {
    const at = world()
    await at.deliver(body('one'))
    await opened(at)
    await byeOf(at, 2)
    expect([said(at), at.sessions.size]).toEqual([[], 1])
  })

  test('INFO: typing is told to one whose client tells states; anything else is 415', async () => {
    const at = world()
    await opened(at)
    await at.deliver(body('one'))
    const activity = (status: string) => ({
      type: 'application/xml',
      body: `<KeyboardActivity><status status="${status}" /></KeyboardActivity>`,
    })
    expect(await statusesOf(at, inDialog('INFO', 2, activity('type')))).toEqual([200])
    expect(await statusesOf(at, inDialog('INFO', 3, activity('idle')))).toEqual([200])
    expect(said(at).map((xml) => /<(composing|active) /.exec(xml)?.[1])).toEqual(['composing', 'active'])
    expect(await statusesOf(at, inDialog('INFO', 4, { type: 'application/media_control+xml', body: '<x/>' }))).toEqual([
      415,
    ])
    expect(await statusesOf(at, inDialog('INFO', 5))).toEqual([200])
  })

  test.each(['MESSAGE', 'INFO', 'BYE', 'INVITE'])('%s in a session of before a crash: 481', async (method) => {
    const at = world()
    tag = 'forgotten'
    expect(await statusesOf(at, inDialog(method, 2))).toEqual([481])
  })

  test('§13.3.1.4: without an ACK the 200 comes again, and then BYE', async () => {
    const at = world()
    const responses = at.take(inviteOf())
    await settle()
    at.time.advance(32_000)
    await settle()
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]))
    expect(responses).toHaveLength(11)
    expect([at.asked(), at.logged]).toEqual([['BYE 1 in'], ['session-closed us unacknowledged']])
    expect([at.sessions.size, at.time.armed]).toEqual([0, 0])
  })
})

describe('bounds', () => {
  test('both begin at once: each has his session, and a third ends the first', async () => {
    const at = world()
    await at.deliver(body('one'))
    await opened(at, { callId: 'call-a' })
    expect(at.sessions.size).toBe(2)
    await opened(at, { callId: 'call-b' })
    expect([at.sessions.size, at.logged.at(-1)]).toEqual([2, 'session-opened'])
    expect(at.logged).toContain('session-closed us room')
    at.asked()
    await at.deliver(body('two'))
    expect(at.asked()).toEqual(['MESSAGE 1 in two'])
  })

  const many = (at: World, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_none, n) => at.deliver(body('x'), "type='chat'", `u${n}@capulet.example`)),
    )

  test.each([{ most: 3 }, { mostPerDomain: 3 }])('%j: full, until one was silent for a minute', async (limits) => {
    const at = world(limits)
    await many(at, 3)
    expect(await at.deliver(body('one'))).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'resource-constraint' },
    })
    expect(busyForSessionS(at.room, inviteOf())).toBeGreaterThan(0)
    expect(await statusesOf(at, inviteOf())).toEqual([480])
    at.time.advance(60_001)
    expect(busyForSessionS(at.room, inviteOf())).toBeUndefined()
    expect(await at.deliver(body('two'))).toEqual({ kind: 'delivered', status: 200 })
    expect(at.sessions.size).toBe(3)
  })

  test('INVITEs that are not acknowledged shut the door, for what is new alone', async () => {
    const at = world()
    for (const callId of ['a', 'b', 'c']) {
      at.take(inviteOf({ callId, from: `${callId}@capulet.example` }))
      await settle()
    }
    expect(busyForSessionS(at.room, inviteOf())).toBeGreaterThan(0)
    expect(busyForSessionS(at.room, inDialog('INVITE', 2))).toBeUndefined()
    expect(busyForSessionS(at.room, inDialog('BYE', 2))).toBeUndefined()
  })

  test('told to stop: BYE in all of them, and no timer is left', async () => {
    const at = world()
    await many(at, 5)
    at.asked()
    let isDone = false
    const drained = at.sessions.drain(2000).then(() => (isDone = true))
    for (let turns = 0; turns < 200 && !isDone; turns += 1) {
      await settle()
      at.time.advance(20)
    }
    await drained
    expect(at.asked()).toEqual(Array(5).fill('BYE 3 in'))
    expect([at.sessions.size, at.time.armed]).toEqual([0, 0])
  })
})
