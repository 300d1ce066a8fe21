import { advanceNonInviteServer, startNonInviteServer } from '../src/non-invite-server.ts'
import type { NonInviteServerInput, NonInviteServerState } from '../src/non-invite-server.ts'

const trying: NonInviteServerState = { name: 'trying', carrier: 'datagram' }
const proceeding: NonInviteServerState = { name: 'proceeding', carrier: 'datagram' }
const completed: NonInviteServerState = { name: 'completed' }
const terminated: NonInviteServerState = { name: 'terminated' }
const timer = (name: 'trying' | 'abandon' | 'J'): NonInviteServerInput => ({ kind: 'timer', timer: name })
const retransmission: NonInviteServerInput = { kind: 'retransmission' }
const answer: NonInviteServerInput = { kind: 'answer' }
const armed = (name: string, afterMs: number): object => ({ kind: 'arm-timer', timer: name, afterMs })
const stopped = [
  { kind: 'cancel-timer', timer: 'trying' },
  { kind: 'cancel-timer', timer: 'abandon' },
]
const final = { kind: 'send-final' }

describe('RFC 3261 figure 8 with RFC 4320', () => {
  test.each(['datagram', 'stream'] as const)('RFC 4320 §4.1: on a %s the 100 waits for 3.5 s', (carrier) => {
    expect(startNonInviteServer(carrier)).toEqual({
      state: { name: 'trying', carrier },
      effects: [armed('trying', 3500), armed('abandon', 32_000)],
    })
  })

  test.each<[string, NonInviteServerState, NonInviteServerInput, NonInviteServerState, object[]]>([
    ['trying, retransmission: nothing to send yet', trying, retransmission, trying, []],
    ['trying, answer: kept for 64·T1', trying, answer, completed, [...stopped, armed('J', 32_000), final]],
    ['RFC 4320 §4.1: trying for 3.5 s sends the 100', trying, timer('trying'), proceeding, [{ kind: 'send-trying' }]],
    [
      'RFC 4320 §4.2: never a 408, just an end',
      trying,
      timer('abandon'),
      terminated,
      [{ kind: 'cancel-timer', timer: 'trying' }, { kind: 'report-unanswered' }],
    ],
    ['proceeding, retransmission: the 100 again', proceeding, retransmission, proceeding, [{ kind: 'send-trying' }]],
    ['proceeding, answer', proceeding, answer, completed, [...stopped, armed('J', 32_000), final]],
    [
      'proceeding, abandon',
      proceeding,
      timer('abandon'),
      terminated,
      [{ kind: 'cancel-timer', timer: 'trying' }, { kind: 'report-unanswered' }],
    ],
    ['completed, retransmission: the same again', completed, retransmission, completed, [{ kind: 'send-final' }]],
    ['completed, second answer: nothing', completed, answer, completed, []],
    ['completed, J', completed, timer('J'), terminated, []],
    ['terminated stays', terminated, retransmission, terminated, []],
  ])('%s', (_row, state, input, next, effects) => {
    expect(advanceNonInviteServer(state, input)).toEqual({ state: next, effects })
  })

  test('§17.2.2: on a stream Timer J is zero', () => {
    const { state } = startNonInviteServer('stream')
    expect(advanceNonInviteServer(state, answer)).toEqual({ state: terminated, effects: [...stopped, final] })
  })
})
