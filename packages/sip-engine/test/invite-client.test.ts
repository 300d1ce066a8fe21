import { advanceInviteClient, startInviteClient } from '../src/invite-client.ts'
import type { InviteClientInput, InviteClientState, InviteClientTimer } from '../src/invite-client.ts'

type Carrier = 'datagram' | 'stream'
const calling = (resendAfterMs = 500, unwanted = false, carrier: Carrier = 'datagram'): InviteClientState => ({
  name: 'calling',
  carrier,
  resendAfterMs,
  unwanted,
})
const proceeding = (cancelled = false, carrier: Carrier = 'datagram'): InviteClientState => ({
  name: 'proceeding',
  carrier,
  cancelled,
})
const completed: InviteClientState = { name: 'completed' }
const accepted: InviteClientState = { name: 'accepted' }
const terminated: InviteClientState = { name: 'terminated' }
const timer = (name: InviteClientTimer): InviteClientInput => ({ kind: 'timer', timer: name })
const response = (status: number): InviteClientInput => ({ kind: 'response', status })
const armed = (name: string, afterMs: number): object => ({ kind: 'arm-timer', timer: name, afterMs })
const stopped = (name: string): object => ({ kind: 'cancel-timer', timer: name })
const send = { kind: 'send-request' }
const ack = { kind: 'send-ack' }
const cancel = { kind: 'send-cancel' }
const final = { kind: 'report-final' }
const provisional = { kind: 'report-provisional' }
const failed = (cause: string): object => ({ kind: 'report-failure', cause })
const noMore = [stopped('A'), stopped('B'), stopped('patience')]

describe('RFC 3261 figure 5, as RFC 6026 changes it', () => {
  test('§17.1.1.2: A only where messages get lost, B everywhere', () => {
    expect(startInviteClient('datagram', 20_000)).toEqual({
      state: calling(),
      effects: [armed('B', 32_000), armed('patience', 20_000), armed('A', 500), send],
    })
    expect(startInviteClient('stream', 20_000).effects).toEqual([armed('B', 32_000), armed('patience', 20_000), send])
  })

  test.each<[string, InviteClientState, InviteClientInput, InviteClientState, object[]]>([
    ['A: resend, double', calling(), timer('A'), calling(1000), [armed('A', 1000), send]],
    ['A: no T2, it doubles on', calling(8000), timer('A'), calling(16_000), [armed('A', 16_000), send]],
    ['B', calling(), timer('B'), terminated, [stopped('A'), stopped('patience'), failed('timeout')]],
    ['1xx: no more of A and B', calling(), response(100), proceeding(), [stopped('A'), stopped('B'), provisional]],
    ['1xx again', proceeding(), response(180), proceeding(), [provisional]],
    ['4xx: ACK, and D for copies', calling(), response(486), completed, [...noMore, armed('D', 32_000), ack, final]],
    ['4xx on a stream: D is zero', calling(500, false, 'stream'), response(486), terminated, [...noMore, ack, final]],
    ['6xx after 1xx', proceeding(), response(603), completed, [stopped('patience'), armed('D', 32_000), ack, final]],
    ['the refusal again: ACK again', completed, response(486), completed, [ack]],
    ['§17.1.1.2: a 2xx after a refusal is nobody’s', completed, response(200), completed, []],
    ['D', completed, timer('D'), terminated, []],
    ['RFC 6026 §8.4: 2xx, then M', calling(), response(200), accepted, [...noMore, armed('M', 32_000), final]],
    ['RFC 6026 §8.4: 2xx again', accepted, response(200), accepted, [{ kind: 'report-accepted' }]],
    ['RFC 6026 §8.4: 1xx and refusals after a 2xx', accepted, response(486), accepted, []],
    ['RFC 6026 §8.4: M', accepted, timer('M'), terminated, []],
    [
      '§17.1.4: could not be sent',
      calling(),
      { kind: 'transport-error' },
      terminated,
      [...noMore, failed('transport')],
    ],
    ['an ACK that could not be sent', completed, { kind: 'transport-error' }, completed, []],
    ['§9.1: no CANCEL before a 1xx', calling(), timer('patience'), calling(500, true), []],
    [
      '§9.1: CANCEL with the 1xx',
      calling(500, true),
      response(180),
      proceeding(true),
      [stopped('A'), stopped('B'), provisional, armed('patience', 32_000), cancel],
    ],
    ['§9.1: CANCEL', proceeding(), timer('patience'), proceeding(true), [armed('patience', 32_000), cancel]],
    ['§9.1: 64·T1 after the CANCEL', proceeding(true), timer('patience'), terminated, [failed('timeout')]],
    ['487', proceeding(true), response(487), completed, [stopped('patience'), armed('D', 32_000), ack, final]],
    [
      '2xx crosses the CANCEL',
      proceeding(true),
      response(200),
      accepted,
      [stopped('patience'), armed('M', 32_000), final],
    ],
    ['terminated stays', terminated, response(200), terminated, []],
  ])('%s', (_row, state, input, next, effects) => {
    expect(advanceInviteClient(state, input)).toEqual({ state: next, effects })
  })
})
