import { RecentBytes, VirtualTime, chanceFrom } from '@stox/kernel'
import type { RecentBytesOptions } from '@stox/kernel'
import { WrittenKey } from '../src/byte-table.ts'
import { newHashSeed } from '../src/half-sip-hash.ts'

const ids = { token: () => 'always the same, for a test', fraction: () => 0.5 }
const MIB = 1024 * 1024
const recent = (more: Partial<RecentBytesOptions> = {}): RecentBytes =>
  new RecentBytes({ ids, most: 1000, mostBytes: MIB, ...more })

const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString()
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

describe('by time', () => {
  const forMs = 32_000

  test('whenever it came, it is there for its whole life, and gone a quarter later', () => {
    const time = new VirtualTime()
    const kept = recent({ life: { timers: time, forMs } })
    const wrong: string[] = []
    for (let n = 0; n < 300; n += 1) {
      const atMs = n * 777
      time.arm(atMs, () => kept.set(`at ${atMs}`, bytesOf(`${n}`)))
      time.arm(atMs + forMs - 1, () => void (textOf(kept.get(`at ${atMs}`)) === `${n}` || wrong.push(`early ${n}`)))
      time.arm(atMs + forMs * 1.25 + 1, () => void (kept.has(`at ${atMs}`) && wrong.push(`late ${n}`)))
    }
    time.advance(1_000_000)
    expect(wrong).toEqual([])
    expect([kept.size, time.armed]).toEqual([0, 0])
  })

  test('too many at once start generations of their own, which live as long', () => {
    const time = new VirtualTime()
    const kept = recent({ life: { timers: time, forMs } })
    for (let n = 0; n < 999; n += 1) kept.set(`${n}`)
    time.advance(forMs - 1)
    expect([kept.size, kept.has('0'), kept.has('998')]).toEqual([999, true, true])
    time.advance(forMs / 4 + 1)
    expect([kept.size, time.armed]).toEqual([0, 0])
  })

  test('closed, it forgets all at once, and may be used again', () => {
    const time = new VirtualTime()
    const kept = recent({ life: { timers: time, forMs } })
    kept.set('one', bytesOf('1'))
    kept.close()
    expect([kept.size, kept.has('one'), time.armed]).toEqual([0, false, 0])
    kept.set('one', bytesOf('2'))
    expect(textOf(kept.get('one'))).toBe('2')
  })
})

describe('by number', () => {
  test('of too many the oldest go, and three quarters stay', () => {
    const kept = recent({ most: 100 })
    for (let n = 0; n < 1000; n += 1) {
      kept.set(`${n}`, bytesOf(`value ${n}`))
      expect(kept.size).toBeLessThanOrEqual(100)
      expect(textOf(kept.get(`${Math.max(0, n - 74)}`))).toBe(`value ${Math.max(0, n - 74)}`)
    }
    expect([kept.has('999'), kept.has('899')]).toEqual([true, false])
  })

  test('of too many bytes as well', () => {
    const kept = recent({ mostBytes: 64 * 1024 })
    const value = new Uint8Array(1000)
    for (let n = 0; n < 500; n += 1) kept.set(`${n}`, value)
    expect(kept.size).toBeLessThanOrEqual(64)
    expect(kept.size).toBeGreaterThanOrEqual(45)
    expect([kept.has('499'), kept.has('460'), kept.has('435')]).toEqual([true, true, false])
  })

  test('what would take more than a quarter of the room is not kept, and costs nobody his place', () => {
    const kept = recent({ mostBytes: 64 * 1024 })
    kept.set('small', bytesOf('value'))
    kept.set('large', new Uint8Array(17 * 1024))
    kept.set('k'.repeat(17 * 1024))
    expect([kept.size, kept.has('small'), kept.has('large')]).toEqual([1, true, false])
  })

  test.each([0, 1, 2, 3, 5])('room for %d: it never holds more than that, nor less than the last', (most) => {
    const kept = recent({ most })
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) {
      kept.set(key)
      expect([kept.has(key), kept.size <= Math.max(1, most)]).toEqual([true, true])
    }
  })
})

describe('keys', () => {
  test.each([
    ['none', ''],
    ['a word', 'abcd'],
    ['NUL', 'a\0'],
    ['NUL behind it', 'abcd\0\0\0\0'],
    ['Latin-1', 'z9hG4bKé'],
    ['Greek, Chinese, an emoji', 'Ωμέγα 中文 😀'],
    ['half an emoji', 'a\ud83d'],
    ['the other half', 'a\ude00'],
    ['what stands for what cannot be written', 'a\ufffd'],
    ['how half an emoji is written', JSON.stringify('a\ud83d')],
    ['longer than a chunk', 'long '.repeat(100_000)],
  ])('%s', (_name, key) => {
    const kept = recent({ mostBytes: 64 * MIB })
    const others = ['', 'abcd', 'abcd\0', 'a', 'a\0\0', 'a\ud83e', 'a\ude01', 'a\ufffd\ufffd', `${key} `, `${key}\0`]
    for (const other of others.filter((one) => one !== key)) kept.set(other, bytesOf('of another'))
    expect(kept.get(key)).toBeUndefined()
    kept.set(key, bytesOf('its own'))
    expect(textOf(kept.get(key))).toBe('its own')
  })

  test('with one hash for two keys each has its own', () => {
    const written = new WrittenKey(newHashSeed(ids))
    const byHash = new Map<number, string>()
    const pairs: (readonly [string, string])[] = []
    for (let n = 0; pairs.length < 3; n += 1) {
      written.write(`call ${n}`)
      const other = byHash.get(written.hash)
      if (other === undefined) byHash.set(written.hash, `call ${n}`)
      else pairs.push([other, `call ${n}`])
    }
    const kept = recent()
    for (const [one, other] of pairs) {
      kept.set(one, bytesOf(`of ${one}`))
      expect(kept.get(other)).toBeUndefined()
      kept.set(other, bytesOf(`of ${other}`))
      expect([textOf(kept.get(one)), textOf(kept.get(other))]).toEqual([`of ${one}`, `of ${other}`])
    }
  })
})

test('a value longer than a chunk, and one behind it', () => {
  const kept = recent({ mostBytes: 16 * MIB })
  const long = new Uint8Array(MIB).map((_byte, at) => at * 7)
  for (const key of ['before', 'long', 'behind']) kept.set(key, key === 'long' ? long : bytesOf(key))
  expect(Buffer.compare(kept.get('long') ?? new Uint8Array(), long)).toBe(0)
  expect([textOf(kept.get('before')), textOf(kept.get('behind'))]).toEqual(['before', 'behind'])
})

test('what was given out stays as it was, whatever becomes of the room', () => {
  const kept = recent({ most: 8 })
  kept.set('one', bytesOf('first value'))
  const given = kept.get('one')
  for (let n = 0; n < 100; n += 1) kept.set(`${n}`, bytesOf('another one'))
  expect(textOf(given)).toBe('first value')
})

test.each([1, 2, 3, 4])(
  'as a map would, with chance %d: the last value of a key, or none once it is too old',
  (seed) => {
    const chance = chanceFrom(seed)
    const upTo = (most: number): number => Math.floor(chance() * most)
    const time = new VirtualTime()
    const forMs = 4000
    const kept = recent({ most: 5000, mostBytes: 64 * MIB, life: { timers: time, forMs } })
    const model = new Map<string, { readonly value: Uint8Array; readonly atMs: number }>()
    for (let step = 0; step < 20_000; step += 1) {
      const key = `${'é'.repeat(upTo(3))}${upTo(400)}`
      if (chance() < 0.5) {
        const value = new Uint8Array(upTo(chance() < 0.01 ? 70_000 : 100)).fill(upTo(256))
        kept.set(key, value)
        model.set(key, { value, atMs: time.monotonicMs() })
      } else {
        const found = kept.get(key)
        const { value, atMs = 0 } = model.get(key) ?? {}
        const ageMs = time.monotonicMs() - atMs
        expect(kept.has(key)).toBe(found !== undefined)
        if (value === undefined || ageMs > forMs * 1.25) expect(found).toBeUndefined()
        if (value !== undefined && (found !== undefined || ageMs < forMs))
          expect(Buffer.compare(found ?? new Uint8Array(1), value)).toBe(0)
      }
      if (chance() < 0.3) time.advance(upTo(chance() < 0.01 ? 6000 : 10))
    }
    time.advance(2 * forMs)
    expect([kept.size, time.armed]).toEqual([0, 0])
  },
)
