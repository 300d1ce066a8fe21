import { advanceInviteRefusal, startInviteRefusal } from '../src/invite-refusal.ts'
import type { InviteRefusalInput, InviteRefusalState } from '../src/invite-refusal.ts'

const completed = (resendAfterMs = 500): InviteRefusalState => ({
  name: 'completed',
  carrier: 'datagram',
  resendAfterMs,
})
const confirmed: InviteRefusalState = { name: 'confirmed' }
const terminated: InviteRefusalState = { name: 'terminated' }
const timer = (name: 'G' | 'H' | 'I'): InviteRefusalInput => ({ kind: 'timer', timer: name })
const armed = (name: string, afterMs: number): object => ({ kind: 'arm-timer', timer: name, afterMs })
const stopped = (name: string): object => ({ kind: 'cancel-timer', timer: name })
const send = { kind: 'send-final' }

describe('RFC 3261 figure 7, refusals', () => {
  test('§17.2.1: G only where messages get lost, H everywhere', () => {
    expect(startInviteRefusal('datagram')).toEqual({
      state: completed(),
      effects: [armed('H', 32_000), armed('G', 500), send],
    })
    expect(startInviteRefusal('stream').effects).toEqual([armed('H', 32_000), send])
  })

  test.each<[string, InviteRefusalState, InviteRefusalInput, InviteRefusalState, object[]]>([
    ['INVITE again: the refusal again', completed(), { kind: 'retransmission' }, completed(), [send]],
    ['G: resend, double', completed(), timer('G'), completed(1000), [armed('G', 1000), send]],
    ['G: up to T2', completed(4000), timer('G'), completed(4000), [armed('G', 4000), send]],
    ['ACK: confirmed for T4', completed(), { kind: 'ack' }, confirmed, [stopped('G'), stopped('H'), armed('I', 5000)]],
    ['H: the ACK never came', completed(), timer('H'), terminated, [stopped('G')]],
    ['ACK again: absorbed', confirmed, { kind: 'ack' }, confirmed, []],
    ['INVITE after the ACK: absorbed', confirmed, { kind: 'retransmission' }, confirmed, []],
    ['I', confirmed, timer('I'), terminated, []],
    ['terminated stays', terminated, { kind: 'ack' }, terminated, []],
  ])('%s', (_row, state, input, next, effects) => {
    expect(advanceInviteRefusal(state, input)).toEqual({ state: next, effects })
  })

  test('§17.2.1: on a stream Timer I is zero', () => {
    const { state } = startInviteRefusal('stream')
    expect(advanceInviteRefusal(state, { kind: 'ack' })).toEqual({ state: terminated, effects: [stopped('H')] })
  })
})
