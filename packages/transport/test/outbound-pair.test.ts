import type { Timer } from '@stox/kernel'
import { VirtualTime, chanceFrom } from '@stox/kernel'
import { DEFAULT_XML_LIMITS, XmlStreamReader } from '@stox/xml'
import type { StreamEffect, StreamFailure, StreamInput, StreamRules, StreamTimes } from '@stox/xmpp-engine'
import { advanceInitiating, advanceReceiving, failureOf, startInitiating, startReceiving } from '@stox/xmpp-engine'
import type { SendOutcome } from '@stox/transport'
import { nodeHashes } from '@stox/transport'
import { OutboundPair } from '../src/outbound-pair.ts'
import type { OutboundStanza, StanzaCarrier } from '../src/outbound-stanza.ts'
import { StreamLedger } from '../src/stream-ledger.ts'
import { domain } from './xmpp-support.ts'

const ROMEO = domain('montague.example')
const JULIET = domain('capulet.example')
const RULES: StreamRules = {
  tls: 'notSupported',
  methods: ['dialback-over-tcp'],
  maxStanzaBytes: 50_000,
  keepAlive: false,
}
const TIMES: StreamTimes = { establishmentMs: 5_000, idleMs: 60_000, keepAliveMs: 30_000, closeMs: 1_000 }
const ENTRIES = 16
const GONE: StreamFailure = { kind: 'closed', detail: 'the connection broke' }

/** One side of a connection: its machine, its ledger, what it writes in one turn. */
class End {
  readonly ledger: StreamLedger
  readonly #time: VirtualTime
  readonly #timers = new Map<string, Timer>()
  #reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
  #written = ''
  #isOver = false
  advance: (input: StreamInput) => readonly StreamEffect[] = () => []
  onEffect: (effect: StreamEffect) => void = () => {}
  onProgress: () => void = () => {}
  send: (text: string) => void = () => {}

  constructor(time: VirtualTime) {
    this.#time = time
    this.ledger = new StreamLedger({
      clock: time,
      timers: time,
      arrived: { kind: 'sent', streamId: 'a stream' },
      maxEntries: ENTRIES,
      maxBytes: 1_000_000,
      acknowledgeWithinMs: 5_000,
      acknowledge: () => this.input({ kind: 'acknowledge' }),
      ask: () => this.write(''),
      onProgress: () => this.onProgress(),
      isListening: () => true,
      onSilence: () => this.input({ kind: 'close', error: { condition: 'connection-timeout', text: undefined } }),
    })
  }

  input(input: StreamInput): void {
    if (!this.#isOver) this.perform(this.advance(input))
  }

  read(text: string): void {
    for (const event of this.#reader.push(Buffer.from(text))) this.input({ kind: 'xml', event })
  }

  write(text: string): void {
    if (this.#written === '') {
      this.#time.arm(0, () => {
        const all = this.#written + this.ledger.ours.request()
        this.#written = ''
        this.send(all.trimStart())
      })
    }
    this.#written += text === '' ? ' ' : text
  }

  perform(effects: readonly StreamEffect[]): void {
    const { ledger } = this
    for (const effect of effects) {
      if (effect.kind === 'write') this.write(effect.text)
      else if (effect.kind === 'managed') {
        if (effect.theirs) ledger.beginTheirs()
        if (effect.ours) ledger.ours.begin()
      } else if (effect.kind === 'acknowledged') ledger.ours.acknowledge(effect.count)
      else if (effect.kind === 'asked') ledger.wasAsked()
      else if (effect.kind === 'arm-timer') this.#arm(effect.timer, effect.afterMs)
      else if (effect.kind === 'cancel-timer') this.#timers.get(effect.timer)?.cancel()
      else {
        if (effect.kind === 'ended') ledger.ours.finish()
        this.onEffect(effect)
        if (effect.kind === 'hang-up') this.#end()
      }
    }
  }

  #arm(timer: 'establishment' | 'idle' | 'keep-alive' | 'close', afterMs: number): void {
    this.#timers.get(timer)?.cancel()
    this.#timers.set(
      timer,
      this.#time.arm(afterMs, () => this.input({ kind: 'timer', timer, quietMs: afterMs })),
    )
  }

  #end(): void {
    this.#isOver = true
    this.ledger.close()
    for (const timer of this.#timers.values()) timer.cancel()
  }
}

/** Romeo's server sends, Juliet's takes; what is between them is late, comes in crumbs, and breaks. */
class Two {
  readonly time = new VirtualTime()
  readonly pair: OutboundPair
  readonly outcomes = new Map<string, SendOutcome>()
  /** Every time that Juliet's server took it, and those that have come to their end there. */
  readonly taken: string[] = []
  readonly ended = new Set<string>()
  readonly #chance: () => number
  readonly #isManaged: boolean
  /** The last cut went through a stream that stood. */
  wasUp = false
  #isUp = false
  #cut: () => void = () => {}
  #streams = 0
  #handlingMs: number

  constructor(seed: number, options: { readonly isManaged?: boolean; readonly handlingMs?: number } = {}) {
    this.#chance = chanceFrom(seed)
    this.#isManaged = options.isManaged ?? true
    this.#handlingMs = options.handlingMs ?? 60
    this.pair = new OutboundPair({
      local: ROMEO,
      remote: JULIET,
      clock: this.time,
      timers: this.time,
      ids: { token: () => 'x', fraction: this.#chance },
      queueEntries: 200,
      queueBytes: 1_000_000,
      backOffFirstMs: 500,
      backOffCapMs: 5_000,
      dial: () => this.#dial(),
    })
  }

  send(id: string, maxWaitMs = 20_000): void {
    const xml = `<message from='r@${ROMEO}' to='j@${JULIET}' id='${id}'/>`
    void this.pair.send(xml, maxWaitMs).then((outcome) => this.outcomes.set(id, outcome))
  }

  /** The connection breaks: what is under way is lost, and Juliet's server, when it died, has lost what it had in hand. */
  cut(didDie: boolean): void {
    this.wasUp = this.#isUp
    this.#cut()
    if (didDie) this.#streams += 1
  }

  readonly #late = (act: () => void, atMost = 30): Timer => this.time.arm(this.#chance() * atMost, act)

  #dial(): void {
    const romeo = new End(this.time)
    const juliet = new End(this.time)
    let isCut = false
    const world = { hashes: nodeHashes, times: TIMES, dialbackSecret: () => 'a secret', judge: () => ALLOWED }
    const dialing = {
      ...world,
      local: ROMEO,
      remote: JULIET,
      purpose: { kind: 'stanzas' } as const,
      counts: romeo.ledger,
      judgeCertificate: () => NO_CERTIFICATE,
      holdsCertificate: () => false,
    }
    const answering = {
      ...world,
      ids: { token: () => `stream ${this.#streams}`, fraction: this.#chance },
      counts: juliet.ledger,
      isServed: (name: string) => name === JULIET,
      hasRoom: () => true,
      penaltyOf: () => undefined,
      canEncrypt: () => false,
      judgeCertificate: () => NO_CERTIFICATE,
    }
    let initiating = startInitiating(dialing)
    let receiving = startReceiving(answering)
    romeo.advance = (input) => (initiating = advanceInitiating(initiating.state, input, dialing)).effects
    juliet.advance = (input) => (receiving = advanceReceiving(receiving.state, input, answering)).effects
    this.#connect(romeo, juliet, () => isCut)
    this.#connect(juliet, romeo, () => isCut)
    let mine: StanzaCarrier | undefined
    romeo.onProgress = () => this.pair.onRoom()
    romeo.onEffect = (effect) => {
      if (effect.kind === 'ready') {
        this.#isUp = true
        mine = carrier(romeo)
        this.pair.onReady(mine)
      } else if (effect.kind === 'ended') {
        this.#isUp = false
        this.pair.onEnded(effect.failure)
      } else if (effect.kind === 'hang-up') {
        this.pair.onGone(mine)
        this.#late(() => juliet.input({ kind: 'gone', failure: GONE }))
      }
    }
    juliet.onEffect = (effect) => {
      if (effect.kind === 'verify') {
        const { local, remote } = effect
        const verdict = { type: 'valid' } as const
        this.#late(() => juliet.input({ kind: 'dialback-verdict', local, remote, verdict, encrypted: false }))
      } else if (effect.kind === 'hang-up') this.#late(() => romeo.input({ kind: 'gone', failure: GONE }))
      else if (effect.kind === 'stanza') {
        const id = effect.stanza.id ?? ''
        const place = juliet.ledger.take()
        const life = this.#streams
        this.taken.push(id)
        this.#late(() => {
          if (life !== this.#streams) return
          this.ended.add(id)
          juliet.ledger.settle(place)
        }, this.#handlingMs)
      }
    }
    this.#cut = () => {
      isCut = true
      this.#late(() => romeo.input({ kind: 'gone', failure: GONE }))
      this.#late(() => juliet.input({ kind: 'gone', failure: GONE }))
    }
    juliet.perform(receiving.effects)
    romeo.perform(initiating.effects)
  }

  /** In order, late, and in pieces. */
  #connect(from: End, to: End, isCut: () => boolean): void {
    let lastMs = 0
    from.send = (text) => {
      const offered = this.#isManaged ? text : text.replace(/<sm [^>]*>/, '')
      const middle = Math.floor(this.#chance() * offered.length)
      for (const piece of [offered.slice(0, middle), offered.slice(middle)]) {
        lastMs = Math.max(lastMs, this.time.monotonicMs() + this.#chance() * 20)
        this.time.arm(lastMs - this.time.monotonicMs(), () => {
          if (!isCut()) to.read(piece)
        })
      }
    }
  }
}

const ALLOWED = { allowed: true, rules: RULES } as const
const NO_CERTIFICATE = { ok: false, reason: 'in the clear' } as const

function carrier(end: End): StanzaCarrier {
  const { ours } = end.ledger
  return {
    maxBytes: 50_000,
    get isFull() {
      return ours.isFull
    },
    get open() {
      return ours.open
    },
    write(stanza: OutboundStanza) {
      if (ours.isOn) ours.push(stanza)
      else stanza.settle({ kind: 'sent', streamId: 'a stream' })
      end.write(stanza.xml)
    },
    leftovers: () => ours.leftovers(),
  }
}

const IDS = Array.from({ length: 60 }, (_, count) => `m${count}`)
/** Settled promises are told in a turn of their own. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function play(two: Two, cuts: readonly number[], didDie: boolean): Promise<void> {
  IDS.forEach((id, count) => two.time.arm(count * 5, () => two.send(id)))
  for (const atMs of cuts) two.time.arm(atMs, () => two.cut(didDie))
  two.time.advance(120_000)
  await turn()
}

const timesTaken = (two: Two) => IDS.map((id) => two.taken.filter((taken) => taken === id).length)
const firstTaken = (two: Two) => two.taken.filter((id, place) => two.taken.indexOf(id) === place)

describe('a stream that breaks, at every point of its life (XEP-0198 §4)', () => {
  test.each([
    ['the connection alone', false],
    ['the other server with it', true],
  ])('%s: nothing that was accepted is lost, nothing comes a third time, and all in order', async (_name, didDie) => {
    for (let atMs = 1; atMs < 500; atMs += 4) {
      const two = new Two(atMs)
      await play(two, [atMs], didDie)
      const sent = IDS.filter((id) => two.outcomes.get(id)?.kind === 'sent')
      // An attempt that breaks is told to all who wait for it; a stream that breaks is nobody's fault.
      expect([atMs, two.outcomes.size, two.wasUp ? sent.length : 60]).toEqual([atMs, 60, 60])
      // Sent means: it has come to its end over there.
      expect([atMs, sent.filter((id) => !two.ended.has(id))]).toEqual([atMs, []])
      expect([atMs, Math.max(...timesTaken(two))]).toEqual([atMs, Math.max(...timesTaken(two)) > 1 ? 2 : 1])
      expect([atMs, firstTaken(two)]).toEqual([atMs, sent])
      expect(two.pair.isIdle).toBe(true)
    }
  })

  test('twice: what was repeated once is not repeated again, and its sender hears so', async () => {
    let failed = 0
    for (let seed = 1; seed < 16; seed += 1) {
      const two = new Two(seed, { handlingMs: 400 })
      await play(two, [250, 1_000 + seed * 20], true)
      expect(two.outcomes.size).toBe(60)
      for (const [id, outcome] of two.outcomes) {
        if (outcome.kind === 'sent') expect([seed, id, two.ended.has(id)]).toEqual([seed, id, true])
        else failed += 1
      }
      expect([seed, Math.max(...timesTaken(two)) <= 2]).toEqual([seed, true])
    }
    expect(failed).toBeGreaterThan(0)
  })

  test('without stream management as many as were under way are lost, which is why there is such a thing', async () => {
    const two = new Two(7, { isManaged: false })
    await play(two, [250], true)
    expect([...two.outcomes.values()].every(({ kind }) => kind === 'sent')).toBe(true)
    expect(IDS.filter((id) => !two.ended.has(id)).length).toBeGreaterThan(0)
  })
})

describe('the peer does not acknowledge', () => {
  const FAILED = failureOf(GONE, JULIET)

  /** A stream with a ledger and nobody behind it. */
  const scene = () => {
    const time = new VirtualTime()
    const end = new End(time)
    const written: string[] = []
    end.send = (text) => written.push(text)
    end.ledger.ours.begin()
    const dials: number[] = []
    const pair = new OutboundPair({
      local: ROMEO,
      remote: JULIET,
      clock: time,
      timers: time,
      ids: { token: () => 'x', fraction: () => 1 },
      queueEntries: 10,
      queueBytes: 1_000_000,
      backOffFirstMs: 1_000,
      backOffCapMs: 5_000,
      dial: () => dials.push(time.monotonicMs()),
    })
    const outcomes: SendOutcome[] = []
    const send = (xml = '<message/>', maxWaitMs = 20_000) =>
      void pair.send(xml, maxWaitMs).then((outcome) => outcomes.push(outcome))
    end.onProgress = () => pair.onRoom()
    send()
    const stream = carrier(end)
    pair.onReady(stream)
    return { time, stream, end, pair, written, outcomes, dials, send }
  }
  const after = async (time: VirtualTime, ms: number) => {
    time.advance(ms)
    await turn()
  }

  test('a stanza counts as sent after a short while, and what comes later is still counted right', async () => {
    const { time, end, outcomes, send } = scene()
    await after(time, 4_999)
    expect(outcomes).toEqual([])
    await after(time, 1)
    expect(outcomes).toMatchObject([{ kind: 'sent' }])
    send()
    end.ledger.ours.acknowledge(2)
    await turn()
    expect(outcomes).toMatchObject([{ kind: 'sent' }, { kind: 'sent' }])
    expect(end.ledger).toMatchObject({ sent: 2, acknowledged: 2 })
  })

  test('one request for all that is written in one turn, and none while one is open', async () => {
    const { time, end, written, send } = scene()
    for (let count = 0; count < 5; count += 1) send()
    await after(time, 1)
    for (let count = 0; count < 5; count += 1) send()
    await after(time, 1)
    expect(written.map((text) => text.match(/<r /g)?.length ?? 0)).toEqual([1, 0])
    end.ledger.ours.acknowledge(6)
    await after(time, 1)
    expect(written).toHaveLength(3)
    expect(written[2]).toMatch(/^<r [^>]*>$/)
    end.ledger.ours.acknowledge(0)
    await after(time, 1)
    // It asks again when there is something new to ask about, and not before.
    expect(written).toHaveLength(3)
  })

  test('the peer was behind and does not tell when it has caught up: it is asked again, until nobody waits', async () => {
    const { time, end, written, outcomes } = scene()
    await after(time, 1)
    end.ledger.ours.acknowledge(0)
    await after(time, 499)
    expect(written).toHaveLength(1)
    await after(time, 2)
    expect(written).toEqual([expect.stringContaining('<message/><r '), expect.stringMatching(/^<r [^>]*>$/)])
    end.ledger.ours.acknowledge(1)
    await after(time, 30_000)
    expect([written.length, outcomes.length]).toEqual([2, 1])
    expect(time.armed).toBe(0)
  })

  test('as many as there is room for, and the others wait in the queue of the pair, which has a bound too', async () => {
    const { time, end, pair, outcomes, send } = scene()
    for (let count = 1; count < ENTRIES + 11; count += 1) send()
    await after(time, 1)
    expect([end.ledger.ours.open, pair.waiting]).toEqual([ENTRIES, 10])
    expect(outcomes).toMatchObject([{ kind: 'failed', failure: { condition: 'resource-constraint' } }])
    end.ledger.ours.acknowledge(4)
    expect([end.ledger.ours.open, pair.waiting]).toEqual([ENTRIES, 6])
    await turn()
    expect(outcomes).toHaveLength(5)
  })

  test('a peer that does not even answer is gone', async () => {
    const { time, end } = scene()
    const asked: StreamInput[] = []
    end.advance = (input) => {
      asked.push(input)
      return []
    }
    await after(time, 29_000)
    expect(asked).toEqual([])
    await after(time, 2_000)
    expect(asked).toMatchObject([{ kind: 'close', error: { condition: 'connection-timeout' } }])
  })

  test('a stream that was closed politely: it waits for the last word, and then sends again what is missing', async () => {
    const { time, stream, end, pair, outcomes, dials, send } = scene()
    send()
    send()
    await after(time, 1)
    pair.onEnded(undefined)
    send()
    expect(dials).toEqual([0])
    end.ledger.ours.acknowledge(2)
    await turn()
    expect(outcomes).toHaveLength(2)
    pair.onGone(stream)
    expect(dials).toEqual([0, 1])
    const next = new End(time)
    next.ledger.ours.begin()
    pair.onReady(carrier(next))
    expect(next.ledger.sent).toBe(2)
  })

  test('all was acknowledged: nothing to wait for', async () => {
    const { time, end, pair, dials, send } = scene()
    await after(time, 1)
    pair.onEnded(undefined)
    send()
    end.ledger.ours.acknowledge(1)
    expect(dials).toEqual([0, 1])
  })

  test.each([
    ['no time is left', 1_500, 2_000],
    ['the next attempt fails too', 20_000, 1_000],
  ])('the stream breaks, and %s: the true reason', async (_name, maxWaitMs, brokenAfterMs) => {
    const { time, stream, pair, outcomes, send } = scene()
    send('<message/>', maxWaitMs)
    await after(time, brokenAfterMs)
    pair.onEnded(GONE)
    pair.onGone(stream)
    await after(time, 1_000)
    pair.onEnded({ kind: 'unreachable', detail: 'nobody listens' })
    await turn()
    expect(outcomes).toHaveLength(2)
    const last = outcomes[maxWaitMs === 1_500 ? 0 : 1]
    expect(last).toMatchObject({
      failure: maxWaitMs === 1_500 ? FAILED : { detail: 'nobody listens', condition: 'remote-server-timeout' },
    })
  })

  test('it refuses to acknowledge anything: then what was written is sent', async () => {
    const { time, end, outcomes, send } = scene()
    send()
    await after(time, 1)
    end.ledger.ours.stop()
    await turn()
    expect(outcomes).toMatchObject([{ kind: 'sent' }, { kind: 'sent' }])
    expect(end.ledger.ours.isOn).toBe(false)
  })

  test('we shut down, and it has not acknowledged', async () => {
    const { time, stream, pair, outcomes } = scene()
    await after(time, 1)
    pair.close({ kind: 'shutting-down', detail: 'bye' })
    expect(pair.isIdle).toBe(false)
    pair.onGone(stream)
    await turn()
    expect(outcomes).toMatchObject([{ kind: 'failed', failure: { detail: 'bye' } }])
    expect(pair.isIdle).toBe(true)
  })
})
