import { VirtualTime } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import type { Effect } from '../src/effects.ts'
import { RunningMachine } from '../src/running-machine.ts'
import type { Came } from '../src/running-machine.ts'
import type { SubscriptionReply } from '../src/subscription-reply.ts'
import { answered, fromRomeo } from './sip-values.ts'

type Wanted = Effect<'soon', string>
type Input = { readonly kind: 'do'; readonly effects: readonly Wanted[] } | Came<'soon'>

const request = fromRomeo('NOTIFY')
const send: Wanted = { kind: 'send-request', request, nextHop: undefined }
const arm = (afterMs: number): Wanted => ({ kind: 'arm-timer', timer: 'soon', afterMs })

/** Its state is what came to it. */
function started() {
  const time = new VirtualTime()
  const reports: string[] = []
  const waiting: ((reply: SubscriptionReply) => void)[] = []
  const machine = new RunningMachine<readonly string[], Input, 'soon', string>([], {
    timers: time,
    advance: (state, input) => ({
      state: [...state, input.kind],
      effects: input.kind === 'do' ? input.effects : [],
    }),
    send: (_request: SipRequest) => new Promise((resolve) => waiting.push(resolve)),
    report: (report) => reports.push(report),
  })
  const want = (...effects: readonly Wanted[]) => machine.advance({ kind: 'do', effects })
  return { time, reports, waiting, machine, want }
}

test('an answer comes back to it', async () => {
  const { machine, waiting, want } = started()
  want(send)
  waiting[0]?.(answered(request, 200))
  await Promise.resolve()
  expect(machine.state).toEqual(['do', 'reply'])
})

test('what it reports and what it responds', () => {
  const { machine, reports, want } = started()
  want({ kind: 'report', report: 'news' })
  expect(reports).toEqual(['news'])
  const reply = answered(request, 481)
  if (reply.kind !== 'response') throw new Error(reply.kind)
  const responses: number[] = []
  machine.advance({ kind: 'do', effects: [{ kind: 'respond', response: reply.response }] }, ({ status }) => {
    responses.push(status)
  })
  expect(responses).toEqual([481])
})

test.each<[string, readonly Wanted[], readonly string[]]>([
  ['fires', [arm(10)], ['do', 'timer']],
  ['is replaced', [arm(10), arm(20)], ['do', 'timer']],
  ['is cancelled', [arm(10), { kind: 'cancel-timer', timer: 'soon' }], ['do']],
])('a timer %s', (_name, effects, state) => {
  const { machine, time, want } = started()
  want(...effects)
  time.advance(100)
  expect(machine.state).toEqual(state)
})

test('once stopped it neither hears nor waits for anything', async () => {
  const { machine, time, waiting, want } = started()
  want(send, arm(10))
  machine.stop()
  time.advance(100)
  waiting[0]?.(answered(request, 200))
  await Promise.resolve()
  want(arm(10))
  expect(machine.state).toEqual(['do'])
})
