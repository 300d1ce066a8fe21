import { VirtualTime } from '@stox/kernel'
import { StreamIntake } from '../src/stream-intake.ts'
import type { Stream } from '../src/xmpp-stream.ts'
import { RULES } from './xmpp-support.ts'

const LIMITS = { stanzasInHand: 10, bytesInHand: 10_000, stanzasInHandBeside: 4 }

/** Of a stream no more than the intake looks at. */
function streamOf(partner: string) {
  const connection = {
    isHeld: false,
    stanzasIn: 0,
    hold: (isHeld: boolean) => void (connection.isHeld = isHeld),
    waitForTurn: () => undefined,
    slowDown: () => undefined,
  }
  const pairs = [{ local: 'us.example', remote: partner }]
  const stream = { id: partner, place: { partner }, pairs, connection, stanzasInHand: 0, stanzasPaid: 0 }
  return { stream: stream as unknown as Stream, isHeld: () => connection.isHeld }
}
const intake = (time = new VirtualTime()) =>
  new StreamIntake(
    time,
    time,
    LIMITS,
    (_local, partner) => ({ ...RULES.tlsRequired, partner }),
    () => 1,
  )

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

test('those that are held go on when half of it is free, one for each stanza that ends, whichever stream it was of', () => {
  const taking = intake()
  const [one, two] = [streamOf('a partner'), streamOf('a partner')]
  for (let count = 0; count < 10; count += 1) taking.hold(one.stream, 1, 10)
  taking.hold(two.stream, 1, 10)
  expect([one, two].map(({ isHeld }) => isHeld())).toEqual([true, true])
  for (let count = 0; count < 5; count += 1) taking.hold(one.stream, -1, -10)
  expect([one, two].map(({ isHeld }) => isHeld())).toEqual([true, true])
  taking.hold(one.stream, -1, -10)
  expect([one, two].map(({ isHeld }) => isHeld())).toEqual([false, true])
  taking.hold(one.stream, -1, -10)
  expect([one, two].map(({ isHeld }) => isHeld())).toEqual([false, false])
})

test('when nothing is in hand nobody is held', () => {
  const taking = intake()
  const streams = Array.from({ length: 5 }, () => streamOf('a partner'))
  for (const { stream } of streams) taking.hold(stream, 10, 10)
  expect(streams.every(({ isHeld }) => isHeld())).toBe(true)
  for (const { stream } of streams) taking.hold(stream, -10, -10)
  expect(streams.some(({ isHeld }) => isHeld())).toBe(false)
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

test('beside others a partner has few in hand, and many again when it is alone', () => {
  const time = new VirtualTime()
  const taking = intake(time)
  const [one, other] = [streamOf('a partner'), streamOf('another')]
  taking.onPiece(one.stream, 100, 0)
  for (let count = 0; count < 6; count += 1) taking.hold(one.stream, 1, 10)
  expect(one.isHeld()).toBe(false)
  expect(taking.mostAtOnce(one.stream)).toBe(16_384)
  taking.onPiece(other.stream, 100, 0)
  expect(taking.mostAtOnce(one.stream)).toBe(1_024)
  taking.hold(one.stream, 1, 10)
  expect(one.isHeld()).toBe(true)
  for (let count = 0; count < 4; count += 1) taking.hold(one.stream, -1, -10)
  expect(one.isHeld()).toBe(true)
  taking.hold(one.stream, -1, -10)
  expect(one.isHeld()).toBe(false)
  time.advance(1001)
  for (let count = 0; count < 7; count += 1) taking.hold(one.stream, 1, 10)
  expect(one.isHeld()).toBe(false)
})

test('what has waited for longer than a moment waits for somebody else: the next are taken, up to the limit of who is alone', () => {
  const time = new VirtualTime()
  const taking = intake(time)
  const [one, other] = [streamOf('a partner'), streamOf('another')]
  const takeAll = (): number => {
    taking.onPiece(one.stream, 100, 0)
    taking.onPiece(other.stream, 100, 0)
    while (!one.isHeld()) taking.hold(one.stream, 1, 10)
    return one.stream.stanzasInHand
  }
  expect(takeAll()).toBe(4)
  // No stanza ends, but time passes.
  time.advance(19)
  expect(takeAll()).toBe(4)
  time.advance(40)
  expect(takeAll()).toBe(8)
  time.advance(60)
  expect(takeAll()).toBe(10)
  time.advance(5000)
  expect(one.isHeld()).toBe(true)
  for (let ended = 0; ended < 5; ended += 1) taking.hold(one.stream, -1, -10)
  expect(one.isHeld()).toBe(false)
})
