import { advanceNonInviteClient, startNonInviteClient } from '../src/non-invite-client.ts'
import type { NonInviteClientInput, NonInviteClientState } from '../src/non-invite-client.ts'

const trying = (resendAfterMs = 500): NonInviteClientState => ({ name: 'trying', carrier: 'datagram', resendAfterMs })
const proceeding: NonInviteClientState = { name: 'proceeding', carrier: 'datagram' }
const completed: NonInviteClientState = { name: 'completed' }
const terminated: NonInviteClientState = { name: 'terminated' }
const timer = (name: 'E' | 'F' | 'K'): NonInviteClientInput => ({ kind: 'timer', timer: name })
const response = (status: number): NonInviteClientInput => ({ kind: 'response', status })
const armed = (name: string, afterMs: number): object => ({ kind: 'arm-timer', timer: name, afterMs })
const stopped = (name: string): object => ({ kind: 'cancel-timer', timer: name })
const send = { kind: 'send-request' }

describe('RFC 3261 figure 6', () => {
  test('§17.1.2.2: the request goes out, F and on UDP E are armed', () => {
    expect(startNonInviteClient('datagram')).toEqual({
      state: trying(),
      effects: [armed('F', 32_000), armed('E', 500), send],
    })
    expect(startNonInviteClient('stream').effects).toEqual([armed('F', 32_000), send])
  })

  test.each<[string, NonInviteClientState, NonInviteClientInput, NonInviteClientState, object[]]>([
    ['trying, E: resend, double', trying(500), timer('E'), trying(1000), [armed('E', 1000), send]],
    ['trying, E: up to T2', trying(4000), timer('E'), trying(4000), [armed('E', 4000), send]],
    ['trying, 1xx: proceeding', trying(), response(100), proceeding, [{ kind: 'report-provisional' }]],
    [
      'trying, final: completed for T4',
      trying(),
      response(404),
      completed,
      [stopped('E'), stopped('F'), armed('K', 5000), { kind: 'report-final' }],
    ],
    [
      'trying, F: timeout',
      trying(),
      timer('F'),
      terminated,
      [stopped('E'), { kind: 'report-failure', cause: 'timeout' }],
    ],
    [
      'trying, transport error',
      trying(),
      { kind: 'transport-error' },
      terminated,
      [stopped('E'), stopped('F'), { kind: 'report-failure', cause: 'transport' }],
    ],
    ['proceeding, E: resend every T2', proceeding, timer('E'), proceeding, [armed('E', 4000), send]],
    ['proceeding, 1xx again', proceeding, response(100), proceeding, [{ kind: 'report-provisional' }]],
    [
      'proceeding, final',
      proceeding,
      response(200),
      completed,
      [stopped('E'), stopped('F'), armed('K', 5000), { kind: 'report-final' }],
    ],
    [
      'proceeding, F: timeout',
      proceeding,
      timer('F'),
      terminated,
      [stopped('E'), { kind: 'report-failure', cause: 'timeout' }],
    ],
    ['completed, final again: absorbed', completed, response(200), completed, []],
    ['completed, K: gone', completed, timer('K'), terminated, []],
    ['completed, transport error: too late to matter', completed, { kind: 'transport-error' }, completed, []],
    ['terminated stays', terminated, response(200), terminated, []],
  ])('%s', (_row, state, input, next, effects) => {
    expect(advanceNonInviteClient(state, input)).toEqual({ state: next, effects })
  })

  test('§17.1.2.2: on a stream Timer K is zero', () => {
    const { state } = startNonInviteClient('stream')
    expect(advanceNonInviteClient(state, response(200))).toEqual({
      state: terminated,
      effects: [stopped('F'), { kind: 'report-final' }],
    })
  })

  test('§17.1.2.2: eleven sends in 32 s, at 0, 0.5, 1.5, 3.5, 7.5 s and so on', () => {
    let step = startNonInviteClient('datagram')
    const sentAt = [0]
    let nowMs = 0
    for (;;) {
      const next = step.effects.find((effect) => effect.kind === 'arm-timer' && effect.timer === 'E')
      if (next?.kind !== 'arm-timer' || nowMs + next.afterMs >= 32_000) break
      nowMs += next.afterMs
      sentAt.push(nowMs)
      step = advanceNonInviteClient(step.state, timer('E'))
    }
    expect(sentAt).toEqual([0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500])
  })
})
