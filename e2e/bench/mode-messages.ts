import { selfSigned } from '../src/certificates.ts'
import { dialbackPartner, Pair } from '../src/pair.ts'
import { PORTS, SIP, SIP_TCP } from '../src/stage.ts'
import { SipLoad } from './load-sip.ts'
import { XmppLoad } from './load-xmpp.ts'
import { interleave, meter, summarise, type Bench, type Pids, type Summary } from './measure.ts'
import type { MessageOptions, System } from './message-system.ts'
import { kamailioProsody } from './peer-kamailio-prosody.ts'
import { memoryMiBOf, proportionalMiBOf, treeOf } from './proc.ts'
import { closedLoop, openLoop, type Counted, type Path } from './run.ts'

const LOAD = 'load.example'
const PEER = 'peer.example'

const DIGITS: Readonly<Record<string, number>> = {
  perSecond: 0,
  p50Ms: 2,
  p99Ms: 2,
  cpuMsPer1000: 1,
  openPerSecond: 0,
  openCpuMsPer1000: 1,
  generatorCores: 2,
  foreignCores: 2,
}
const SUMS = ['lost', 'failed', 'twice', 'outOfOrder'] as const

/** One run of one direction: capacity, then latency at half of it. CPU of each process by its name besides. */
type MessageRun = Readonly<Record<string, number>> &
  Readonly<
    Record<
      | 'perSecond'
      | 'p50Ms'
      | 'p99Ms'
      | 'cpuMsPer1000'
      | 'openPerSecond'
      | 'openCpuMsPer1000'
      | 'generatorCores'
      | 'foreignCores'
      | (typeof SUMS)[number],
      number
    >
  >
type Ways = Readonly<Record<string, Summary<string, string>>>

/** Messages through the whole pair, each with its outcome at both ends; and through Kamailio and Prosody beside it. */
export async function benchMessages(
  bench: Bench,
  options: MessageOptions,
  has: { readonly messages: boolean; readonly kamailioProsody: boolean },
): Promise<Readonly<Record<string, unknown>>> {
  const { say } = bench
  const generators = await generatorsAlone(bench, options)
  const systems: readonly System[] = [
    ...(has.messages ? [await ourPair(bench, options)] : []),
    ...(has.kamailioProsody ? [await kamailioProsody(bench, options)] : []),
  ]
  const runs = systems.flatMap(({ name, paths, pids }) =>
    paths
      .filter((path) => options.way === undefined || path.name === options.way)
      .map((path) => ({ name: `${name} ${path.name}`, path, pids })),
  )
  // In the order in which they are measured, and again: what is compiled for one way is compiled anew for both.
  for (let round = 0; round < WARM_ROUNDS; round += 1)
    for (const { path } of runs) await warmUp(bench, path, options.window)
  const contenders = runs.map(({ name, path, pids }) => ({
    name,
    run: () => measure(bench, path, options, pids),
  }))
  const measured = await interleave(bench, contenders, describe)
  const alone = Object.entries(generators).map(([name, rate]) => `${name} ${rate}/s`)
  say(`generators alone, with nothing between them: ${alone.join(', ')}`)

  const waysOf = (system: System): Ways =>
    Object.fromEntries(
      system.paths.flatMap(({ name }) => {
        const each = measured.get(`${system.name} ${name}`)
        return each === undefined ? [] : [[name, summaryOf(each)]]
      }),
    )
  const [ours, theirs] = (['messages', 'kamailioProsody'] as const).map((name) =>
    systems.find((system) => system.name === name),
  )
  const [ourWays, theirWays] = [ours && waysOf(ours), theirs && waysOf(theirs)]
  if (ourWays !== undefined && theirWays !== undefined) sayRatios(bench, ourWays, theirWays)
  return {
    ...(ours && { messages: ourWays, memoryMiB: memoryOf(ours.pids) }),
    ...(theirs && { peers: { kamailioProsody: { ...theirWays, memoryMiB: memoryOf(theirs.pids) } } }),
    generators,
    transport: options.transport,
    window: options.window,
  }
}

/** A server that has been up for a while: what it compiles as it goes is compiled, its caches and tables are as large as they get. */
const WARM_ROUNDS = 3
const WARM_MESSAGES = 30_000
const WARM_AT_MOST_MS = 20_000

/** Every contender has had as many messages of each kind before it is measured. */
async function warmUp({ isQuick, warmUpMs }: Bench, path: Path, window: number): Promise<void> {
  const untilMs = performance.now() + (isQuick ? 0 : WARM_AT_MOST_MS)
  let { arrived } = await closedLoop(path, window, warmUpMs)
  while (arrived < WARM_MESSAGES && performance.now() < untilMs)
    arrived += (await closedLoop(path, window, warmUpMs)).arrived
}

function summaryOf(each: readonly MessageRun[]): Summary<string, string> {
  const more = Object.keys(each[0] ?? {}).filter((key) => key.endsWith('CpuMsPer1000'))
  return summarise<string, string>(each, { ...DIGITS, ...Object.fromEntries(more.map((key) => [key, 1])) }, SUMS)
}

/** Of processes that share memory each has its part. */
const memoryOf = (pids: Pids): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => {
      const tree = treeOf(pid)
      return [name, tree.length === 1 ? memoryMiBOf(pid) : { now: proportionalMiBOf(tree) }]
    }),
  )

function sayRatios({ say }: Bench, ours: Ways, theirs: Ways): void {
  for (const [way, one] of Object.entries(ours)) {
    const other = theirs[way]
    if (other === undefined) continue
    const ratio = (key: string): string => ((one[key] ?? 0) / (other[key] ?? 0)).toFixed(2)
    say(`${way}: ${ratio('perSecond')} of the rate of Kamailio and Prosody, at ${ratio('cpuMsPer1000')} of their CPU`)
  }
}

/** The same generators talking to themselves: what they could do if the pair cost nothing. */
export async function generatorsAlone(
  { stage, isQuick }: Bench,
  { transport, window }: MessageOptions,
): Promise<Readonly<Record<string, number>>> {
  const { at } = stage
  const tls = await selfSigned(stage.dir, 'generators', [LOAD, PEER])
  const [here, there] = [
    { host: at.partner, port: PORTS.s2s },
    { host: at.stranger, port: PORTS.s2s },
  ]
  const xmppFrom = await new XmppLoad({
    domain: LOAD,
    address: here.host,
    port: here.port,
    tls,
    edge: there,
    remote: PEER,
  }).start()
  const xmppTo = await new XmppLoad({
    domain: PEER,
    address: there.host,
    port: there.port,
    tls,
    edge: here,
    remote: LOAD,
  }).start()
  await xmppFrom.connect()
  const sip = { transport, domain: SIP, remote: LOAD } as const
  const [sipHere, sipThere] = [
    { host: at.kamailio, port: PORTS.sip },
    { host: at.gateway, port: PORTS.sip },
  ]
  const sipTo = await new SipLoad({ ...sip, address: sipThere.host, port: sipThere.port, target: sipHere }).start()
  const sipFrom = await new SipLoad({ ...sip, address: sipHere.host, port: sipHere.port, target: sipThere }).start()
  await sipFrom.connect()
  const rates = {
    xmpp: await rateOf({ name: 'xmpp', from: xmppFrom, to: xmppTo, freedBy: 'arrival' }, window, isQuick),
    sip: await rateOf({ name: 'sip', from: sipFrom, to: sipTo, freedBy: 'answer' }, window, isQuick),
  }
  await Promise.all([xmppFrom.close(), xmppTo.close(), sipFrom.close(), sipTo.close()])
  return rates
}

async function rateOf(path: Path, window: number, isQuick: boolean): Promise<number> {
  const forMs = isQuick ? 200 : 2000
  await closedLoop(path, window, forMs / 2)
  return Math.round((await closedLoop(path, window, forMs)).perSecond)
}

async function ourPair({ stage }: Bench, { transport }: MessageOptions): Promise<System> {
  const { at } = stage
  const domain = transport === 'udp' ? SIP : SIP_TCP
  const partner = dialbackPartner(LOAD, { proxy: { host: at.partner, port: PORTS.s2s } })
  const pair = await Pair.start(stage, { partners: [partner] })
  const tls = await selfSigned(stage.dir, 'load', [LOAD])
  const edge = { host: at.edge, port: PORTS.s2s }
  const xmpp = await new XmppLoad({
    domain: LOAD,
    address: at.partner,
    port: PORTS.s2s,
    tls,
    edge,
    remote: domain,
  }).start()
  const target = { host: at.gateway, port: PORTS.sip }
  const sip = await new SipLoad({
    transport,
    address: at.kamailio,
    port: PORTS.sip,
    domain,
    target,
    remote: LOAD,
  }).start()
  stage.onEnd(() => xmpp.close())
  stage.onEnd(() => sip.close())
  await Promise.all([xmpp.connect(), sip.connect()])
  return {
    name: 'messages',
    pids: { edge: pair.child('edge').pid(), gateway: pair.child('gateway').pid() },
    paths: [
      { name: 'xmppToSip', from: xmpp, to: sip, freedBy: 'arrival' },
      { name: 'sipToXmpp', from: sip, to: xmpp, freedBy: 'answer' },
    ],
  }
}

async function measure(bench: Bench, path: Path, { window, rate }: MessageOptions, pids: Pids): Promise<MessageRun> {
  const { phaseMs, say } = bench
  const sum = (cpuMs: Readonly<Record<string, number>>): number =>
    Object.values(cpuMs).reduce((total, one) => total + one, 0)
  const stop = meter(pids)
  const capacity = await closedLoop(path, window, phaseMs)
  const spent = stop()
  const stopOpen = meter(pids)
  const latency = await openLoop(path, rate ?? capacity.perSecond / 2, phaseMs)
  const openSpent = stopOpen()
  const both = (pick: (counted: Counted) => number): number => pick(capacity) + pick(latency)
  if (capacity.whyFailed !== undefined || latency.whyFailed !== undefined)
    say(`failed: ${capacity.whyFailed ?? latency.whyFailed}`)
  const per1000 = (ms: number): number => (ms * 1000) / capacity.arrived
  return {
    perSecond: capacity.perSecond,
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
    cpuMsPer1000: per1000(sum(spent.cpuMs)),
    openPerSecond: latency.perSecond,
    openCpuMsPer1000: (sum(openSpent.cpuMs) * 1000) / latency.arrived,
    ...Object.fromEntries(Object.entries(spent.cpuMs).map(([name, ms]) => [`${name}CpuMsPer1000`, per1000(ms)])),
    generatorCores: spent.generatorCores,
    foreignCores: spent.foreignCores,
    lost: both((counted) => counted.lost),
    failed: both((counted) => counted.failed),
    twice: both((counted) => counted.twice),
    outOfOrder: both((counted) => counted.outOfOrder),
  }
}

function describe(one: MessageRun): string {
  const wrong = `${one.lost} lost, ${one.failed} failed, ${one.twice} twice, ${one.outOfOrder} out of order`
  const parts = Object.entries(one).filter(([name]) => name.endsWith('CpuMsPer1000') && name !== 'openCpuMsPer1000')
  const cpu = parts.map(([name, ms]) => `${name.slice(0, -'CpuMsPer1000'.length)} ${ms.toFixed(0)}`).join(', ')
  const cores = `generator ${one.generatorCores.toFixed(2)} cores, others ${one.foreignCores.toFixed(2)}`
  return (
    `${one.perSecond.toFixed(0)}/s, ${one.cpuMsPer1000.toFixed(0)} ms CPU per 1000 (${cpu}); at ${one.openPerSecond.toFixed(0)}/s ` +
    `p50 ${one.p50Ms.toFixed(1)} ms p99 ${one.p99Ms.toFixed(1)} ms, ${one.openCpuMsPer1000.toFixed(0)} ms CPU; ${wrong}; ${cores}`
  )
}
