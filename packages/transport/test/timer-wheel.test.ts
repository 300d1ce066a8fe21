import { TimerWheel } from '../src/timer-wheel.ts'

const fail = (error: unknown): never => {
  throw error
}

/** Moves the wheel in small steps, as the real one is moved. */
function run(wheel: TimerWheel, fromMs: number, toMs: number, onThrow: (error: unknown) => void = fail): void {
  for (let now = fromMs; now <= toMs; now += 10) wheel.advance(now, onThrow)
}

describe('TimerWheel', () => {
  test.each([
    ['a slot', 50],
    ['half a second', 500],
    ['between slots', 777],
    ['exactly one turn', 1024 * 50],
    ['more than one turn', 2 * 1024 * 50 + 33],
  ])('%s: never early, at most a slot and a step late', (_name, afterMs) => {
    const wheel = new TimerWheel(50, 1024, 3)
    let now = 3
    let firedAt: number | undefined
    wheel.arm(now, afterMs, () => {
      firedAt = now
    })
    for (; now < afterMs + 1000; now += 10) wheel.advance(now, fail)
    expect(firedAt).toBeGreaterThanOrEqual(3 + afterMs)
    expect(firedAt).toBeLessThanOrEqual(3 + afterMs + 60)
    expect(wheel.size).toBe(0)
  })

  test('a cancelled timer does not fire, twice cancelled counts once', () => {
    const wheel = new TimerWheel(50, 8, 0)
    const fired: string[] = []
    const first = wheel.arm(0, 100, () => fired.push('first'))
    wheel.arm(0, 100, () => fired.push('second'))
    first.cancel()
    first.cancel()
    expect(wheel.size).toBe(1)
    run(wheel, 0, 300)
    expect(fired).toEqual(['second'])
  })

  test('one that fires may cancel its neighbour and arm anew, also into its own slot', () => {
    const wheel = new TimerWheel(50, 8, 0)
    const fired: string[] = []
    const timers = [0, 1].map((n) =>
      wheel.arm(0, 100, () => {
        fired.push(`${n}`)
        timers[1 - n]?.cancel()
        wheel.arm(100, 8 * 50, () => fired.push('again'))
      }),
    )
    run(wheel, 0, 400)
    expect(fired).toHaveLength(1)
    run(wheel, 410, 700)
    expect(fired).toHaveLength(2)
    expect(wheel.size).toBe(0)
  })

  test('a throw ends neither the slot nor the wheel', () => {
    const wheel = new TimerWheel(50, 8, 0)
    const thrown: unknown[] = []
    let fired = 0
    for (let n = 0; n < 3; n += 1)
      wheel.arm(0, 60, () => {
        fired += 1
        throw new Error('x')
      })
    run(wheel, 0, 200, (error) => thrown.push(error))
    expect([fired, thrown.length, wheel.size]).toEqual([3, 3, 0])
  })

  test('after a long sleep everything due fires, in one turn', () => {
    const wheel = new TimerWheel(50, 16, 0)
    let fired = 0
    for (let ms = 50; ms <= 5000; ms += 50)
      wheel.arm(0, ms, () => {
        fired += 1
      })
    wheel.arm(0, 3_600_000, () => {
      fired += 1000
    })
    wheel.advance(60_000, fail)
    expect([fired, wheel.size]).toEqual([100, 1])
  })

  test('timers of one slot fire in the order they were armed', () => {
    const wheel = new TimerWheel(50, 8, 0)
    const fired: number[] = []
    for (let n = 0; n < 5; n += 1) wheel.arm(0, 100, () => fired.push(n))
    run(wheel, 0, 200)
    expect(fired).toEqual([0, 1, 2, 3, 4])
  })

  test('nothing fires during arm', () => {
    const wheel = new TimerWheel(50, 16, 0)
    let fired = 0
    wheel.arm(0, 0, () => {
      fired += 1
    })
    expect(fired).toBe(0)
    wheel.advance(50, fail)
    expect(fired).toBe(1)
  })
})
