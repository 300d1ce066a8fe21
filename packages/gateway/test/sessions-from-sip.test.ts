import { lossyUtf8Text } from '@stox/kernel'
import type { Outcome } from '@stox/kernel'
import type { SipHeaderEntry } from '@stox/sip'
import { bounceWith, settle } from './stage.ts'
import {
  SDP,
  ROUTE,
  world,
  takes,
  body,
  said,
  inviteOf,
  dialog,
  inDialog,
  opened,
  statusesOf,
  wordsOf,
  byeOf,
} from './session-world.ts'

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
    dialog.tag = responses[0]?.core.to.params.get('tag') ?? ''
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
    dialog.tag = 'forgotten'
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
