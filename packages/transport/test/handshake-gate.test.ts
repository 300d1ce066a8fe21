import { setImmediate as nextTurn } from 'node:timers/promises'
import { VirtualTime } from '@stox/kernel'
import { HandshakeGate } from '../src/handshake-gate.ts'

function stage() {
  const time = new VirtualTime()
  const gate = new HandshakeGate(time, time, { handshakesPerSecond: 2, handshakeBurst: 3 })
  const begun: string[] = []
  const wait = (name: string, more: { readonly isKnown?: boolean; readonly price?: number } = {}) =>
    gate.wait({ name, isKnown: false, price: 1, begin: () => void begun.push(name), ...more })
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn += 1) await nextTurn()
  }
  return { time, gate, begun, wait, turns }
}

test('one begins in each turn of the event loop, and none at once', async () => {
  const { begun, wait, turns } = stage()
  for (const name of ['a', 'b', 'c']) wait(name)
  expect(begun).toEqual([])
  for (const expected of [['a'], ['a', 'b'], ['a', 'b', 'c']]) {
    await turns(1)
    expect(begun).toEqual(expected)
  }
})

test('names take turns, however many of one there are', async () => {
  const { begun, wait, turns } = stage()
  for (const name of ['a', 'a', 'a', 'b', 'c', 'b']) wait(name)
  await turns(6)
  expect(begun).toEqual(['a', 'b', 'c', 'a', 'b', 'a'])
})

test('where a partner is known goes before strangers', async () => {
  const { begun, wait, turns } = stage()
  wait('stranger')
  wait('stranger 2')
  wait('known', { isKnown: true })
  await turns(3)
  expect(begun).toEqual(['known', 'stranger', 'stranger 2'])
})

test('beyond its burst a name has its rate, and keeps nobody else', async () => {
  const { time, begun, wait, turns } = stage()
  for (let count = 0; count < 5; count += 1) wait('a')
  await turns(5)
  expect(begun).toEqual(['a', 'a', 'a'])
  wait('b')
  await turns(2)
  expect(begun.at(-1)).toBe('b')
  time.advance(500)
  await turns(2)
  expect(begun.filter((name) => name === 'a')).toHaveLength(4)
  time.advance(500)
  await turns(2)
  expect(begun.filter((name) => name === 'a')).toHaveLength(5)
})

test('who stands for many pays less', async () => {
  const { begun, wait, turns } = stage()
  for (let count = 0; count < 20; count += 1) wait('a provider', { price: 0.25 })
  await turns(25)
  expect(begun).toHaveLength(12)
})

test('who has gone is not called', async () => {
  const { begun, wait, turns } = stage()
  const leave = wait('a')
  wait('b')
  leave()
  await turns(2)
  expect(begun).toEqual(['b'])
})

test('closed, it calls nobody', async () => {
  const { gate, begun, wait, turns, time } = stage()
  wait('a')
  gate.close()
  await turns(2)
  time.advance(10_000)
  expect(begun).toEqual([])
})
