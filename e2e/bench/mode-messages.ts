import { selfSigned } from '../src/certificates.ts'
import { dialbackPartner, Pair } from '../src/pair.ts'
import { PORTS, SIP, SIP_TCP } from '../src/stage.ts'
import { SipLoad } from './load-sip.ts'
import { XmppLoad } from './load-xmpp.ts'
import { interleave, meter, summarise, type Bench, type Pids } from './measure.ts'
import { memoryMiBOf } from './proc.ts'
import { closedLoop, openLoop, type Counted, type Path } from './run.ts'

const LOAD = 'load.example'
const PEER = 'peer.example'

export interface MessageOptions {
  readonly transport: 'udp' | 'tcp'
  /** Messages under way in the closed loop. */
  readonly window: number
  /** One direction: xmppToSip or sipToXmpp. */
  readonly way: string | undefined
}

/** One run of one direction: capacity, then latency at half of it. */
export interface MessageRun {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMsPer1000: number
  readonly edgeCpuMsPer1000: number
  readonly gatewayCpuMsPer1000: number
  readonly generatorCores: number
  readonly foreignCores: number
  readonly lost: number
  readonly failed: number
  readonly twice: number
  readonly outOfOrder: number
}

const DIGITS = {
  perSecond: 0,
  p50Ms: 2,
  p99Ms: 2,
  cpuMsPer1000: 1,
  edgeCpuMsPer1000: 1,
  gatewayCpuMsPer1000: 1,
  generatorCores: 2,
  foreignCores: 2,
} as const
const SUMS = ['lost', 'failed', 'twice', 'outOfOrder'] as const

/** Messages through the whole pair, each with its outcome at both ends. */
export async function benchMessages(bench: Bench, options: MessageOptions): Promise<Readonly<Record<string, unknown>>> {
  const { say } = bench
  const generators = await generatorsAlone(bench, options)
  const { pair, all } = await openPaths(bench, options)
  const pids = { edge: pair.child('edge').pid(), gateway: pair.child('gateway').pid() }
  for (const path of all) await closedLoop(path, options.window, bench.warmUpMs)
  const contenders = all.map((path) => ({
    name: path.name,
    run: () => measure(bench, path, options.window, pids),
  }))
  const measured = await interleave(bench, contenders, describe)
  const memory = { edge: memoryMiBOf(pids.edge), gateway: memoryMiBOf(pids.gateway) }
  const alone = Object.entries(generators).map(([name, rate]) => `${name} ${rate}/s`)
  say(`generators alone, without the pair: ${alone.join(', ')}`)
  return {
    messages: Object.fromEntries(
      [...measured].map(([name, each]) => [
        name,
        summarise<keyof typeof DIGITS, (typeof SUMS)[number]>(each, DIGITS, SUMS),
      ]),
    ),
    memoryMiB: memory,
    generators,
    transport: options.transport,
    window: options.window,
  }
}

/** The same generators talking to themselves: what they could do if the pair cost nothing. */
export async function generatorsAlone(
  { stage }: Bench,
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
    xmpp: await rateOf({ name: 'xmpp', from: xmppFrom, to: xmppTo, freedBy: 'arrival' }, window),
    sip: await rateOf({ name: 'sip', from: sipFrom, to: sipTo, freedBy: 'answer' }, window),
  }
  await Promise.all([xmppFrom.close(), xmppTo.close(), sipFrom.close(), sipTo.close()])
  return rates
}

async function rateOf(path: Path, window: number): Promise<number> {
  await closedLoop(path, window, 1000)
  return Math.round((await closedLoop(path, window, 2000)).perSecond)
}

async function openPaths(
  { stage }: Bench,
  { transport, way }: MessageOptions,
): Promise<{ pair: Pair; all: readonly Path[] }> {
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
  const all: readonly Path[] = [
    { name: 'xmppToSip', from: xmpp, to: sip, freedBy: 'arrival' },
    { name: 'sipToXmpp', from: sip, to: xmpp, freedBy: 'answer' },
  ]
  return { pair, all: all.filter(({ name }) => way === undefined || name === way) }
}

async function measure(bench: Bench, path: Path, window: number, pids: Pids): Promise<MessageRun> {
  const { phaseMs, say } = bench
  const stop = meter(pids)
  const capacity = await closedLoop(path, window, phaseMs)
  const spent = stop()
  const latency = await openLoop(path, capacity.perSecond / 2, phaseMs)
  const both = (pick: (counted: Counted) => number): number => pick(capacity) + pick(latency)
  if (capacity.whyFailed !== undefined || latency.whyFailed !== undefined)
    say(`failed: ${capacity.whyFailed ?? latency.whyFailed}`)
  const per1000 = (ms: number): number => (ms * 1000) / capacity.arrived
  const cpuMs = (name: string): number => spent.cpuMs[name] ?? 0
  return {
    perSecond: capacity.perSecond,
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
    cpuMsPer1000: per1000(Object.values(spent.cpuMs).reduce((sum, one) => sum + one, 0)),
    edgeCpuMsPer1000: per1000(cpuMs('edge')),
    gatewayCpuMsPer1000: per1000(cpuMs('gateway')),
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
  const cpu = `${one.cpuMsPer1000.toFixed(0)} ms CPU per 1000 (edge ${one.edgeCpuMsPer1000.toFixed(0)}, gateway ${one.gatewayCpuMsPer1000.toFixed(0)})`
  const cores = `generator ${one.generatorCores.toFixed(2)} cores, others ${one.foreignCores.toFixed(2)}`
  return `${one.perSecond.toFixed(0)}/s, at half p50 ${one.p50Ms.toFixed(1)} ms p99 ${one.p99Ms.toFixed(1)} ms, ${cpu}, ${wrong}; ${cores}`
}
