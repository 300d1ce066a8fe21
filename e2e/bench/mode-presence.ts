import { selfSigned } from '../src/certificates.ts'
import { pause, until } from '../src/heard.ts'
import { dialbackPartner, Pair } from '../src/pair.ts'
import { PORTS, SIP } from '../src/stage.ts'
import { peopleOf, XmppContacts } from './load-contacts.ts'
import { nobody } from './load-end.ts'
import { SipLoad } from './load-sip.ts'
import { interleave, meter, round, summarise, type Bench } from './measure.ts'
import { memoryMiBOf, residentKiBOf } from './proc.ts'
import { beginAt, closedLoop, type Path } from './run.ts'

const LOAD = 'load.example'
const WINDOW = 128
/** So many who asked may wait for their answer: more than the gateway ends in a transaction's time would be lost to it. */
const UNTOLD = 512
const NOTIFY_INTERVAL_MS = 100
const LAST_TOLD_WITHIN_MS = 60_000
const DIGITS = { notifyPerSecond: 0, p50Ms: 2, p99Ms: 2, cpuMsPer1000: 1, generatorCores: 2, foreignCores: 2 } as const
type FanOut = Readonly<Record<keyof typeof DIGITS | 'lost', number>>

const sizes = ({ isQuick }: Bench) => ({
  /** What has not been asked for by then is left out: what there is, is measured. */
  setUpWithinMs: isQuick ? 20_000 : 180_000,
  settleMs: isQuick ? 500 : 12_000,
  /** As long as we watch how a restarted gateway takes up what it had. */
  resumeWithinMs: isQuick ? 15_000 : 120_000,
})

/** SIP users watch XMPP users: how fast changes reach them, what a subscription takes, and how long a restart. */
export async function benchPresence(bench: Bench, wanted: number): Promise<Readonly<Record<string, unknown>>> {
  const { say } = bench
  const { settleMs } = sizes(bench)
  const { pair, sip, contacts } = await open(bench)
  const gateway = pair.child('gateway').pid()
  const path: Path = { name: 'presence', from: contacts, to: sip, freedBy: 'arrival' }

  const before = residentKiBOf(gateway)
  const { asked, told, perSecond: subscribedPerSecond } = await subscribeAll(bench, sip, wanted)
  const subscriptions = told.length
  contacts.watched = told
  contacts.changesFrom = asked
  await pause(settleMs)
  const subscriptionKiB = round((residentKiBOf(gateway) - before) / subscriptions, 2)
  const memoryMiB = memoryMiBOf(gateway)
  say(`${subscriptions} subscriptions, ${subscribedPerSecond} set up in a second, ${subscriptionKiB} KiB each`)

  beginAt(asked)
  await closedLoop(path, WINDOW, bench.warmUpMs)
  const pids = { edge: pair.child('edge').pid(), gateway }
  const run = async (): Promise<FanOut> => {
    const stop = meter(pids)
    const counted = await closedLoop(path, WINDOW, bench.phaseMs)
    const spent = stop()
    const cpuMs = Object.values(spent.cpuMs).reduce((sum, one) => sum + one, 0)
    return {
      notifyPerSecond: counted.perSecond,
      p50Ms: counted.p50Ms,
      p99Ms: counted.p99Ms,
      cpuMsPer1000: (cpuMs * 1000) / counted.arrived,
      generatorCores: spent.generatorCores,
      foreignCores: spent.foreignCores,
      lost: counted.lost,
    }
  }
  const measured = await interleave(bench, [{ name: 'presence', run }], describe)
  const resumed = await restart(bench, pair, sip, contacts)
  return {
    presence: {
      ...summarise<keyof typeof DIGITS, 'lost'>(measured.get('presence') ?? [], DIGITS, ['lost']),
      subscriptions,
      // Asked for, and never told: nothing of them is in the other figures.
      untold: asked - subscriptions,
      subscribedPerSecond,
      subscriptionKiB,
      memoryMiB: { gateway: memoryMiB },
      ...resumed,
    },
  }
}

async function open({ stage }: Bench) {
  const { at } = stage
  const pair = await Pair.start(stage, {
    partners: [dialbackPartner(LOAD, { proxy: { host: at.partner, port: PORTS.s2s } })],
    notifyIntervalMs: NOTIFY_INTERVAL_MS,
  })
  const contacts = await new XmppContacts({
    domain: LOAD,
    address: at.partner,
    port: PORTS.s2s,
    tls: await selfSigned(stage.dir, 'contacts', [LOAD]),
    edge: { host: at.edge, port: PORTS.s2s },
    remote: SIP,
  }).start()
  const from = { address: at.kamailio, port: PORTS.sip }
  const sip = await new SipLoad({
    ...from,
    transport: 'udp',
    domain: SIP,
    target: { host: at.gateway, port: PORTS.sip },
    remote: LOAD,
    request(seq, id) {
      const [watcher, contact] = peopleOf(seq)
      return (
        `SUBSCRIBE sip:${contact}@${LOAD} SIP/2.0\r\nVia: SIP/2.0/UDP ${from.address}:${from.port};branch=z9hG4bK${id}\r\n` +
        `Max-Forwards: 70\r\nFrom: <sip:${watcher}@${SIP}>;tag=${id}\r\nTo: <sip:${contact}@${LOAD}>\r\nCall-ID: ${id}\r\n` +
        `CSeq: 1 SUBSCRIBE\r\nContact: <sip:${watcher}@${from.address}:${from.port}>\r\nEvent: presence\r\n` +
        'Accept: application/pidf+xml\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n'
      )
    },
  }).start()
  stage.onEnd(() => contacts.close())
  stage.onEnd(() => sip.close())
  await contacts.connect()
  return { pair, sip, contacts }
}

/** Who has been told of the presence that he asked for, by the number in its note. */
class Told {
  readonly #told = new Set<number>()
  readonly #begunMs = performance.now()
  #lastMs = this.#begunMs

  get count(): number {
    return this.#told.size
  }

  get all(): readonly number[] {
    return [...this.#told]
  }

  /** From the beginning to the last of them. */
  get tookS(): number {
    return (this.#lastMs - this.#begunMs) / 1000
  }

  note(subscription: number): void {
    this.#told.add(subscription)
    this.#lastMs = performance.now()
  }
}

/** A SUBSCRIBE after the other, with some under way, until each watcher has been told in a NOTIFY. */
async function subscribeAll(
  bench: Bench,
  sip: SipLoad,
  wanted: number,
): Promise<{ readonly asked: number; readonly told: readonly number[]; readonly perSecond: number }> {
  const endMs = performance.now() + sizes(bench).setUpWithinMs
  const told = new Told()
  let asked = 0
  let answered = 0
  // Who asks is told a second time within the interval of NOTIFYs, not at once.
  const hasRoom = (): boolean => asked - answered < WINDOW && asked - told.count < UNTOLD
  const fill = (): void => {
    while (hasRoom() && asked < wanted && performance.now() < endMs) {
      sip.send(asked)
      asked += 1
    }
    sip.flush()
  }
  sip.listener = {
    arrived(seq) {
      told.note(seq)
      fill()
    },
    accepted() {
      answered += 1
      fill()
    },
    failed(seq, why) {
      throw new Error(`subscription ${seq}: ${why}`)
    },
  }
  fill()
  const isOver = (): boolean => told.count >= asked && (asked >= wanted || performance.now() >= endMs)
  const withinMs = sizes(bench).setUpWithinMs + LAST_TOLD_WITHIN_MS
  await until(`${wanted} subscriptions`, isOver, withinMs, 100).catch(() => undefined)
  sip.listener = nobody
  if (told.count === 0) throw new Error('nobody was told of the presence that he asked for')
  return { asked, told: told.all, perSecond: round(told.count / told.tookS, 0) }
}

/**
 * kill -9 and a new process: a subscription is resumed when its watcher has been told anew. What is not within our time is
 * told as a number, not waited for.
 */
async function restart(
  bench: Bench,
  pair: Pair,
  sip: SipLoad,
  contacts: XmppContacts,
): Promise<Readonly<Record<string, number | null>>> {
  const subscriptions = contacts.watched.length
  const { resumeWithinMs } = sizes(bench)
  await pair.kill9('gateway')
  const told = new Told()
  sip.listener = { ...nobody, arrived: (seq) => told.note(contacts.subscriptionOf(seq)) }
  const begunMs = performance.now()
  await pair.start('gateway')
  const known = async (): Promise<boolean> =>
    (await pair.metric('gateway', 'stox_subscriptions', { direction: 'sip-watches-xmpp' })) >= subscriptions
  await until('the subscriptions of before', known, resumeWithinMs, 100)
  const knownS = (performance.now() - begunMs) / 1000
  await until('all to be resumed', () => told.count >= subscriptions, resumeWithinMs, 100).catch(() => undefined)
  sip.listener = nobody
  bench.say(
    `after kill -9: all known again after ${knownS.toFixed(1)} s, ` +
      `${told.count} of ${subscriptions} resumed after ${told.tookS.toFixed(1)} s`,
  )
  return {
    knownAfterS: round(knownS, 2),
    resumed: told.count,
    /** Null: not all of them in the time that this bench gives it. */
    resumedAfterS: told.count >= subscriptions ? round(told.tookS, 2) : null,
    resumedPerSecond: told.count === 0 ? 0 : round(told.count / told.tookS, 0),
  }
}

function describe(one: FanOut): string {
  return (
    `${one.notifyPerSecond.toFixed(0)} NOTIFY/s, p50 ${one.p50Ms.toFixed(1)} ms p99 ${one.p99Ms.toFixed(1)} ms, ` +
    `${one.cpuMsPer1000.toFixed(0)} ms CPU per 1000, ${one.lost} lost; ` +
    `generator ${one.generatorCores.toFixed(2)} cores, others ${one.foreignCores.toFixed(2)}`
  )
}
