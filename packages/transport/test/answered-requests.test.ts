import { VirtualTime } from '@stox/kernel'
import { AnsweredRequests } from '../src/answered-requests.ts'

describe('RFC 3261 §17.1.2.2, timer K: late copies are known', () => {
  test('for five seconds at least, ten at most, whenever the request was answered', () => {
    const time = new VirtualTime()
    const answered = new AnsweredRequests(time, 5000, 1000)
    const known: number[] = []
    for (let second = 0; second < 12; second += 1) {
      time.arm(second * 1000, () => answered.add(`at ${second}`))
      time.arm(second * 1000 + 4999, () => known.push(answered.has(`at ${second}`) ? 1 : 0))
      time.arm(second * 1000 + 10_001, () => known.push(answered.has(`at ${second}`) ? 0 : 1))
    }
    time.advance(60_000)
    expect(known).toEqual(Array.from({ length: 24 }, () => 1))
  })

  test('then nothing is left, and no timer', () => {
    const time = new VirtualTime()
    const answered = new AnsweredRequests(time, 5000, 1000)
    answered.add('one')
    time.advance(10_000)
    expect([answered.size, time.armed]).toEqual([0, 0])
  })

  test('of too many the older are forgotten', () => {
    const answered = new AnsweredRequests(new VirtualTime(), 5000, 100)
    for (let n = 0; n < 1000; n += 1) answered.add(`${n}`)
    expect(answered.size).toBeLessThanOrEqual(100)
    expect([answered.has('999'), answered.has('960'), answered.has('1')]).toEqual([true, true, false])
  })

  test('closing ends the timer', () => {
    const time = new VirtualTime()
    const answered = new AnsweredRequests(time, 5000, 100)
    answered.add('one')
    answered.close()
    expect([answered.has('one'), time.armed]).toEqual([false, 0])
  })
})
