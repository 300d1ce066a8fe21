import { VirtualTime, type Outcome } from '@stox/kernel'
import fc from 'fast-check'
import { LinkDispatch, chooseByKey, type DispatchEntry, type LinkPeer } from '../src/link-dispatch.ts'

interface Note {
  readonly from: string
  readonly to: string
  readonly n: number
}

/** A link with a window, that keeps what it was given until told to end it. */
class Peer implements LinkPeer<Note> {
  readonly given: DispatchEntry<Note>[] = []
  readonly seen: Note[] = []
  readonly name: string
  readonly window: number

  constructor(name: string, window: number) {
    this.name = name
    this.window = window
  }
  fits(bytes: number): boolean {
    return bytes <= 1000
  }
  hasRoom(): boolean {
    return this.given.length < this.window
  }
  give(entry: DispatchEntry<Note>): void {
    this.given.push(entry)
    this.seen.push(entry.envelope)
  }
}

const delivered: Outcome = { kind: 'delivered', status: 200 }
const dispatchOf = (time: VirtualTime, whenLost: 'offer-again' | 'bounce' = 'offer-again', waitingStanzas = 100) =>
  new LinkDispatch<Note>({
    waitingStanzas,
    waitingBytes: 100_000,
    unattachedHoldMs: 10_000,
    timers: time,
    nowMs: () => time.monotonicMs(),
    choose: ({ from, to }, peers) => chooseByKey(`${from}\n${to}`, peers),
    flowOf: ({ to }) => to,
    whenLost,
  })
const note = (n: number, pair = 0): Note => ({ from: `from-${pair}`, to: 'to', n })

/** Offers, and remembers how each ended. */
function offering(dispatch: LinkDispatch<Note>) {
  const ends = new Map<number, Outcome[]>()
  return {
    ends,
    offer: (one: Note, bytes = 10, holdMs = 40_000): void => {
      ends.set(one.n, [])
      void dispatch.offer(one, bytes, holdMs).then((outcome) => ends.get(one.n)?.push(outcome))
    },
    conditionOf: (n: number): string | undefined => {
      const outcome = ends.get(n)?.[0]
      return outcome?.kind === 'bounced' ? outcome.failure.condition : outcome?.kind
    },
  }
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a pair stays with its link while a stanza of it is open, though its hash names another', async () => {
  const time = new VirtualTime()
  const dispatch = dispatchOf(time)
  const { offer } = offering(dispatch)
  const first = new Peer('a', 10)
  dispatch.attach(first)
  offer(note(1, 7))
  const others = ['b', 'c', 'd', 'e'].map((name) => new Peer(name, 10))
  for (const other of others) dispatch.attach(other)
  expect(chooseByKey('from-7\nto', [first, ...others]).name).not.toBe('a')
  offer(note(2, 7))
  expect(first.seen.map(({ n }) => n)).toEqual([1, 2])
  for (const entry of first.given.splice(0)) dispatch.settle(entry, delivered)
  await settled()
  offer(note(3, 7))
  expect(first.seen).toHaveLength(2)
})

test('the time of a stanza ends it wherever it is, and leaves no timer', async () => {
  const time = new VirtualTime()
  const dispatch = dispatchOf(time)
  const { offer, conditionOf } = offering(dispatch)
  offer(note(1), 10, 3000)
  const peer = new Peer('a', 1)
  dispatch.attach(peer)
  offer(note(2), 10, 5000)
  time.advance(3000)
  await settled()
  expect([conditionOf(1), conditionOf(2)]).toEqual(['remote-server-timeout', undefined])
  time.advance(2000)
  await settled()
  expect(conditionOf(2)).toBe('remote-server-timeout')
  expect(time.armed).toBe(0)
  // What was bounced while it waited is not given when there is room at last.
  peer.given.length = 0
  dispatch.room(peer)
  expect(peer.seen.map(({ n }) => n)).toEqual([1])
})

test('what was bounced for its time while nobody was there makes room for others', async () => {
  const time = new VirtualTime()
  const dispatch = dispatchOf(time, 'offer-again', 2)
  const { offer, conditionOf } = offering(dispatch)
  offer(note(1))
  offer(note(2))
  offer(note(3))
  await settled()
  expect(conditionOf(3)).toBe('resource-constraint')
  time.advance(10_000)
  await settled()
  expect(conditionOf(1)).toBe('remote-server-timeout')
  offer(note(4))
  await settled()
  expect(conditionOf(4)).toBeUndefined()
})

test('closing ends what waits now and what comes later', async () => {
  const time = new VirtualTime()
  const dispatch = dispatchOf(time)
  const { offer, conditionOf, ends } = offering(dispatch)
  const peer = new Peer('a', 1)
  dispatch.attach(peer)
  for (const n of [1, 2]) offer(note(n))
  dispatch.close()
  offer(note(3))
  await settled()
  expect([conditionOf(1), conditionOf(2), conditionOf(3)]).toEqual([
    undefined,
    'remote-server-timeout',
    'remote-server-timeout',
  ])
  dispatch.detach(peer, peer.given)
  await settled()
  expect(ends.get(1)).toHaveLength(1)
  expect(time.armed).toBe(0)
})

type Step =
  | { readonly kind: 'offer'; readonly pair: number }
  | { readonly kind: 'attach' | 'detach' | 'settle'; readonly peer: number }
  | { readonly kind: 'wait'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('offer' as const), pair: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('attach' as const, 'detach' as const), peer: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('settle' as const), peer: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(15_000) }) },
)

test.each(['offer-again', 'bounce'] as const)(
  'whatever comes and goes: one outcome for each, in order for each pair, nothing left behind (%s)',
  async (whenLost) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
        const time = new VirtualTime()
        const dispatch = dispatchOf(time, whenLost)
        const { offer, ends } = offering(dispatch)
        const attached = new Map<number, Peer>()
        const past: Peer[] = []
        let n = 0
        let lives = 0
        for (const one of steps) {
          if (one.kind === 'offer') offer(note((n += 1), one.pair))
          else if (one.kind === 'wait') time.advance(one.ms)
          else if (one.kind === 'attach' && !attached.has(one.peer)) {
            const peer = new Peer(`peer-${one.peer}-${(lives += 1)}`, 2)
            attached.set(one.peer, peer)
            past.push(peer)
            dispatch.attach(peer)
          } else if (one.kind !== 'attach') {
            const peer = attached.get(one.peer)
            const entry = one.kind === 'settle' ? peer?.given.shift() : undefined
            if (peer !== undefined && entry !== undefined) {
              dispatch.settle(entry, delivered)
              dispatch.room(peer)
            }
            if (peer !== undefined && one.kind === 'detach') {
              attached.delete(one.peer)
              dispatch.detach(peer, peer.given)
            }
          }
        }
        for (const peer of past) {
          for (const pair of [0, 1, 2, 3]) {
            const order = peer.seen.filter(({ from }) => from === `from-${pair}`).map((seen) => seen.n)
            expect(order).toEqual(order.toSorted((a, b) => a - b))
          }
        }
        time.advance(40_000)
        await settled()
        expect([...ends.values()].every((outcomes) => outcomes.length === 1)).toBe(true)
        expect(time.armed).toBe(0)
      }),
      { seed: 20261122, numRuns: 300 },
    )
  },
)

test('rendezvous: peers share the keys, and one that goes moves only its own', () => {
  const peers = ['a', 'b', 'c'].map((name) => ({ name }))
  const keys = Array.from({ length: 3000 }, (_, at) => `key ${at}`)
  const before = keys.map((key) => chooseByKey(key, peers).name)
  for (const { name } of peers) expect(before.filter((chosen) => chosen === name).length).toBeGreaterThan(800)
  const after = keys.map((key) => chooseByKey(key, peers.slice(0, 2)).name)
  expect(keys.filter((_key, at) => before[at] !== 'c' && before[at] !== after[at])).toEqual([])
})
