import { VirtualTime } from '@stox/kernel'
import type { Outcome } from '@stox/kernel'
import { parseJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { absorbed, bounced, delivered, tooManyWaiting } from '../src/bounce.ts'
import { Repeats } from '../src/repeats.ts'
import type { SentToXmpp } from '../src/repeats.ts'
import { countingIds, settle } from './stage.ts'

const jid = (text: string): Jid => {
  const parsed = parseJid(text)
  if (!parsed.ok) throw new Error(text)
  return parsed.value
}
const from = jid('juliet@capulet.example/gr\u00fcn 😀')
const to = jid('r\u00f3meo@montague.example')
const asks = {
  ...{ messageId: 'm1', dateTime: '2026-01-01T00:00:00Z', delivered: true, failed: true, displayed: false },
  ...{
    from: 'im:juliet@capulet.example',
    to: 'im:romeo@montague.example',
    route: ['im:a@b.example', 'im:c@d.example'],
  },
}

interface World {
  readonly time: VirtualTime
  readonly repeats: Repeats
  readonly end: (outcome: Outcome) => Promise<void>
  readonly fail: (error: Error) => Promise<void>
}
/** One message is under way. */
function world(more: Partial<SentToXmpp> = {}): World {
  const time = new VirtualTime()
  const repeats = new Repeats(time, countingIds())
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
  repeats.note('m', { from, to, callId: 'call-ü', asks: undefined, outcome: promise, ...more })
  return {
    ...{ time, repeats },
    end: (outcome) => (resolve(outcome), settle()),
    fail: (error) => (reject(error), settle()),
  }
}

test.each([
  ['delivered', delivered(202)],
  ['absorbed', absorbed('duplicate')],
  ['bounced, with all that the failure says', bounced({ ...tooManyWaiting, alternate: 'sip:x@y.example' })],
])('mapping C.3: a copy ends as the first did, %s, for 37 s', async (_how, outcome) => {
  const { time, repeats, end } = world()
  const underWay = repeats.outcomeOf('m')
  await end(outcome)
  time.advance(36_999)
  expect([await underWay, await repeats.outcomeOf('m')]).toEqual([outcome, outcome])
  time.advance(1)
  expect(repeats.outcomeOf('m')).toBeUndefined()
  expect(await repeats.peek('m')?.outcome).toEqual(outcome)
})

test.each([
  ['under way', undefined, undefined],
  ['ended', delivered(200), undefined],
  ['ended, and its sender asked for reports', delivered(200), asks],
])('what it was stays known, %s', async (_when, outcome, asked) => {
  const { repeats, end } = world({ asks: asked })
  if (outcome !== undefined) await end(outcome)
  expect(repeats.peek('m')).toEqual({ from, to, callId: 'call-ü', asks: asked, outcome: expect.any(Promise) })
  expect(repeats.peek('n')).toBeUndefined()
})

test.each([
  ['while it is under way, and then it ends', true],
  ['after it has ended', false],
])('mapping B.4: each thing is told once, %s', async (_when, early) => {
  const { repeats, end } = world({ asks })
  if (!early) await end(delivered(200))
  expect([repeats.tellOnce('m', 'error')?.asks, repeats.tellOnce('m', 'error')]).toEqual([asks, undefined])
  if (early) await end(delivered(200))
  expect(repeats.tellOnce('m', 'error')).toBeUndefined()
  expect(await repeats.tellOnce('m', 'display')?.outcome).toEqual(delivered(200))
  expect([repeats.tellOnce('m', 'display'), repeats.tellOnce('n', 'error')]).toEqual([undefined, undefined])
})

test('an id that comes again while the first is under way is the second message', async () => {
  const { repeats, end } = world()
  const other = jid('nurse@capulet.example')
  repeats.note('m', { from: other, to, callId: 'other', asks: undefined, outcome: Promise.resolve(delivered(202)) })
  await settle()
  await end(absorbed('expired'))
  expect(repeats.peek('m')).toMatchObject({ from: other, callId: 'other' })
  expect(await repeats.outcomeOf('m')).toEqual(delivered(202))
})

test('a journey that broke down is told to its copies as such', async () => {
  const { repeats, fail } = world()
  await fail(new Error('a bug'))
  expect(await repeats.outcomeOf('m')).toMatchObject({ kind: 'bounced', failure: { fault: 'us', detail: 'a bug' } })
})
