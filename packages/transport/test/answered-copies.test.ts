import { VirtualTime } from '@stox/kernel'
import { AnsweredCopies } from '../src/answered-copies.ts'
import { cryptoIds } from '../src/system.ts'

const FOR_MS = 32_000
const copiesAt = (time: VirtualTime): AnsweredCopies =>
  new AnsweredCopies(time, cryptoIds, { forMs: FOR_MS, most: 1000 })
const answerOf = (...bytes: number[]): Uint8Array => new Uint8Array(bytes)
const to = { host: '192.0.2.1', port: 5060 }

test('RFC 3261 §17.2.2, Timer J: an answer is kept for 64·T1, by both keys, and gone a quarter later', () => {
  const time = new VirtualTime(0)
  const copies = copiesAt(time)
  for (const lateMs of [0, 1, 7999, 8000, 12_345]) {
    time.advance(lateMs)
    const answer = answerOf(lateMs & 255, 10, 13, 10)
    copies.add(`key ${lateMs}`, { answer, to })
    copies.addAccepted(`merge ${lateMs}`)
    time.advance(FOR_MS - 1)
    expect([...(copies.get(`key ${lateMs}`)?.answer ?? [])]).toEqual([...answer])
    expect([copies.has(`key ${lateMs}`), copies.isAccepted(`merge ${lateMs}`)]).toEqual([true, true])
    time.advance(FOR_MS / 4 + 1)
    expect(copies.get(`key ${lateMs}`)).toBeUndefined()
    expect([copies.has(`key ${lateMs}`), copies.isAccepted(`merge ${lateMs}`)]).toEqual([false, false])
  }
})

test.each([
  ['IPv4', { host: '192.0.2.1', port: 5060 }],
  ['IPv6', { host: '2001:db8::1', port: 65_535 }],
  ['IPv6 of a link', { host: 'fe80::1%eth0', port: 1 }],
])('RFC 3261 §18.2.2: a copy is answered where the first was, %s', (_family, address) => {
  const copies = copiesAt(new VirtualTime(0))
  copies.add('key', { answer: answerOf(0, 255, 10, 32), to: address })
  const { answer = answerOf(), to: back } = copies.get('key') ?? {}
  expect([back, [...answer]]).toEqual([address, [0, 255, 10, 32]])
})

test('in the end nothing is kept and nothing is armed', () => {
  const time = new VirtualTime(0)
  const copies = copiesAt(time)
  for (let n = 0; n < 100; n += 1) {
    copies.add(`key ${n}`, { answer: answerOf(n), to })
    copies.addAccepted(`key ${n}`)
    time.advance(500)
  }
  expect(copies.size).toBeGreaterThanOrEqual(64)
  time.advance(2 * FOR_MS)
  expect(copies.size).toBe(0)
  expect(time.armed).toBe(0)
})

test('closed, it forgets all at once', () => {
  const time = new VirtualTime(0)
  const copies = copiesAt(time)
  copies.add('key', { answer: answerOf(1), to })
  copies.addAccepted('merge')
  copies.close()
  expect([copies.size, copies.has('key'), copies.isAccepted('merge'), time.armed]).toEqual([0, false, false, 0])
})
