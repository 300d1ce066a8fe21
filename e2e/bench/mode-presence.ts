import { selfSigned } from '../src/certificates.ts'
import { pause } from '../src/heard.ts'
import { dialbackPartner, Pair } from '../src/pair.ts'
import { PORTS, SIP } from '../src/stage.ts'
import { CONTACTS, peopleOf, XmppContacts } from './load-contacts.ts'
import { nobody } from './load-end.ts'
import { SipLoad } from './load-sip.ts'
import { WatchedSipUsers } from './load-watched.ts'
import { interleave, medianOf, meter, round, summarise, type Bench, type Pids } from './measure.ts'
import { restart } from './presence-restart.ts'
import { subscribeAll, watchSipUsers } from './presence-set-up.ts'
import { memoryMiBOf, residentKiBOf } from './proc.ts'
import { beginAt, closedLoop, takeNumbers, type Counted, type Path } from './run.ts'

const LOAD = 'load.example'
/** A change that comes before the last one was told takes its place: there are fewer under way than subscriptions. */
const windowFor = (subscriptions: number): number => Math.max(1, Math.min(128, Math.floor(subscriptions / 2)))
const NOTIFY_INTERVAL_MS = 100
/** A change of one contact goes to so many watchers at most. */
const WATCHERS = 1000
const LAST_OF_FAN_OUT_WITHIN_MS = 10_000
const ANSWERS_READ_MS = 1000

/** One run of one kind, by the keys of the results. */
type Run = Readonly<Record<string, number>>
const DIGITS = {
  notify: { notifyPerSecond: 0, p50Ms: 2, p99Ms: 2, cpuMsPer1000: 1, generatorCores: 2, foreignCores: 2 },
  fanOut: { fanOutPerSecond: 0, fanOutMs: 1, fanOutCpuMsPer1000: 1 },
  stanzas: { stanzasPerSecond: 0, stanzasP50Ms: 2, stanzasP99Ms: 2, stanzasCpuMsPer1000: 1 },
} as const
const SUMS = { notify: ['lost'], fanOut: ['fanOutLost'], stanzas: ['stanzasLost'] } as const

const sizes = ({ isQuick }: Bench) => ({
  /** What has not been asked for by then is left out: what there is, is measured. */
  setUpWithinMs: isQuick ? 20_000 : 300_000,
  settleMs: isQuick ? 500 : 40_000,
  /** As long as we watch how a restarted gateway takes up what it had: what it promises, and some more. */
  resumeWithinMs: isQuick ? 15_000 : 330_000,
  watchedSipUsers: isQuick ? 20 : 1000,
})

/** Who watches: how fast changes reach watchers either way, what a subscription takes, and how long a restart. */
export async function benchPresence(bench: Bench, wanted: number): Promise<Readonly<Record<string, unknown>>> {
  const { say } = bench
  const { settleMs, setUpWithinMs, resumeWithinMs, watchedSipUsers } = sizes(bench)
  const { pair, sip, contacts, watched } = await open(bench)
  const pids = { edge: pair.child('edge').pid(), gateway: pair.child('gateway').pid() }

  const before = residentKiBOf(pids.gateway)
  const setUp = await subscribeAll(sip, wanted, setUpWithinMs)
  const subscriptions = setUp.told.length
  contacts.watched = setUp.told
  contacts.changesFrom = setUp.asked
  await pause(settleMs)
  const subscriptionKiB = round((residentKiBOf(pids.gateway) - before) / subscriptions, 2)
  const memoryMiB = memoryMiBOf(pids.gateway)
  say(
    `${subscriptions} subscriptions, ${setUp.perSecond} set up in a second, ${setUp.refused} times told to come again; ` +
      `${subscriptionKiB} KiB each, the gateway ${memoryMiB.now} MiB, ${memoryMiB.highest} at its highest`,
  )
  await watchSipUsers(contacts, watchedSipUsers, setUpWithinMs)

  beginAt(setUp.asked)
  const changes: Path = { name: 'presence', from: contacts, to: sip, freedBy: 'arrival' }
  const stanzas: Path = { name: 'stanzas', from: watched, to: contacts, freedBy: 'arrival' }
  await closedLoop(changes, windowFor(subscriptions), bench.warmUpMs)
  await closedLoop(stanzas, windowFor(watchedSipUsers), bench.warmUpMs / 4)
  const measured = await interleave<Run>(
    bench,
    [
      { name: 'notify', run: () => loop(changes, windowFor(subscriptions), bench, pids, namedAs.notify) },
      { name: 'fanOut', run: () => fanOut({ sip, contacts }, bench, pids) },
      { name: 'stanzas', run: () => loop(stanzas, windowFor(watchedSipUsers), bench, pids, namedAs.stanzas) },
    ],
    (run) =>
      Object.entries(run)
        .map(([key, value]) => `${key} ${round(value, 1)}`)
        .join(', '),
  )
  contacts.listener = nobody
  const resumed = await restart(bench, { pair, sip, contacts }, resumeWithinMs)
  const kinds = (['notify', 'fanOut', 'stanzas'] as const).map((kind) =>
    summarise<string, string>(measured.get(kind) ?? [], DIGITS[kind], SUMS[kind]),
  )
  return {
    presence: {
      ...Object.assign({}, ...kinds),
      spread: Object.assign({}, ...kinds.map(({ spread }) => spread)),
      subscriptions,
      // Asked for, and never told: nothing of them is in the other figures.
      untold: setUp.asked - subscriptions,
      refused: setUp.refused,
      subscribedPerSecond: setUp.perSecond,
      subscriptionKiB,
      memoryMiB: { gateway: memoryMiB },
      ...resumed,
    },
  }
}

interface Spending {
  readonly cpuMsPer1000: number
  readonly generatorCores: number
  readonly foreignCores: number
}

const namedAs = {
  notify: ({ perSecond, p50Ms, p99Ms, lost }: Counted, spending: Spending): Run => ({
    notifyPerSecond: perSecond,
    p50Ms,
    p99Ms,
    ...spending,
    lost,
  }),
  stanzas: ({ perSecond, p50Ms, p99Ms, lost }: Counted, { cpuMsPer1000 }: Spending): Run => ({
    stanzasPerSecond: perSecond,
    stanzasP50Ms: p50Ms,
    stanzasP99Ms: p99Ms,
    stanzasCpuMsPer1000: cpuMsPer1000,
    stanzasLost: lost,
  }),
} as const

async function loop(
  path: Path,
  window: number,
  bench: Bench,
  pids: Pids,
  named: (counted: Counted, spending: Spending) => Run,
): Promise<Run> {
  const stop = meter(pids)
  const counted = await closedLoop(path, window, bench.phaseMs)
  return named(counted, spendingOf(stop(), counted.arrived))
}

function spendingOf(spent: ReturnType<ReturnType<typeof meter>>, items: number): Spending {
  const cpuMs = Object.values(spent.cpuMs).reduce((sum, one) => sum + one, 0)
  const { generatorCores, foreignCores } = spent
  return { cpuMsPer1000: (cpuMs * 1000) / items, generatorCores, foreignCores }
}

/** One contact after the other changes, each when all watchers of the last have heard of it. */
async function fanOut(
  { sip, contacts }: { readonly sip: SipLoad; readonly contacts: XmppContacts },
  bench: Bench,
  pids: Pids,
): Promise<Run> {
  const watchersOf = new Map<number, number[]>()
  for (const subscription of contacts.watched) {
    const contact = subscription % CONTACTS
    const watchers = watchersOf.get(contact)
    if (watchers === undefined) watchersOf.set(contact, [subscription])
    else if (watchers.length < WATCHERS) watchers.push(subscription)
  }
  const groups = [...watchersOf.values()]
  const times: number[] = []
  let told = 0
  let lost = 0
  const stop = meter(pids)
  const begunMs = performance.now()
  while (performance.now() - begunMs < bench.phaseMs) {
    const group = groups[times.length % groups.length] ?? []
    const first = takeNumbers(group.length)
    const missing = new Set(group.map((_, at) => first + at))
    const atMs = performance.now()
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, LAST_OF_FAN_OUT_WITHIN_MS)
      sip.listener = {
        ...nobody,
        arrived(seq) {
          missing.delete(seq)
          if (missing.size > 0) return
          clearTimeout(late)
          resolve()
        },
      }
      group.forEach((subscription, at) => contacts.tell(first + at, subscription))
      contacts.flush()
    })
    times.push(performance.now() - atMs)
    told += group.length - missing.size
    lost += missing.size
  }
  const tookS = (performance.now() - begunMs) / 1000
  sip.listener = nobody
  const { cpuMsPer1000 } = spendingOf(stop(), told)
  // A thousand answers stand in the gateway's socket: what came behind them at once would find no room.
  await pause(ANSWERS_READ_MS)
  return {
    fanOutPerSecond: told / tookS,
    fanOutMs: medianOf(times),
    fanOutCpuMsPer1000: cpuMsPer1000,
    fanOutLost: lost,
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
  return { pair, sip, contacts, watched: new WatchedSipUsers(sip, `${from.address}:${from.port}`) }
}
