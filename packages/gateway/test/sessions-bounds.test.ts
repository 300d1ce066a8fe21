import { busyForSessionS } from '../src/take-session.ts'
import { settle } from './stage.ts'
import { world, body, inviteOf, inDialog, opened, statusesOf } from './session-world.ts'
import type { World } from './session-world.ts'

describe('bounds', () => {
  test('both begin at once: each has his session, and a third ends the first', async () => {
    const at = world()
    await at.deliver(body('one'))
    await opened(at, { callId: 'call-a' })
    expect(at.sessions.size).toBe(2)
    await opened(at, { callId: 'call-b' })
    expect([at.sessions.size, at.logged.at(-1)]).toEqual([2, 'session-opened'])
    expect(at.logged).toContain('session-closed us room')
    at.asked()
    await at.deliver(body('two'))
    expect(at.asked()).toEqual(['MESSAGE 1 in two'])
  })

  const many = (at: World, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_none, n) => at.deliver(body('x'), "type='chat'", `u${n}@capulet.example`)),
    )

  test.each([{ most: 3 }, { mostPerDomain: 3 }])('%j: full, until one was silent for a minute', async (limits) => {
    const at = world(limits)
    await many(at, 3)
    expect(await at.deliver(body('one'))).toMatchObject({
      kind: 'bounced',
      failure: { condition: 'resource-constraint' },
    })
    expect(busyForSessionS(at.room, inviteOf())).toBeGreaterThan(0)
    expect(await statusesOf(at, inviteOf())).toEqual([480])
    at.time.advance(60_001)
    expect(busyForSessionS(at.room, inviteOf())).toBeUndefined()
    expect(await at.deliver(body('two'))).toEqual({ kind: 'delivered', status: 200 })
    expect(at.sessions.size).toBe(3)
  })

  test('INVITEs that are not acknowledged shut the door, for what is new alone', async () => {
    const at = world()
    for (const callId of ['a', 'b', 'c']) {
      at.take(inviteOf({ callId, from: `${callId}@capulet.example` }))
      await settle()
    }
    expect(busyForSessionS(at.room, inviteOf())).toBeGreaterThan(0)
    expect(busyForSessionS(at.room, inDialog('INVITE', 2))).toBeUndefined()
    expect(busyForSessionS(at.room, inDialog('BYE', 2))).toBeUndefined()
  })

  test('told to stop: BYE in all of them, and no timer is left', async () => {
    const at = world()
    await many(at, 5)
    at.asked()
    let isDone = false
    const drained = at.sessions.drain(2000).then(() => (isDone = true))
    for (let turns = 0; turns < 200 && !isDone; turns += 1) {
      await settle()
      at.time.advance(20)
    }
    await drained
    expect(at.asked()).toEqual(Array(5).fill('BYE 3 in'))
    expect([at.sessions.size, at.time.armed]).toEqual([0, 0])
  })
})
