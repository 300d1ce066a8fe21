import { VirtualTime } from '@stox/kernel'
import { Penalties, type Comer } from '../src/penalties.ts'

const LIMITS = { freeFaults: 3, faultForgivenMs: 20_000 }
const HERE: Comer = { remoteAddress: '192.0.2.1', claims: 'bad.example' }
const ELSEWHERE: Comer = { ...HERE, remoteAddress: '198.51.100.1' }
const NEIGHBOUR: Comer = { ...HERE, claims: 'good.example' }
const NAMELESS: Comer = { ...HERE, claims: undefined }

function stage() {
  const time = new VirtualTime()
  const penalties = new Penalties(time, LIMITS)
  const blame = (times: number, comer = HERE, proven?: string): void => {
    for (let count = 0; count < times; count += 1) penalties.blame(comer, proven)
  }
  return { time, penalties, blame }
}

test('a handful of faults costs nothing', () => {
  const { penalties, blame } = stage()
  blame(3)
  expect(penalties.whyNot(HERE)).toBeUndefined()
  expect(penalties.hesitationMs(HERE.remoteAddress)).toBe(0)
})

test('each fault beyond doubles the time to wait, up to a minute', () => {
  const { time, penalties, blame } = stage()
  blame(3)
  const waits: number[] = []
  for (let count = 0; count < 9; count += 1) {
    blame(1)
    let waitedS = 0
    for (; penalties.whyNot(HERE) !== undefined; waitedS += 1) time.advance(1000)
    waits.push(waitedS)
  }
  // What is forgiven meanwhile is in it.
  expect(waits.slice(0, 4)).toEqual([1, 2, 4, 7])
  expect(Math.max(...waits)).toBeLessThanOrEqual(60)
  expect(waits.at(-1)).toBeGreaterThanOrEqual(15)
})

test('says how long it will be', () => {
  const { penalties, blame } = stage()
  blame(5)
  expect(penalties.whyNot(HERE)).toBe('it may come again in 2 s, for its streams ended too often by its own fault')
})

test('time forgives: an honest partner that breaks a stream now and then is never kept out', () => {
  const { time, penalties, blame } = stage()
  for (let count = 0; count < 100; count += 1) {
    blame(1)
    expect(penalties.whyNot(HERE)).toBeUndefined()
    time.advance(LIMITS.faultForgivenMs)
  }
})

test('what a proven partner does it pays for wherever it comes from, and nobody else at its address does', () => {
  const { penalties, blame } = stage()
  blame(4, HERE, 'bad.example')
  expect(penalties.whyNot(HERE)).toBeDefined()
  expect(penalties.whyNot(ELSEWHERE)).toBeDefined()
  expect(penalties.whyNot(NEIGHBOUR)).toBeUndefined()
  expect(penalties.whyNot(NAMELESS)).toBeUndefined()
})

test('what is done in a partner’s name without proof is held against that name there, and nowhere else', () => {
  const { penalties, blame } = stage()
  blame(4)
  expect(penalties.whyNot(HERE)).toBeDefined()
  expect(penalties.whyNot(ELSEWHERE)).toBeUndefined()
  expect(penalties.whyNot(NEIGHBOUR)).toBeUndefined()
})

test('who says no name pays as the nameless of his network', () => {
  const { penalties, blame } = stage()
  blame(4, NAMELESS)
  expect(penalties.whyNot(NAMELESS)).toBeDefined()
  expect(penalties.whyNot(HERE)).toBeUndefined()
})

test('where somebody has a penalty connections are read a second later, for as long as he has it', () => {
  const { time, penalties, blame } = stage()
  blame(4, HERE, 'bad.example')
  expect(penalties.hesitationMs(HERE.remoteAddress)).toBe(1000)
  expect(penalties.hesitationMs(ELSEWHERE.remoteAddress)).toBe(0)
  // It tries from there as well.
  penalties.whyNot(ELSEWHERE)
  expect(penalties.hesitationMs(ELSEWHERE.remoteAddress)).toBe(1000)
  time.advance(1000)
  expect(penalties.hesitationMs(HERE.remoteAddress)).toBe(0)
})

test('one network of IPv6 is one', () => {
  const { penalties, blame } = stage()
  blame(4, { ...HERE, remoteAddress: '2001:db8::1' })
  expect(penalties.whyNot({ ...HERE, remoteAddress: '2001:db8::2' })).toBeDefined()
})
