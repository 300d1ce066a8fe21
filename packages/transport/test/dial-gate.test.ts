import { VirtualTime } from '@stox/kernel'
import { DialGate } from '../src/dial-gate.ts'

function stage(atOnce: number, atMost = 4) {
  const time = new VirtualTime()
  const gate = new DialGate(time, atOnce)
  const begun: string[] = []
  const leave = new Map<string, () => void>()
  const enter = (name: string, partner = name, hasFailed = false, domain = partner): void =>
    gate.enter({
      partner,
      domain,
      hasFailed,
      atMost,
      start: (end) => {
        begun.push(name)
        leave.set(name, end)
      },
    })
  return { time, gate, begun, leave, enter }
}

test('one attempt at a time for each partner, in the order of asking', () => {
  const { begun, leave, enter } = stage(10)
  for (const name of ['a1', 'a2', 'a3']) enter(name, 'a')
  enter('b1', 'b')
  expect(begun).toEqual(['a1', 'b1'])
  leave.get('a1')?.()
  leave.get('a1')?.()
  expect(begun).toEqual(['a1', 'b1', 'a2'])
})

test('so many in all', () => {
  const { begun, leave, enter, gate } = stage(2)
  for (const name of ['a', 'b', 'c', 'd']) enter(name)
  expect(begun).toEqual(['a', 'b'])
  leave.get('b')?.()
  leave.get('a')?.()
  expect(begun).toEqual(['a', 'b', 'c', 'd'])
  expect(gate.waiting).toBe(0)
})

test('a hundred dead partners leave half of the places to the living', () => {
  const { begun, enter } = stage(8)
  for (let count = 0; count < 100; count += 1) enter(`dead${count}`, `dead${count}`, true)
  expect(begun).toHaveLength(4)
  enter('alive')
  expect(begun).toContain('alive')
})

describe('a partner with several domains', () => {
  test('an attempt that moves is the only one, whatever domain it is for', () => {
    const { time, begun, leave, enter } = stage(10)
    enter('one', 'a', false, 'one.a')
    enter('two', 'a', false, 'two.a')
    time.advance(1_999)
    expect(begun).toEqual(['one'])
    leave.get('one')?.()
    expect(begun).toEqual(['one', 'two'])
  })

  test('one that hangs lets the next domain go after 2 s, and never a second attempt to its own', () => {
    const { time, begun, leave, enter } = stage(10)
    enter('hangs', 'a', false, 'one.a')
    enter('hangs again', 'a', false, 'one.a')
    enter('two', 'a', false, 'two.a')
    time.advance(2_000)
    expect(begun).toEqual(['hangs', 'two'])
    time.advance(60_000)
    expect(begun).toEqual(['hangs', 'two'])
    leave.get('hangs')?.()
    expect(begun).toEqual(['hangs', 'two', 'hangs again'])
  })

  test('what has failed before comes last, and hangs in half of the places of the partner', () => {
    const { time, begun, leave, enter } = stage(10)
    enter('dead 1', 'a', true, 'one.a')
    for (const count of [2, 3, 4, 5]) enter(`dead ${count}`, 'a', true, `dead${count}.a`)
    enter('alive', 'a', false, 'alive.a')
    time.advance(2_000)
    expect(begun).toEqual(['dead 1', 'alive'])
    leave.get('alive')?.()
    time.advance(60_000)
    expect(begun).toEqual(['dead 1', 'alive', 'dead 2'])
    enter('alive again', 'a', false, 'alive.a')
    expect(begun).toHaveLength(4)
  })

  test('no more of them hang than the partner may have, and nothing is left when they are over', () => {
    const { time, gate, begun, leave, enter } = stage(10)
    for (let count = 0; count < 6; count += 1) enter(`${count}`, 'a', false, `${count}.a`)
    time.advance(60_000)
    expect(begun).toEqual(['0', '1', '2', '3'])
    for (let count = 0; count < 6; count += 1) leave.get(`${count}`)?.()
    expect(begun).toHaveLength(6)
    expect([gate.waiting, time.armed]).toEqual([0, 0])
  })
})
