import { newSipRequest, newSipResponse } from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import { openMemoryStore } from '@stox/store'
import type { SubscriptionRecord } from '@stox/store'
import { VirtualTime, silentLog } from '@stox/kernel'
import type { KeepPresenceDeps, PresenceKeeper } from '../src/keep-presence.ts'
import { NewWorkDoor } from '../src/new-work-door.ts'
import { PacedTurns } from '../src/paced-turns.ts'
import { addr, incomingOf, indexFor, newStage, presenceKeeper, presenceOf, respondTo, settle } from './stage.ts'
import type { Stage } from './stage.ts'

const watcher = (at: number): string => `w${at}@capulet.example`
const contact = (at: number): string => `c${at}@montague.example`

interface World {
  readonly stage: Stage
  keeper: PresenceKeeper
}
function world(more: Partial<KeepPresenceDeps> = {}): World {
  const stage = newStage()
  return { stage, keeper: presenceKeeper(stage, indexFor(), 5000, more) }
}

const subscribeOf = (at: number, dialog?: { readonly tag: string; readonly cseq: number }): SipRequest =>
  newSipRequest({
    method: 'SUBSCRIBE',
    uri: `sip:${contact(at)}`,
    from: addr(`<sip:${watcher(at)}>`, `f${at}`),
    to: addr(`<sip:${contact(at)}>`, dialog?.tag),
    callId: `call-${at}`,
    cseq: dialog?.cseq ?? 1,
    headers: [
      ['Event', 'presence'],
      ['Expires', '3600'],
      ['Contact', `<sip:${watcher(at)}:5060>`],
    ],
  })

/** As the endpoint hands it over, or does not. */
async function subscribe(on: World, request: SipRequest): Promise<SipResponse> {
  const afterS = on.keeper.busyForS(request)
  if (afterS !== undefined)
    return newSipResponse(request, 503, undefined, { headers: [['Retry-After', String(afterS)]] })
  const { incoming, responses } = incomingOf(request)
  on.keeper.takeSubscribe(incoming)
  await settle()
  const [response] = responses
  if (response === undefined) throw new Error('no answer')
  return response
}

async function xmpp(on: World, at: number, attributes: string, content = '', resource = '') {
  const xml = `<presence xmlns='jabber:server' from='${contact(at)}${resource}' to='${watcher(at)}' ${attributes}>${content}</presence>`
  const outcome = await on.keeper.takePresence(presenceOf(xml))
  await settle()
  return outcome
}

/** Subscribed, let in, and shown where the contact is. */
async function watches(on: World, at: number): Promise<SipResponse> {
  const response = await subscribe(on, subscribeOf(at))
  await xmpp(on, at, "type='subscribed'")
  await xmpp(on, at, '', '', '/here')
  on.stage.time.advance(5000)
  await settle()
  return response
}

async function wait(on: World, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    on.stage.time.advance(Math.min(250, left))
    await settle()
  }
}

describe('more new subscriptions than we end', () => {
  test('RFC 3261 §21.5.4: 503 with Retry-After; dialogs that live go on; room comes with the answers', async () => {
    const on = world({ mostNew: 3 })
    const living = await watches(on, 0)
    // From now on nobody answers a NOTIFY.
    const answers: (() => void)[] = []
    on.stage.sip.answer = (request) =>
      new Promise((resolve) => {
        answers.push(() => resolve(respondTo(request, 200)))
      })
    const statuses: number[] = []
    for (const at of [1, 2, 3, 4, 5]) statuses.push((await subscribe(on, subscribeOf(at))).status)
    expect(statuses).toEqual([200, 200, 200, 503, 503])
    const refused = await subscribe(on, subscribeOf(6))
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThanOrEqual(1)
    // Nothing is kept of those.
    expect(await on.stage.store.subscriptions.get(`sip-watches-xmpp|${watcher(6)}|${contact(6)}`)).toBeUndefined()

    const tag = living.core.to.params.get('tag') ?? ''
    expect((await subscribe(on, subscribeOf(0, { tag, cseq: 2 }))).status).toBe(200)
    for (const answer of answers) answer()
    await settle()
    expect((await subscribe(on, subscribeOf(6))).status).toBe(200)
  })

  test('a watcher who never answers his NOTIFY keeps nobody out for long', async () => {
    const on = world({ mostNew: 1 })
    on.stage.sip.answer = () => new Promise(() => undefined)
    expect((await subscribe(on, subscribeOf(1))).status).toBe(200)
    expect((await subscribe(on, subscribeOf(2))).status).toBe(503)
    await wait(on, 2500)
    expect((await subscribe(on, subscribeOf(2))).status).toBe(200)
  })

  test('a process that runs late takes no new ones', async () => {
    let late = false
    const on = world({ isLate: () => late })
    const living = await watches(on, 0)
    late = true
    expect((await subscribe(on, subscribeOf(1))).status).toBe(503)
    const tag = living.core.to.params.get('tag') ?? ''
    expect((await subscribe(on, subscribeOf(0, { tag, cseq: 2 }))).status).toBe(200)
  })

  test('of a partner: resource-constraint, to be tried later; what is known is told all the same', async () => {
    const on = world({ mostNew: 2 })
    on.stage.sip.answer = () => new Promise(() => undefined)
    const asks = async (at: number, type: string) => xmpp(on, at, `type='${type}'`)
    expect(await asks(1, 'subscribe')).toMatchObject({ kind: 'absorbed' })
    expect(await asks(2, 'probe')).toMatchObject({ kind: 'absorbed' })
    for (const type of ['subscribe', 'probe'])
      expect(await asks(3, type)).toMatchObject({
        kind: 'bounced',
        failure: { condition: 'resource-constraint', errorType: 'wait', retry: 'later' },
      })
    expect(await asks(1, 'unsubscribe')).toMatchObject({ kind: 'absorbed' })
    await wait(on, 2500)
    expect(await asks(3, 'subscribe')).toMatchObject({ kind: 'absorbed' })
  })

  test('who is sent away comes back at a time of his own, as fast as we work and no faster', () => {
    const time = new VirtualTime()
    const door = new NewWorkDoor(time, 100)
    // A hundred a second are ended.
    for (let at = 0; at < 3000; at += 1) {
      const end = door.enter()
      time.advance(10)
      end()
    }
    const times = Array.from({ length: 1000 }, () => door.appointmentS())
    expect(times.toSorted((a, b) => a - b)).toEqual(times)
    expect(times[0]).toBe(2)
    expect(times.at(-1)).toBeGreaterThanOrEqual(10)
    expect(times.at(-1)).toBeLessThanOrEqual(12)
    for (let at = 0; at < 100_000; at += 1) door.appointmentS()
    expect(door.appointmentS()).toBe(60)
  })
})

describe('one after the other', () => {
  test('at the pace, faster when they are many, and those that are taken out do not come', () => {
    const time = new VirtualTime()
    const done: number[] = []
    const turns = new PacedTurns<number>({ clock: time, timers: time }, { perS: 100, longestMs: 10_000 }, (one) => {
      done.push(one)
    })
    turns.add([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(turns.drop(3)).toBe(true)
    time.advance(50)
    expect(done).toEqual([1, 2, 4, 5, 6])
    time.advance(100)
    expect(done).toEqual([1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    expect(time.armed).toBe(0)
    done.length = 0
    turns.add(Array.from({ length: 5000 }, (_, at) => at))
    time.advance(1000)
    expect(done).toHaveLength(500)
    time.advance(9050)
    expect(done).toHaveLength(5000)
  })

  test('what a process was too late for is not made good in one go', () => {
    const time = new VirtualTime()
    let nowMs = 0
    let done = 0
    const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
    const turns = new PacedTurns<number>({ clock, timers: time }, { perS: 100, longestMs: 60_000 }, () => (done += 1))
    turns.add(Array.from({ length: 1000 }, (_, at) => at))
    nowMs = 5000
    time.advance(50)
    expect(done).toBe(20)
    turns.close()
  })
})

describe('D.10: many after kill -9', () => {
  const MANY = 400

  test('at 100 a second; who has something to say does not wait for his turn', async () => {
    const on = world()
    for (let at = 0; at < MANY; at += 1) {
      await subscribe(on, subscribeOf(at))
      await xmpp(on, at, "type='subscribed'")
      await xmpp(on, at, '', '', '/here')
    }
    await wait(on, 6000)
    on.keeper.close()
    on.stage.link.take()
    on.stage.sip.take()
    on.keeper = presenceKeeper(on.stage, indexFor())
    await on.keeper.load()
    on.keeper.start()
    await wait(on, 500)
    expect(on.stage.link.take()).toHaveLength(50)
    // Of the last one, whose turn is far away.
    expect(on.stage.sip.take()).toEqual([])
    await xmpp(on, MANY - 1, '', '<show>dnd</show>', '/here')
    const [first] = on.stage.sip.take()
    expect(first?.core.callId).toBe(`call-${MANY - 1}`)
    expect(Buffer.from(first?.body ?? []).toString()).toContain('dnd')

    const perSecond: number[] = []
    for (let second = 0; second < 4; second += 1) {
      await wait(on, 1000)
      perSecond.push(on.stage.link.take().length)
    }
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(101)
    await wait(on, 3000)
    // Each of the others is told once.
    const told = on.stage.sip.take().map((request) => request.core.callId)
    expect(told).toHaveLength(MANY - 1)
    expect(new Set(told).size).toBe(MANY - 1)
  })
})

describe('D.10: kill -9 at any moment', () => {
  /** Keeps what was committed, as a disk does; a crash loses the rest. */
  class Disk {
    readonly rows = new Map<string, SubscriptionRecord>()
    #noted = new Map<string, SubscriptionRecord | null>()
    #waiting: (() => void)[] = []

    readonly store: KeepPresenceDeps['store'] = {
      put: (record: SubscriptionRecord, options?: { readonly durable: true }) => {
        this.#noted.set(record.id, { ...record })
        return this.#when(options)
      },
      delete: (id: string, options?: { readonly durable: true }) => {
        this.#noted.set(id, null)
        return this.#when(options)
      },
    } as unknown as KeepPresenceDeps['store']

    #when(options: { readonly durable: true } | undefined): Promise<void> | undefined {
      return options === undefined ? undefined : new Promise((resolve) => this.#waiting.push(resolve))
    }

    commit(): void {
      for (const [id, row] of this.#noted) {
        if (row === null) this.rows.delete(id)
        else this.rows.set(id, row)
      }
      this.#noted = new Map()
      for (const resolve of this.#waiting.splice(0)) resolve()
    }
  }

  interface Told {
    readonly responses: readonly SipResponse[]
    readonly notifies: readonly SipRequest[]
    readonly stanzas: readonly string[]
  }

  /** A SIP user subscribes, is let in, hears of two changes, comes with a second device and goes with the first. */
  function scenario(on: World, disk: Disk): { readonly steps: readonly (() => void)[]; told(): Told } {
    const taken: SipResponse[][] = []
    const ask = (request: SipRequest): void => {
      const { incoming, responses } = incomingOf(request)
      taken.push(responses)
      on.keeper.takeSubscribe(incoming)
    }
    const say = (attributes: string, content = '', resource = ''): void => {
      const xml = `<presence xmlns='jabber:server' from='${contact(1)}${resource}' to='${watcher(1)}' ${attributes}>${content}</presence>`
      void on.keeper.takePresence(presenceOf(xml))
    }
    const tag = (): string => taken[0]?.[0]?.core.to.params.get('tag') ?? ''
    const second = (): SipRequest => {
      const request = subscribeOf(1)
      return newSipRequest({
        method: 'SUBSCRIBE',
        uri: request.uri,
        from: addr(`<sip:${watcher(1)}>`, 'tablet'),
        to: addr(`<sip:${contact(1)}>`),
        callId: 'call-tablet',
        cseq: 1,
        headers: [
          ['Event', 'presence'],
          ['Expires', '3600'],
          ['Contact', '<sip:tablet.example>'],
        ],
      })
    }
    const acts = [
      () => ask(subscribeOf(1)),
      () => say("type='subscribed'"),
      () => say('', '', '/here'),
      () => on.stage.time.advance(6000),
      () => say('', '<show>away</show>', '/here'),
      () => on.stage.time.advance(6000),
      () => ask(second()),
      () => ask(subscribeOf(1, { tag: tag(), cseq: 2 })),
    ]
    return {
      // A crash before and after each commit is a moment of its own.
      steps: acts.flatMap((act) => [act, () => disk.commit(), () => disk.commit()]),
      told: () => ({
        responses: taken.flat(),
        notifies: on.stage.sip.sent.map(({ request }) => request),
        stanzas: on.stage.link.take().map((stanza) => (stanza.kind === 'presence' ? stanza.type : stanza.kind)),
      }),
    }
  }

  const MOMENTS = 24
  test.each(Array.from({ length: MOMENTS + 1 }, (_, moment) => [moment]))('moment %i', async (moment) => {
    const disk = new Disk()
    const on = world({ store: disk.store })
    const { steps, told } = scenario(on, disk)
    expect(steps).toHaveLength(MOMENTS)
    for (const step of steps.slice(0, moment)) {
      step()
      await settle()
    }
    const before = told()
    on.keeper.close()
    on.stage.sip.sent.splice(0)

    // The next process knows what was on the disk, and nothing else.
    const store = openMemoryStore({ clock: on.stage.time, timers: on.stage.time, log: silentLog })
    for (const row of disk.rows.values()) store.subscriptions.put(row)
    on.keeper = presenceKeeper(on.stage, indexFor(), 5000, { store: store.subscriptions })
    await on.keeper.load()
    on.keeper.start()
    await wait(on, 10_000)
    const after = told()
    const asked = before.stanzas.filter((type) => type === 'subscribe').length
    // Nobody who let us in is asked again.
    const record = await store.subscriptions.get(`sip-watches-xmpp|${watcher(1)}|${contact(1)}`)
    if (record?.authorization === 'active') expect(after.stanzas).not.toContain('subscribe')
    if (asked > 0) expect(record).toBeDefined()
    if (before.notifies.some((one) => one.headers.get('Subscription-State')?.startsWith('active')))
      expect(record?.authorization).toBe('active')

    for (const response of before.responses.filter(({ status }) => status === 200)) {
      const { callId } = response.core
      const cseqs = (notifies: readonly SipRequest[]): readonly number[] =>
        notifies.filter((one) => one.core.callId === callId).map((one) => one.core.cseq.number)
      // Who was told that he watches is told anew, in the dialog that he knows, with numbers that he has not seen.
      const [seen, anew] = [cseqs(before.notifies), cseqs(after.notifies)]
      expect(anew.length).toBeGreaterThanOrEqual(1)
      expect(Math.min(...anew)).toBeGreaterThan(Math.max(0, ...seen))
      const tag = response.core.to.params.get('tag') ?? ''
      const refresh = newSipRequest({
        method: 'SUBSCRIBE',
        uri: `sip:${contact(1)}`,
        from: response.core.from,
        to: addr(`<sip:${contact(1)}>`, tag),
        callId,
        cseq: 9,
        headers: [
          ['Event', 'presence'],
          ['Expires', '3600'],
          ['Contact', '<sip:there.example>'],
        ],
      })
      expect((await subscribe(on, refresh)).status).toBe(200)
    }
    on.keeper.close()
  })
})
