import { fail, ok } from '@stox/kernel'
import { nameAddr, newSipRequest, newSipResponse, newSipUri } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'
import { acceptSession, advanceSession, openSession, sessionKey } from '../src/session.ts'
import type { SessionContext, SessionEffect, SessionInput, SessionState, SessionStep } from '../src/session.ts'
import { fromRomeo } from './sip-values.ts'

const SDP = 'v=0\r\n'
const answer = {
  headers: [['Contact', '<sip:juliet@192.0.2.1:5098>'] as const],
  contentType: 'application/sdp',
  body: SDP,
}
const context: SessionContext = {
  idleMs: 600_000,
  answerTo: (invite) =>
    invite.body.length === 0 ? ok(answer) : fail({ status: 488, headers: [['Warning', '304 stox "no"'] as const] }),
}
const CONTACT: SipHeaderEntry = ['Contact', '<sip:romeo@192.0.2.9:5060;transport=tls>']
const ROUTES: readonly SipHeaderEntry[] = [
  ['Record-Route', '<sip:p2.example;lr;ms-route-sig=aB>'],
  ['Record-Route', '<sip:p1.example;lr>'],
]

const invite = newSipRequest({
  method: 'INVITE',
  uri: 'sip:romeo@montague.example',
  from: nameAddr(newSipUri({ user: 'juliet', host: 'capulet.example' }), undefined, 'j1'),
  to: nameAddr(newSipUri({ user: 'romeo', host: 'montague.example' })),
  callId: 'call-1',
  cseq: 7,
  contentType: 'application/sdp',
  body: SDP,
})
const accepted = (toTag = 'r1', cseq = 7, headers = [CONTACT, ...ROUTES]): SipResponse => {
  const asked = cseq === 7 ? invite : { ...invite, core: { ...invite.core, cseq: { number: cseq, method: 'INVITE' } } }
  return newSipResponse(asked, 200, undefined, { toTag, headers })
}

const after = (state: SessionState, ...inputs: readonly SessionInput[]): SessionStep =>
  inputs.reduce<SessionStep>((step, input) => advanceSession(step.state, input, context), { state, effects: [] })
const opened = (): SessionState => after(openSession(invite).state, { kind: 'accepted', response: accepted() }).state
const taken = (): SessionStep => {
  const step = acceptSession(fromRomeo('INVITE', { headers: [CONTACT, ...ROUTES] }), 'j1', answer, context)
  if (!step.ok) throw new Error(step.failure.detail)
  return step.value
}
const theirs = (
  method: string,
  cseq: number,
  more: { fromTag?: string; body?: string; headers?: SipHeaderEntry[] } = {},
) => fromRomeo(method, { toTag: 'j1', cseq, ...more })
const takenOpen = (): SessionState => after(taken().state, { kind: 'ack', request: theirs('ACK', 1) }).state
const asks = (request: SipRequest): SessionInput => ({ kind: 'request', request })
const replied = (status: number): SessionInput => ({
  kind: 'reply',
  reply: { kind: 'response', response: newSipResponse(invite, status) },
})

/** An effect in a few words. */
const brief = (effect: SessionEffect): string => {
  switch (effect.kind) {
    case 'send-invite':
    case 'send-ack':
    case 'send':
    case 'send-bye':
      return `${effect.request.method} ${effect.request.core.cseq.number}`
    case 'respond':
    case 'accept':
      return `${effect.response.status} to ${effect.response.core.cseq.method} ${effect.response.core.cseq.number}`
    case 'pass':
      return `pass ${effect.request.method}`
    case 'arm-timer':
      return `${effect.timer} in ${effect.afterMs}`
    case 'cancel-timer':
      return `no ${effect.timer}`
    case 'report-open':
      return 'open'
    case 'report-end':
      return `end: ${effect.end.reason} by ${effect.end.by}`
  }
}
const said = (step: SessionStep): readonly string[] => step.effects.map(brief)
const OVER = ['no resend', 'no ack', 'no idle']

describe('ours', () => {
  test('§13.2: INVITE, 200, ACK with its CSeq, by the route set turned round', () => {
    const first = openSession(invite)
    expect(said(first)).toEqual(['INVITE 7'])
    const step = after(first.state, { kind: 'accepted', response: accepted() })
    expect(said(step)).toEqual(['ACK 7', 'idle in 600000', 'open'])
    const [ack] = step.effects
    if (ack?.kind !== 'send-ack') throw new Error('no ACK')
    expect(ack.request.uri).toBe('sip:romeo@192.0.2.9:5060;transport=tls')
    expect(ack.request.headers.all('Route')).toEqual(['<sip:p1.example;lr>', '<sip:p2.example;lr;ms-route-sig=aB>'])
    expect(ack.nextHop).toBe('sip:p1.example;lr')
    expect(sessionKey(step.state)).toBe(sessionKey(first.state))
  })

  test('sent again with a password: the ACK has the CSeq of the answer, the next request our own count', () => {
    const step = after(openSession(invite).state, { kind: 'accepted', response: accepted('r1', 8) })
    expect(said(step)[0]).toBe('ACK 8')
    expect(said(after(step.state, { kind: 'say', method: 'MESSAGE', content: {} }))).toContain('MESSAGE 8')
  })

  test.each<[string, SessionState, SessionInput, readonly string[], SessionState['name']]>([
    ['refused', openSession(invite).state, { kind: 'refused' }, [...OVER, 'end: refused by peer'], 'ended'],
    ['§13.2.2.4: the 2xx again', opened(), { kind: 'accepted', response: accepted() }, ['ACK 7'], 'open'],
    [
      '§13.2.2.4: another fork is acknowledged and ended',
      opened(),
      { kind: 'accepted', response: accepted('r2') },
      ['ACK 7', 'BYE 8'],
      'open',
    ],
    [
      'the 2xx again when all is over: the peer’s 481 to the BYE is the end of it',
      after(opened(), { kind: 'end', reason: 'gone' }).state,
      { kind: 'accepted', response: accepted() },
      ['ACK 7', 'BYE 8'],
      'ended',
    ],
    [
      'wanted no more before it was accepted',
      after(openSession(invite).state, { kind: 'end', reason: 'gone' }).state,
      { kind: 'accepted', response: accepted() },
      ['ACK 7', 'BYE 8', ...OVER, 'end: gone by us'],
      'ended',
    ],
    [
      'words',
      opened(),
      { kind: 'say', method: 'MESSAGE', content: { body: 'hello', contentType: 'text/plain' } },
      ['idle in 600000', 'MESSAGE 8'],
      'open',
    ],
    ['§15.1.1: BYE', opened(), { kind: 'end', reason: 'gone' }, ['BYE 8', ...OVER, 'end: gone by us'], 'ended'],
    ['idle', opened(), { kind: 'timer', timer: 'idle' }, ['BYE 8', ...OVER, 'end: idle by us'], 'ended'],
    ['a reply that says nothing of the dialog', opened(), replied(415), [], 'open'],
    ['§12.2.1.2: 481', opened(), replied(481), [...OVER, 'end: lost by peer'], 'ended'],
    ['§15.1.2: 487, it ended meanwhile', opened(), replied(487), [...OVER, 'end: lost by peer'], 'ended'],
    ['RFC 5057 §5.1: 404', opened(), replied(404), ['BYE 8', ...OVER, 'end: lost by us'], 'ended'],
    [
      '§12.2.1.2: silence',
      opened(),
      { kind: 'reply', reply: { kind: 'failed', cause: 'timeout', detail: '' } },
      ['BYE 8', ...OVER, 'end: lost by us'],
      'ended',
    ],
    [
      'nothing could be sent',
      opened(),
      { kind: 'reply', reply: { kind: 'failed', cause: 'transport', detail: '' } },
      ['BYE 8', ...OVER, 'end: lost by us'],
      'ended',
    ],
    [
      'we are too busy',
      opened(),
      { kind: 'reply', reply: { kind: 'failed', cause: 'overload', detail: '' } },
      [],
      'open',
    ],
    [
      'words when it is over',
      after(opened(), replied(481)).state,
      { kind: 'say', method: 'MESSAGE', content: {} },
      [],
      'ended',
    ],
  ])('%s', (_row, state, input, effects, name) => {
    const step = after(state, input)
    expect(said(step)).toEqual(effects)
    expect(step.state.name).toBe(name)
  })

  test('§12.2.1.1: CSeq grows by one', () => {
    const one = after(opened(), { kind: 'say', method: 'MESSAGE', content: {} })
    const two = after(one.state, { kind: 'say', method: 'INFO', content: {} })
    const end = after(two.state, { kind: 'end', reason: 'idle' })
    expect([said(one)[1], said(two)[1], said(end)[0]]).toEqual(['MESSAGE 8', 'INFO 9', 'BYE 10'])
  })
})

describe('theirs', () => {
  test('§13.3.1.4: 200 with our answer, Record-Route as it came', () => {
    const step = taken()
    expect(said(step)).toEqual(['resend in 500', 'ack in 32000', 'idle in 600000', '200 to INVITE 1'])
    const [last] = step.effects.slice(-1)
    if (last?.kind !== 'accept') throw new Error('no answer')
    expect(last.response.headers.all('Record-Route')).toEqual(ROUTES.map(([, value]) => value))
    expect(last.response.headers.get('Contact')).toBe('<sip:juliet@192.0.2.1:5098>')
    expect(last.response.core.to.params.get('tag')).toBe('j1')
  })

  test('§12.1.1: without a Contact there is no dialog', () => {
    expect(acceptSession(fromRomeo('INVITE'), 'j1', answer, context)).toMatchObject({
      ok: false,
      failure: { status: 400 },
    })
  })

  const resent = (times: number): SessionState =>
    after(taken().state, ...Array.from({ length: times }, (): SessionInput => ({ kind: 'timer', timer: 'resend' })))
      .state

  test.each<[string, SessionState, SessionInput, readonly string[], SessionState['name']]>([
    [
      '§13.3.1.4: 2xx again, doubled',
      resent(0),
      { kind: 'timer', timer: 'resend' },
      ['resend in 1000', '200 to INVITE 1'],
      'answered',
    ],
    [
      '§13.3.1.4: up to T2',
      resent(5),
      { kind: 'timer', timer: 'resend' },
      ['resend in 4000', '200 to INVITE 1'],
      'answered',
    ],
    [
      '§13.3.1.4: no ACK in 64·T1: BYE',
      resent(9),
      { kind: 'timer', timer: 'ack' },
      ['BYE 1', ...OVER, 'end: unacknowledged by us'],
      'ended',
    ],
    ['ACK', taken().state, { kind: 'ack', request: theirs('ACK', 1) }, ['no resend', 'no ack', 'open'], 'open'],
    ['ACK of something else', taken().state, { kind: 'ack', request: theirs('ACK', 2) }, [], 'answered'],
    [
      'ACK of somebody else',
      taken().state,
      { kind: 'ack', request: theirs('ACK', 1, { fromTag: 'x' }) },
      [],
      'answered',
    ],
    ['ACK again', takenOpen(), { kind: 'ack', request: theirs('ACK', 1) }, [], 'open'],
    [
      'words before the ACK: it was lost',
      taken().state,
      asks(theirs('MESSAGE', 2)),
      ['idle in 600000', 'pass MESSAGE'],
      'answered',
    ],
    ['words', takenOpen(), asks(theirs('MESSAGE', 2)), ['idle in 600000', 'pass MESSAGE'], 'open'],
    ['INFO', takenOpen(), asks(theirs('INFO', 2)), ['idle in 600000', 'pass INFO'], 'open'],
    [
      '§12.2.2: older than what was taken',
      after(takenOpen(), asks(theirs('MESSAGE', 5))).state,
      asks(theirs('MESSAGE', 4)),
      ['500 to MESSAGE 4'],
      'open',
    ],
    ['§12.2.2: another tag', takenOpen(), asks(theirs('MESSAGE', 2, { fromTag: 'x' })), ['481 to MESSAGE 2'], 'open'],
    ['what we know nothing of', takenOpen(), asks(theirs('UPDATE', 2)), ['405 to UPDATE 2'], 'open'],
    ['§15.1.2: BYE', takenOpen(), asks(theirs('BYE', 2)), ['200 to BYE 2', ...OVER, 'end: bye by peer'], 'ended'],
    [
      '§15.1.2: BYE before the ACK',
      taken().state,
      asks(theirs('BYE', 2)),
      ['200 to BYE 2', ...OVER, 'end: bye by peer'],
      'ended',
    ],
    [
      'after the end',
      after(takenOpen(), asks(theirs('BYE', 2))).state,
      asks(theirs('MESSAGE', 3)),
      ['481 to MESSAGE 3'],
      'ended',
    ],
    [
      '§14.2: INVITE again',
      takenOpen(),
      asks(theirs('INVITE', 2, { headers: [CONTACT] })),
      ['resend in 500', 'ack in 32000', 'idle in 600000', '200 to INVITE 2'],
      'answered',
    ],
    [
      '§14.2: with what we cannot do',
      takenOpen(),
      asks(theirs('INVITE', 2, { body: 'v=0' })),
      ['488 to INVITE 2'],
      'open',
    ],
    ['§14.2: before the ACK of the first', taken().state, asks(theirs('INVITE', 2)), ['491 to INVITE 2'], 'answered'],
    [
      '§14.2: while ours is under way',
      openSession(invite).state,
      asks(theirs('INVITE', 2)),
      ['491 to INVITE 2'],
      'inviting',
    ],
    ['§15: no BYE before the ACK', taken().state, { kind: 'end', reason: 'gone' }, [], 'answered'],
    [
      '§15: but then',
      after(taken().state, { kind: 'end', reason: 'gone' }).state,
      { kind: 'ack', request: theirs('ACK', 1) },
      ['no resend', 'no ack', 'BYE 1', ...OVER, 'end: gone by us'],
      'ended',
    ],
  ])('%s', (_row, state, input, effects, name) => {
    const step = after(state, input)
    expect(said(step)).toEqual(effects)
    expect(step.state.name).toBe(name)
  })

  test('§12.2.2: INVITE moves the target, MESSAGE does not', () => {
    const elsewhere: SipHeaderEntry = ['Contact', '<sip:romeo@192.0.2.10>']
    const targetOf = (state: SessionState): string => {
      const { effects } = after(state, { kind: 'say', method: 'MESSAGE', content: {} })
      const sent = effects.find((effect) => effect.kind === 'send')
      return sent?.kind === 'send' ? sent.request.uri : ''
    }
    const told = after(takenOpen(), asks(theirs('MESSAGE', 2, { headers: [elsewhere] }))).state
    const moved = after(takenOpen(), asks(theirs('INVITE', 2, { headers: [elsewhere] }))).state
    expect([targetOf(told), targetOf(moved)]).toEqual([
      'sip:romeo@192.0.2.9:5060;transport=tls',
      'sip:romeo@192.0.2.10',
    ])
  })

  test('a change is acknowledged without being told as a new session', () => {
    const changed = after(takenOpen(), asks(theirs('INVITE', 2, { headers: [CONTACT] }))).state
    expect(said(after(changed, { kind: 'ack', request: theirs('ACK', 2) }))).toEqual(['no resend', 'no ack'])
  })
})
