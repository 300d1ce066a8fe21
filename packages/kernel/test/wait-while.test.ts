import { VirtualTime } from '../src/clock.ts'
import { waitWhile } from '../src/wait-while.ts'

/** What was waited for so far may go on. */
const turn = (): Promise<void> => Promise.resolve()

function waiting(holds: () => boolean): { readonly time: VirtualTime; readonly isOver: () => boolean } {
  const time = new VirtualTime()
  let over = false
  void waitWhile({ clock: time, timers: time }, holds, 100, 10).then(() => (over = true))
  return { time, isOver: () => over }
}

async function pass(time: VirtualTime, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 10) {
    time.advance(10)
    await turn()
    await turn()
  }
}

test('it ends at the first look at which nothing is left to wait for', async () => {
  let left = 1
  const { time, isOver } = waiting(() => left > 0)
  await pass(time, 50)
  expect(isOver()).toBe(false)
  left = 0
  await pass(time, 10)
  expect([isOver(), time.armed]).toEqual([true, 0])
})

test('it ends when the time is over', async () => {
  const { time, isOver } = waiting(() => true)
  await pass(time, 90)
  expect(isOver()).toBe(false)
  await pass(time, 10)
  expect([isOver(), time.armed]).toEqual([true, 0])
})

test('where nothing is to be waited for no timer is armed', async () => {
  const { time, isOver } = waiting(() => false)
  await turn()
  await turn()
  expect([isOver(), time.armed]).toEqual([true, 0])
})
