import { halfSipHash, newHashSeed } from '../src/half-sip-hash.ts'

/** The key is 00 to 07, and so many bytes 00, 01, … the text, as in the reference's own vectors. */
test.each([
  [0, 0x5814c896],
  [1, 0xe7e864ca],
  [2, 0xbc4b0e30],
  [3, 0x01539939],
  [4, 0x7e059ea6],
  [5, 0x88e3d89b],
  [6, 0xa0080b65],
  [7, 0x9d38d9d6],
  [8, 0x577999b1],
  [9, 0xc839caed],
  [15, 0xd0257b04],
  [16, 0x8b31d501],
  [31, 0x08d8791a],
])('HalfSipHash-1-3 of %d bytes', (length, hash) => {
  const bytes = new Uint8Array(64)
  for (let at = 0; at < length; at += 1) bytes[at] = at
  expect(halfSipHash({ low: 0x03020100, high: 0x07060504 }, new Int32Array(bytes.buffer), length) >>> 0).toBe(hash)
})

test('a seed comes from chance, both halves of it', () => {
  const seeds = ['a', 'b', 'c'].map((token) => newHashSeed({ token: () => token.repeat(32), fraction: () => 0.5 }))
  expect(new Set(seeds.flatMap(({ low, high }) => [low, high])).size).toBe(6)
})
