import { lossyUtf8Text } from '@stox/kernel'
import type { Outcome } from '@stox/kernel'
import { newSipResponse } from '@stox/sip'
import type { SipReply } from '@stox/transport'
import { sessionRows } from '../src/session-wiring.ts'
import { respondTo, settle } from './stage.ts'
import { STATES, SDP, CONTACT, world, takes, body, inviteOf, opened, byeOf } from './session-world.ts'

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
