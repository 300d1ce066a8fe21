import { VirtualTime } from '@stox/kernel'
import { SharedRoom } from '../src/shared-room.ts'

function stage(least = 1 / 64) {
  const time = new VirtualTime()
  let busy = 0
  const room = new SharedRoom(time, () => busy, least)
  const after = (tenths: number, isBusy: number): number => {
    busy = isBusy
    for (let count = 0; count < tenths; count += 1) {
      time.advance(100)
      void room.share
    }
    return room.share
  }
  return { time, room, after }
}

test('begins with the least, and grows to all while there is little to do', () => {
  const { room, after } = stage()
  expect(room.share).toBe(1 / 64)
  expect(after(10, 0.3)).toBeCloseTo(1.1 ** 10 / 64)
  expect(after(100, 0.3)).toBe(1)
})

test('is halved each time when there is much, and never less than the least', () => {
  const { after } = stage()
  after(100, 0)
  expect([after(1, 0.9), after(1, 0.9), after(1, 0.9)]).toEqual([0.5, 0.25, 0.125])
  expect(after(20, 0.9)).toBe(1 / 64)
})

test('is looked at ten times a second, however often it is asked', () => {
  const { time, room, after } = stage()
  after(100, 0)
  for (let count = 0; count < 10; count += 1) expect(room.share).toBe(1)
  time.advance(99)
  expect(room.share).toBe(1)
})
