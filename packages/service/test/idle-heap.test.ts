import { VirtualTime } from '@stox/kernel'
import { IdleHeap } from '../src/idle-heap.ts'

const LOOK_MS = 2000
const QUIET_MS = 15 * LOOK_MS
const MIB = 1024 * 1024

function stage() {
  const time = new VirtualTime(0)
  const now = { busyness: 0.5, bytes: 100 * MIB, live: 40 * MIB }
  const collectedMs: number[] = []
  const heap = {
    bytes: () => now.bytes,
    collect() {
      collectedMs.push(time.monotonicMs())
      now.bytes = now.live
    },
  }
  const idleHeap = new IdleHeap(time, heap, () => now.busyness)
  return { time, now, collectedMs, idleHeap }
}

test('nothing is collected under load', () => {
  const { time, collectedMs } = stage()
  time.advance(100 * LOOK_MS)
  expect(collectedMs).toEqual([])
})

test('a moment of silence is no silence', () => {
  const { time, now, collectedMs } = stage()
  for (let round = 0; round < 20; round += 1) {
    now.busyness = 0.01
    time.advance(QUIET_MS - LOOK_MS)
    now.busyness = 0.2
    time.advance(LOOK_MS)
  }
  expect(collectedMs).toEqual([])
})

test('behind a burst once, and not again while the heap stays small', () => {
  const { time, now, collectedMs } = stage()
  now.busyness = 0.01
  time.advance(100 * LOOK_MS)
  expect(collectedMs).toEqual([QUIET_MS])
  now.bytes += 15 * MIB
  time.advance(100 * LOOK_MS)
  expect(collectedMs).toHaveLength(1)
  now.bytes += MIB
  time.advance(100 * LOOK_MS)
  expect(collectedMs).toHaveLength(2)
})

test('what lives is no garbage: a heap that stays large is not collected again and again', () => {
  const { time, now, collectedMs } = stage()
  now.busyness = 0.01
  now.live = 200 * MIB
  now.bytes = 200 * MIB
  time.advance(100 * LOOK_MS)
  now.bytes += 49 * MIB
  time.advance(100 * LOOK_MS)
  expect(collectedMs).toHaveLength(1)
  now.bytes += MIB
  time.advance(LOOK_MS)
  expect(collectedMs).toHaveLength(2)
})

test('a heap that grows at once again waits some time', () => {
  const { time, now, collectedMs } = stage()
  now.busyness = 0.01
  now.live = 40 * MIB
  time.advance(QUIET_MS)
  now.bytes = 100 * MIB
  time.advance(9 * LOOK_MS)
  expect(collectedMs).toHaveLength(1)
  time.advance(LOOK_MS)
  expect(collectedMs).toHaveLength(2)
})

test('at the end nothing looks any more', () => {
  const { time, now, collectedMs, idleHeap } = stage()
  now.busyness = 0.01
  idleHeap.close()
  time.advance(100 * LOOK_MS)
  expect(collectedMs).toEqual([])
})

test('V8 lets itself be asked', () => {
  const time = new VirtualTime(0)
  const idleHeap = new IdleHeap(time, undefined, () => 0)
  expect(() => time.advance(3 * LOOK_MS)).not.toThrow()
  idleHeap.close()
})
