import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BoundedQueue } from '../src/index.ts'

describe('BoundedQueue', () => {
  test('gives back in order and says no when full', () => {
    const queue = new BoundedQueue<string>(2)
    expect([queue.push('a'), queue.push('b'), queue.push('c')]).toEqual([true, true, false])
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual(['a', 'b', undefined])
  })

  test('bounds the summed weight too', () => {
    const queue = new BoundedQueue<string>(10, 100)
    expect([queue.push('a', 60), queue.push('b', 41), queue.push('c', 40)]).toEqual([true, false, true])
    expect(queue.weight).toBe(100)
    expect(queue.drain()).toEqual(['a', 'c'])
    expect(queue.weight).toBe(0)
  })

  test('stays in order over many pushes and shifts', () => {
    const queue = new BoundedQueue<number>(1000)
    const seen: number[] = []
    for (let n = 0; n < 5000; n++) {
      queue.push(n)
      if (n % 3 !== 0) seen.push(queue.shift()!)
    }
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  })

  test('holds nothing that it has given away', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const queue = new BoundedQueue<object>(10)
    const given = (): WeakRef<object> => {
      queue.push({})
      return new WeakRef(queue.shift()!)
    }
    const gone = given()
    queue.push({})
    // A reference that was just read lives to the end of the turn.
    await new Promise(setImmediate)
    collect()
    expect(gone.deref()).toBeUndefined()
  })
})
