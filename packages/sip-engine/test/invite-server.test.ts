import { advanceInviteServer, startInviteServer } from '../src/invite-server.ts'
import type { InviteServerInput, InviteServerState } from '../src/invite-server.ts'

const proceeding = (tried = false, carrier: 'datagram' | 'stream' = 'datagram'): InviteServerState => ({
  name: 'proceeding',
  carrier,
  tried,
})
const completed = (resendAfterMs = 500, carrier: 'datagram' | 'stream' = 'datagram'): InviteServerState => ({
  name: 'completed',
  carrier,
  resendAfterMs,
})
const accepted: InviteServerState = { name: 'accepted' }
const confirmed: InviteServerState = { name: 'confirmed' }
const terminated: InviteServerState = { name: 'terminated' }
const timer = (name: 'trying' | 'abandon' | 'G' | 'H' | 'I' | 'L'): InviteServerInput => ({
  kind: 'timer',
  timer: name,
})
const answer = (status: number): InviteServerInput => ({ kind: 'answer', status })
const armed = (name: string, afterMs: number): object => ({ kind: 'arm-timer', timer: name, afterMs })
const stopped = (name: string): object => ({ kind: 'cancel-timer', timer: name })
const send = { kind: 'send-final' }
const trying = { kind: 'send-trying' }
const answered = [stopped('trying'), stopped('abandon')]

describe('RFC 3261 figure 7, as RFC 6026 changes it', () => {
  test('§17.2.1: 100 after 200 ms', () => {
    expect(startInviteServer('datagram')).toEqual({
      state: proceeding(),
      effects: [armed('trying', 200), armed('abandon', 32_000)],
    })
  })

  test.each<[string, InviteServerState, InviteServerInput, InviteServerState, object[]]>([
    ['INVITE again before the 100: nothing yet', proceeding(), { kind: 'retransmission' }, proceeding(), []],
    ['100', proceeding(), timer('trying'), proceeding(true), [trying]],
    ['INVITE again: 100 again', proceeding(true), { kind: 'retransmission' }, proceeding(true), [trying]],
    ['nobody answers', proceeding(), timer('abandon'), proceeding(), [{ kind: 'report-unanswered' }]],
    ['ACK before anything', proceeding(), { kind: 'ack' }, proceeding(), []],
    [
      '6xx on UDP: G and H',
      proceeding(),
      answer(603),
      completed(),
      [...answered, armed('H', 32_000), armed('G', 500), send],
    ],
    [
      '4xx on a stream: H alone',
      proceeding(true, 'stream'),
      answer(488),
      completed(500, 'stream'),
      [...answered, armed('H', 32_000), send],
    ],
    ['INVITE again: the refusal again', completed(), { kind: 'retransmission' }, completed(), [send]],
    ['G: resend, double', completed(), timer('G'), completed(1000), [armed('G', 1000), send]],
    ['G: up to T2', completed(4000), timer('G'), completed(4000), [armed('G', 4000), send]],
    ['ACK: confirmed for T4', completed(), { kind: 'ack' }, confirmed, [stopped('G'), stopped('H'), armed('I', 5000)]],
    ['ACK on a stream: Timer I is zero', completed(500, 'stream'), { kind: 'ack' }, terminated, [stopped('H')]],
    ['H: the ACK never came', completed(), timer('H'), terminated, [stopped('G')]],
    ['a second answer to what was refused', completed(), answer(200), completed(), []],
    ['ACK again: absorbed', confirmed, { kind: 'ack' }, confirmed, []],
    ['INVITE after the ACK: absorbed', confirmed, { kind: 'retransmission' }, confirmed, []],
    ['I', confirmed, timer('I'), terminated, []],
    ['RFC 6026 §7.1: 2xx, then L', proceeding(), answer(200), accepted, [...answered, armed('L', 32_000), send]],
    ['RFC 6026 §7.1: INVITE again is absorbed', accepted, { kind: 'retransmission' }, accepted, []],
    ['RFC 6026 §7.1: the 2xx again, when told', accepted, { kind: 'again' }, accepted, [send]],
    ['RFC 6026 §7.1: no other answer after a 2xx', accepted, answer(487), accepted, []],
    ['RFC 6026 §7.1: L', accepted, timer('L'), terminated, []],
    ['terminated stays', terminated, { kind: 'ack' }, terminated, []],
  ])('%s', (_row, state, input, next, effects) => {
    expect(advanceInviteServer(state, input)).toEqual({ state: next, effects })
  })
})
