import { systemClock } from '@stox/transport'
import { StreamIntake } from '../src/stream-intake.ts'
import type { Stream } from '../src/xmpp-stream.ts'

const LIMITS = { stanzasInHand: 10, bytesInHand: 10_000 }

/** Of a stream no more than the intake looks at. */
function streamOf(partner: string) {
  const connection = { isHeld: false, hold: (isHeld: boolean) => void (connection.isHeld = isHeld) }
  const stream = { id: partner, place: { partner }, connection, stanzasInHand: 0 }
  return { stream: stream as unknown as Stream, isHeld: () => connection.isHeld }
}
const intake = () => new StreamIntake(systemClock, LIMITS, () => undefined)

test('what is in hand counts for all streams of a partner together, and for no other partner', () => {
  const taking = intake()
  const [one, two, other] = [streamOf('a partner'), streamOf('a partner'), streamOf('another')]
  for (let count = 0; count < 5; count += 1) {
    taking.hold(one.stream, 1, 10)
    taking.hold(two.stream, 1, 10)
    taking.hold(other.stream, 1, 10)
  }
  // The one that went over the limit; the next of the other stream holds that one too.
  expect([one, two, other].map(({ isHeld }) => isHeld())).toEqual([false, true, false])
  taking.hold(one.stream, 1, 10)
  expect(one.isHeld()).toBe(true)
})

test('all that are held go on when half of it is free, whichever stream it was of', () => {
  const taking = intake()
  const [one, two] = [streamOf('a partner'), streamOf('a partner')]
  for (let count = 0; count < 10; count += 1) taking.hold(one.stream, 1, 10)
  taking.hold(two.stream, 1, 10)
  expect([one, two].map(({ isHeld }) => isHeld())).toEqual([true, true])
  for (let count = 0; count < 5; count += 1) taking.hold(one.stream, -1, -10)
  expect(one.isHeld()).toBe(true)
  taking.hold(one.stream, -1, -10)
  expect([one, two].map(({ isHeld }) => isHeld())).toEqual([false, false])
})

test('bytes count as well', () => {
  const taking = intake()
  const one = streamOf('a partner')
  taking.hold(one.stream, 1, 9_999)
  expect(one.isHeld()).toBe(false)
  taking.hold(one.stream, 1, 1)
  expect(one.isHeld()).toBe(true)
  taking.hold(one.stream, -1, -9_999)
  expect(one.isHeld()).toBe(false)
})
