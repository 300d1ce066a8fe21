import { DialGate } from '../src/dial-gate.ts'

function stage(atOnce: number) {
  const gate = new DialGate(atOnce)
  const begun: string[] = []
  const leave = new Map<string, () => void>()
  const enter = (name: string, partner = name, hasFailed = false): void =>
    gate.enter(partner, hasFailed, (end) => {
      begun.push(name)
      leave.set(name, end)
    })
  return { gate, begun, leave, enter }
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
