import { VirtualTime } from '@stox/kernel'
import { AnsweredCopies } from '../src/answered-copies.ts'
import type { Answered } from '../src/answered-copies.ts'

const FOR_MS = 32_000
const answered = (status: number): Answered => ({
  status,
  answer: new Uint8Array([status & 255]),
  transmit: () => undefined,
})

test('RFC 3261 §17.2.2, Timer J: an answer is kept for 64·T1, by both keys, and gone a quarter later', () => {
  const time = new VirtualTime(0)
  const copies = new AnsweredCopies(time, FOR_MS)
  for (const lateMs of [0, 1, 7999, 8000, 12_345]) {
    time.advance(lateMs)
    const one = answered(200)
    copies.add(`key ${lateMs}`, `merge ${lateMs}`, one)
    time.advance(FOR_MS - 1)
    expect(copies.byKey(`key ${lateMs}`)).toBe(one)
    expect(copies.byMergeKey(`merge ${lateMs}`)).toBe(one)
    time.advance(FOR_MS / 4 + 1)
    expect(copies.byKey(`key ${lateMs}`)).toBeUndefined()
    expect(copies.byMergeKey(`merge ${lateMs}`)).toBeUndefined()
  }
})

test('in the end nothing is kept and nothing is armed', () => {
  const time = new VirtualTime(0)
  const copies = new AnsweredCopies(time, FOR_MS)
  for (let n = 0; n < 100; n += 1) {
    copies.add(`key ${n}`, undefined, answered(202))
    time.advance(500)
  }
  expect(copies.size).toBeGreaterThanOrEqual(64)
  time.advance(2 * FOR_MS)
  expect(copies.size).toBe(0)
  expect(time.armed).toBe(0)
})

test('closed, it forgets all at once', () => {
  const time = new VirtualTime(0)
  const copies = new AnsweredCopies(time, FOR_MS)
  copies.add('key', 'merge', answered(200))
  copies.close()
  expect(copies.size).toBe(0)
  expect(time.armed).toBe(0)
})
