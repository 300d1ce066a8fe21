import { RecentMap } from '@stox/kernel'

test('holds a bounded number, and what is used stays', () => {
  const map = new RecentMap<string, number>(10)
  map.set('kept', 1)
  for (let count = 0; count < 1000; count += 1) {
    map.set(`n${count}`, count)
    expect(map.get('kept')).toBe(1)
    expect(map.size).toBeLessThanOrEqual(20)
  }
  expect(map.get('n999')).toBe(999)
  expect(map.get('n0')).toBeUndefined()
})

test('the last value counts, and what is deleted is gone, however old it was', () => {
  const map = new RecentMap<string, number>(2)
  for (const [at, key] of ['a', 'b', 'c', 'd'].entries()) map.set(key, at)
  map.set('a', 7)
  expect(map.get('a')).toBe(7)
  for (const key of ['a', 'b', 'c', 'd']) map.delete(key)
  expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toEqual([undefined, undefined, undefined, undefined])
  expect(map.size).toBe(0)
})
