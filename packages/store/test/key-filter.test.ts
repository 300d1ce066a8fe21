import { array, assert, property, string } from 'fast-check'
import { FILTER_BYTES, addKey, mayHoldKey } from '../src/key-filter.ts'

test('never no for a key that was added', () => {
  const lost: string[] = []
  assert(
    property(array(string({ unit: 'grapheme' }), { maxLength: 200 }), (keys) => {
      const filter = new Uint8Array(FILTER_BYTES)
      for (const key of keys) addKey(filter, key)
      lost.push(...keys.filter((key) => !mayHoldKey(filter, key)))
    }),
    { seed: 7, numRuns: 200 },
  )
  expect(lost).toEqual([])
})

test('about one wrong yes in a hundred when a chunk is full of different keys', () => {
  const filter = new Uint8Array(FILTER_BYTES)
  for (let at = 0; at < 6 * 1024; at += 1) addKey(filter, `a user${at}@montague.example`)
  const wrong = Array.from({ length: 20_000 }, (_, at) => `a other${at}@montague.example`).filter((key) =>
    mayHoldKey(filter, key),
  )
  expect(wrong.length / 20_000).toBeLessThan(0.03)
})

test('what is stored depends on the hash: it is what it was', () => {
  const filter = new Uint8Array(FILTER_BYTES)
  addKey(filter, 'a juliet@capulet.example')
  expect([...filter.entries()].filter(([, bits]) => bits !== 0)).toMatchInlineSnapshot(`
   [
     [
       1011,
       4,
     ],
     [
       2105,
       8,
     ],
     [
       3199,
       16,
     ],
     [
       4293,
       32,
     ],
   ]
  `)
})
