import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { selfSigned } from '../src/certificates.ts'
import { dialbackPartner, Pair, type PairStage } from '../src/pair.ts'
import { addressesIn, PORTS, SIP, SIP_TCP } from '../src/stage.ts'
import { SipLoad } from './load-sip.ts'
import { XmppLoad } from './load-xmpp.ts'
import { busyMs, cpuMsOf, memoryMiBOf } from './proc.ts'
import { closedLoop, openLoop, type Counted, type Path } from './run.ts'

const LOAD = 'load.example'
const PEER = 'peer.example'

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    /** Only the generators against each other. */
    generators: { type: 'boolean', default: false },
    transport: { type: 'string', default: 'udp' },
    window: { type: 'string', default: '128' },
    /** One direction: xmppToSip or sipToXmpp. */
    only: { type: 'string' },
    runs: { type: 'string' },
    seconds: { type: 'string' },
  },
})
const transport = options.transport === 'tcp' ? 'tcp' : 'udp'
const window = Number(options.window)
const runs = Number(options.runs ?? (options.quick ? 1 : 5))
const phaseMs = 1000 * Number(options.seconds ?? (options.quick ? 2 : 6))
const WARM_UP_MS = options.quick ? 1500 : 4000

const say = (line: string): void => void (options.json ? process.stderr : process.stdout).write(`${line}\n`)

/** One run of one direction: capacity, then latency at half of it. */
interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMsPer1000: number
  readonly edgeCpuMsPer1000: number
  readonly gatewayCpuMsPer1000: number
  readonly lost: number
  readonly failed: number
  readonly twice: number
  readonly outOfOrder: number
  /** Cores taken by the generator. */
  readonly generatorCores: number
  /** Cores taken by others than the pair and the generator. */
  readonly foreignCores: number
}

const endings: (() => Promise<void>)[] = []
const net =
  process.env['STOX_E2E_NET'] ?? `127.${100 + Math.floor(Math.random() * 150)}.${Math.floor(Math.random() * 250)}`
const stage: PairStage = {
  dir: mkdtempSync(join(tmpdir(), 'stox-bench-')),
  at: addressesIn(net),
  onEnd: (end) => void endings.unshift(end),
}

async function bench(): Promise<Readonly<Record<string, unknown>>> {
  const generators = await generatorsAlone()
  if (options.generators) return generators
  const paths = await openPaths()
  const pair = paths.pair
  const pids = { edge: pair.child('edge').pid(), gateway: pair.child('gateway').pid() }

  for (const path of paths.all) await closedLoop(path, window, WARM_UP_MS)
  const measured = new Map<string, Measured[]>(paths.all.map((path) => [path.name, []]))
  for (let run = 1; run <= runs; run += 1) {
    for (const path of paths.all) {
      const one = await measure(path, pids)
      measured.get(path.name)?.push(one)
      say(`run ${run} ${path.name}: ${describe(one)}`)
    }
  }

  const memory = { edge: memoryMiBOf(pids.edge), gateway: memoryMiBOf(pids.gateway) }
  const messages = Object.fromEntries([...measured].map(([name, each]) => [name, summary(each)]))
  say('')
  for (const [name, each] of measured) say(`${name}: median of ${each.length}: ${describeSummary(each)}`)
  say(
    `memory, MiB: edge ${memory.edge.now} (highest ${memory.edge.highest}), gateway ${memory.gateway.now} (highest ${memory.gateway.highest})`,
  )
  const alone = Object.entries(generators).map(([name, rate]) => `${name} ${rate}/s`)
  say(`generators alone, without the pair: ${alone.join(', ')}`)
  return {
    messages,
    memoryMiB: memory,
    generators,
    transport,
    window,
    runs,
    phaseS: phaseMs / 1000,
    machine: machine(),
  }
}

/** The same generators talking to themselves: what they could do if the pair cost nothing. */
async function generatorsAlone(): Promise<Readonly<Record<string, number>>> {
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
    xmpp: await rateOf({ name: 'xmpp', from: xmppFrom, to: xmppTo, freedBy: 'arrival' }),
    sip: await rateOf({ name: 'sip', from: sipFrom, to: sipTo, freedBy: 'answer' }),
  }
  await Promise.all([xmppFrom.close(), xmppTo.close(), sipFrom.close(), sipTo.close()])
  return rates
}

async function rateOf(path: Path): Promise<number> {
  await closedLoop(path, window, 1000)
  return Math.round((await closedLoop(path, window, 2000)).perSecond)
}

async function openPaths(): Promise<{ pair: Pair; all: readonly Path[] }> {
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
  return { pair, all: all.filter(({ name }) => options.only === undefined || name === options.only) }
}

async function measure(path: Path, pids: { readonly edge: number; readonly gateway: number }): Promise<Measured> {
  const before = {
    atMs: performance.now(),
    edge: cpuMsOf(pids.edge),
    gateway: cpuMsOf(pids.gateway),
    busy: busyMs(),
    own: ownCpuMs(),
  }
  const capacity = await closedLoop(path, window, phaseMs)
  const tookMs = performance.now() - before.atMs
  const edgeMs = cpuMsOf(pids.edge) - before.edge
  const gatewayMs = cpuMsOf(pids.gateway) - before.gateway
  const ownMs = ownCpuMs() - before.own
  const foreignMs = busyMs() - before.busy - edgeMs - gatewayMs - ownMs
  const latency = await openLoop(path, capacity.perSecond / 2, phaseMs)
  const both = (pick: (counted: Counted) => number): number => pick(capacity) + pick(latency)
  if (capacity.whyFailed !== undefined || latency.whyFailed !== undefined)
    say(`failed: ${capacity.whyFailed ?? latency.whyFailed}`)
  const per1000 = (ms: number): number => (ms * 1000) / capacity.arrived
  return {
    perSecond: capacity.perSecond,
    p50Ms: latency.p50Ms,
    p99Ms: latency.p99Ms,
    cpuMsPer1000: per1000(edgeMs + gatewayMs),
    edgeCpuMsPer1000: per1000(edgeMs),
    gatewayCpuMsPer1000: per1000(gatewayMs),
    lost: both((counted) => counted.lost),
    failed: both((counted) => counted.failed),
    twice: both((counted) => counted.twice),
    outOfOrder: both((counted) => counted.outOfOrder),
    generatorCores: ownMs / tookMs,
    foreignCores: Math.max(0, foreignMs / tookMs),
  }
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Rates and times are medians; what went wrong is the sum of all runs. */
function summary(each: readonly Measured[]): Readonly<Record<string, unknown>> {
  const median = (pick: (one: Measured) => number, digits: number): number => round(medianOf(each.map(pick)), digits)
  const sum = (pick: (one: Measured) => number): number => each.reduce((total, one) => total + pick(one), 0)
  const rates = each.map((one) => Math.round(one.perSecond))
  return {
    perSecond: median((one) => one.perSecond, 0),
    p50Ms: median((one) => one.p50Ms, 2),
    p99Ms: median((one) => one.p99Ms, 2),
    cpuMsPer1000: median((one) => one.cpuMsPer1000, 1),
    lost: sum((one) => one.lost),
    failed: sum((one) => one.failed),
    twice: sum((one) => one.twice),
    outOfOrder: sum((one) => one.outOfOrder),
    edgeCpuMsPer1000: median((one) => one.edgeCpuMsPer1000, 1),
    gatewayCpuMsPer1000: median((one) => one.gatewayCpuMsPer1000, 1),
    generatorCores: median((one) => one.generatorCores, 2),
    foreignCores: median((one) => one.foreignCores, 2),
    spread: { perSecond: [Math.min(...rates), Math.max(...rates)] },
  }
}

function describe(one: Measured): string {
  const wrong = `${one.lost} lost, ${one.failed} failed, ${one.twice} twice, ${one.outOfOrder} out of order`
  const cpu = `${one.cpuMsPer1000.toFixed(0)} ms CPU per 1000 (edge ${one.edgeCpuMsPer1000.toFixed(0)}, gateway ${one.gatewayCpuMsPer1000.toFixed(0)})`
  const cores = `generator ${one.generatorCores.toFixed(2)} cores, others ${one.foreignCores.toFixed(2)}`
  return `${one.perSecond.toFixed(0)}/s, at half p50 ${one.p50Ms.toFixed(1)} ms p99 ${one.p99Ms.toFixed(1)} ms, ${cpu}, ${wrong}; ${cores}`
}

function describeSummary(each: readonly Measured[]): string {
  const middle = (pick: (one: Measured) => number): number => medianOf(each.map(pick))
  const rates = each.map((one) => one.perSecond)
  const lost = each.reduce((total, one) => total + one.lost, 0)
  return (
    `${middle((one) => one.perSecond).toFixed(0)}/s (${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}), ` +
    `at half p50 ${middle((one) => one.p50Ms).toFixed(1)} ms p99 ${middle((one) => one.p99Ms).toFixed(1)} ms, ` +
    `${middle((one) => one.cpuMsPer1000).toFixed(0)} ms CPU per 1000, ${lost} lost`
  )
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits))

const machine = (): Readonly<Record<string, unknown>> => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryMiB: Math.round(totalmem() / 1024 / 1024),
  kernel: release(),
  node: process.version,
})

try {
  const result = await bench()
  if (options.json || options.generators) process.stdout.write(`${JSON.stringify(result)}\n`)
} finally {
  for (const end of endings) await end()
  rmSync(stage.dir, { recursive: true, force: true })
}
