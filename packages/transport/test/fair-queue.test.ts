import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { FairQueue } from '../src/fair-queue.ts'

const emptied = (queue: FairQueue<string>): string[] => {
  const values: string[] = []
  for (let value = queue.shift(); value !== undefined; value = queue.shift()) values.push(value)
  return values
}

test('who has put in little does not wait for who has put in much', () => {
  const queue = new FairQueue<string>(10_000, 1e9)
  for (let count = 0; count < 1000; count += 1) queue.push('flood', 'f', 200)
  for (let count = 0; count < 5; count += 1) queue.push('modest', 'm', 200)
  // A turn is 4096 bytes: some nine of these.
  expect(emptied(queue).lastIndexOf('m')).toBeLessThan(20)
})

test('turns are of weight, so that big ones are fewer', () => {
  const queue = new FairQueue<string>(10_000, 1e9)
  for (let count = 0; count < 100; count += 1) {
    queue.push('big', 'b', 8_000)
    queue.push('small', 's', 200)
  }
  const begin = emptied(queue).slice(0, 60)
  expect(begin.filter((value) => value === 's').length).toBeGreaterThan(50)
  expect(begin).toContain('b')
})

test('what is seen is what is taken', () => {
  const queue = new FairQueue<string>(100, 1e9)
  for (const name of ['a', 'b', 'c']) for (const weight of [1, 5_000, 100]) queue.push(name, `${name}${weight}`, weight)
  for (let seen = queue.peek(); seen !== undefined; seen = queue.peek()) expect(queue.shift()).toBe(seen)
  expect(queue.length).toBe(0)
})

test('when it is full the newest of the longest flow makes way', () => {
  const queue = new FairQueue<string>(4, 1e9)
  for (const one of ['f1', 'f2', 'f3', 'f4']) expect(queue.push('flood', one, 1)).toEqual([])
  expect(queue.push('flood', 'f5', 1)).toEqual(['f5'])
  expect(queue.push('modest', 'm1', 1)).toEqual(['f4'])
  expect(queue.push('modest', 'm2', 1)).toEqual(['f3'])
  expect(queue.push('modest', 'm3', 1)).toEqual(['m3'])
  expect(emptied(queue).toSorted()).toEqual(['f1', 'f2', 'm1', 'm2'])
})

test('weight is bounded as well', () => {
  const queue = new FairQueue<string>(100, 1_000)
  expect(queue.push('a', 'a1', 600)).toEqual([])
  expect(queue.push('a', 'a2', 600)).toEqual(['a2'])
  expect(queue.push('b', 'b1', 600)).toEqual(['a1'])
  expect(queue.push('c', 'c1', 2_000)).toEqual(['c1'])
  expect(emptied(queue)).toEqual(['b1'])
})

test('who fills it with a few big ones makes way for who has many small ones', () => {
  const queue = new FairQueue<string>(100, 1_000)
  for (const one of ['b1', 'b2', 'b3']) expect(queue.push('big', one, 300)).toEqual([])
  for (let count = 1; count <= 10; count += 1) expect(queue.push('small', `s${count}`, 10)).toEqual([])
  expect(queue.push('small', 's11', 10)).toEqual(['b3'])
  expect(queue.length).toBe(13)
})

const NAMES = ['a', 'b', 'c'] as const
const anyStep = fc.oneof(
  fc.record({ name: fc.constantFrom(...NAMES), weight: fc.nat(10_000) }),
  fc.constant('shift' as const),
)
test('whatever is done: each flow in its order, nothing lost, nothing twice, the bound kept', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
      const queue = new FairQueue<{ readonly name: string; readonly n: number }>(10, 40_000)
      const out: { readonly name: string; readonly n: number }[] = []
      const away = new Set<number>()
      let n = 0
      for (const step of steps) {
        if (step === 'shift') {
          const one = queue.shift()
          if (one !== undefined) out.push(one)
        } else {
          n += 1
          for (const one of queue.push(step.name, { name: step.name, n }, step.weight)) away.add(one.n)
        }
        expect(queue.length).toBeLessThanOrEqual(10)
      }
      out.push(...queue.drain())
      expect(out.length + away.size).toBe(n)
      for (const name of NAMES) {
        const mine = out.filter((one) => one.name === name).map((one) => one.n)
        expect(mine).toEqual(mine.toSorted((x, y) => x - y))
      }
    }),
  )
})

test('nothing that was taken is kept alive', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const queue = new FairQueue<object>(10, 100)
  const taken = (): WeakRef<object> => {
    queue.push('a', {}, 1)
    queue.push('a', {}, 1)
    return new WeakRef(queue.shift()!)
  }
  const gone = taken()
  // A reference that was just read lives to the end of the turn.
  await new Promise(setImmediate)
  collect()
  expect(gone.deref()).toBeUndefined()
})
