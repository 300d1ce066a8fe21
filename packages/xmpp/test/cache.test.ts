import { Cache } from '../src/cache.ts'

test('holds a bounded number, and what is used stays', () => {
  const cache = new Cache<number>(10)
  cache.set('kept', 1)
  for (let count = 0; count < 1000; count += 1) {
    cache.set(`n${count}`, count)
    expect(cache.get('kept')).toBe(1)
    expect(cache.size).toBeLessThanOrEqual(20)
  }
  expect(cache.get('n999')).toBe(999)
  expect(cache.get('n0')).toBeUndefined()
})
