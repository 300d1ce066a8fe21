import { VirtualTime } from '../src/clock.ts'
import { NamedTimers } from '../src/named-timers.ts'

const bench = () => {
  const time = new VirtualTime()
  const named = new NamedTimers<'A' | 'B'>()
  const fired: string[] = []
  const arm = (name: 'A' | 'B', afterMs: number, what: string = name): void =>
    named.arm(time, name, afterMs, () => fired.push(what))
  return { time, named, fired, arm }
}

test('each fires once, and one of the same name takes its place', () => {
  const { time, fired, arm } = bench()
  arm('A', 10, 'the first A')
  arm('B', 20)
  arm('A', 30, 'the second A')
  expect(time.armed).toBe(2)
  time.advance(100)
  expect(fired).toEqual(['B', 'the second A'])
})

test('who fires may be armed anew from within', () => {
  const { time, named, fired, arm } = bench()
  named.arm(time, 'A', 10, () => arm('A', 10, 'again'))
  time.advance(10)
  expect([time.armed, fired]).toEqual([1, []])
  named.cancel('A')
  expect(time.armed).toBe(0)
})

test('one is called off, or all', () => {
  const { time, named, fired, arm } = bench()
  arm('A', 10)
  arm('B', 10)
  named.cancel('A')
  time.advance(10)
  expect(fired).toEqual(['B'])
  arm('A', 10)
  arm('B', 10)
  named.cancelAll()
  expect(time.armed).toBe(0)
})
