import { PassingMap, chanceFrom } from '@stox/kernel'

test.each([
  ['a few', 10],
  ['more than the map is renewed for', 3000],
])('as any map, with %s under way while many thousands pass', (_many, most) => {
  const chance = chanceFrom(most)
  const upTo = (limit: number): number => Math.floor(chance() * limit)
  const map = new PassingMap<number, string>()
  const model = new Map<number, string>()
  for (let step = 0; step < 30_000; step += 1) {
    const key = upTo(most)
    if (chance() < 0.5) {
      map.set(key, `${step}`)
      model.set(key, `${step}`)
    } else {
      expect(map.delete(key)).toBe(model.delete(key))
    }
    const other = upTo(most)
    expect([map.has(other), map.get(other)]).toEqual([model.has(other), model.get(other)])
  }
  expect([map.size, map.values()]).toEqual([model.size, [...model.values()]])
})

test('each of those there were is seen, though all are deleted meanwhile', () => {
  const map = new PassingMap<number, number>()
  for (let n = 0; n < 5000; n += 1) map.set(n, n)
  let seen = 0
  for (const n of map.values()) {
    seen += 1
    map.delete(n)
  }
  expect([seen, map.size]).toEqual([5000, 0])
})

test('cleared, it may be used again', () => {
  const map = new PassingMap<string, number>()
  map.set('one', 1)
  map.clear()
  expect([map.size, map.get('one'), map.delete('one')]).toEqual([0, undefined, false])
  map.set('one', 2)
  expect([map.size, map.get('one')]).toEqual([1, 2])
})
