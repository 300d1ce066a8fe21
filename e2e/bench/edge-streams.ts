import type { TLSSocket } from 'node:tls'
import { pause, until } from '../src/heard.ts'
import { PORTS, SIP } from '../src/stage.ts'
import { edgeAlone, LOAD, stanzasTo, type EdgeAlone, type Keys } from './edge-alone.ts'
import { interleave, meter, summarise, type Bench, type Summary } from './measure.ts'
import { contextOf, dialProven } from './partner-streams.ts'
import { residentKiBOf } from './proc.ts'

/** One run: a fresh edge, then many partners, each with a domain and a stream of its own. */
export interface StreamsRun {
  /** New TLS streams authenticated in a second: TCP, STARTTLS, full handshake, SASL EXTERNAL. */
  readonly handshakesPerSecond: number
  readonly handshakeCpuMs: number
  /** Growth of resident memory for each of the measured ones, after those of before, each time when it falls no more. */
  readonly idleStreamKiB: number
  /** All of the edge's resident memory, with all streams idle. */
  readonly idleMiB: number
  /** Streams that stood, all at once, with traffic on each. */
  readonly heldStreams: number
  readonly heldPerSecond: number
  readonly generatorCores: number
  readonly foreignCores: number
  /** Of the messages on them: those that did not arrive, or had not the outcome `delivered`. */
  readonly lost: number
}

const DIGITS = {
  handshakesPerSecond: 0,
  handshakeCpuMs: 2,
  idleStreamKiB: 1,
  idleMiB: 0,
  heldStreams: 0,
  heldPerSecond: 0,
  generatorCores: 2,
  foreignCores: 2,
} as const
export type StreamsSummary = Summary<keyof typeof DIGITS, 'lost'>

/** What the edge allows one address before it has proven itself, and a little less. */
const DIALED_AT_ONCE = 16
const DRAINED_WITHIN_MS = 20_000
/** Each stream carries so many a second. */
const PER_STREAM_PER_S = 2
const TICK_MS = 10
const LOOK_EVERY_MS = 250
/** A process that does nothing takes and gives back some pages all the time. */
const LITTLE_KIB = 256

const sizes = ({ isQuick }: Bench) => ({
  streams: isQuick ? 40 : 1000,
  /** Opened before anything is measured, and held: code is compiled, the young generation and the allocator's pools have grown. */
  warmUp: isQuick ? 10 : 600,
  /** Memory counts when it has not fallen for so long, or after so long at most: longer than `IdleHeap` may wait. */
  steadyMs: isQuick ? 500 : 40_000,
  settleWithinMs: isQuick ? 1000 : 120_000,
})

interface PartnerStream {
  readonly socket: TLSSocket
  /** A message of its domain. */
  readonly stanza: string
}

export async function benchStreams(bench: Bench, keys: Keys): Promise<StreamsSummary> {
  const measured = await interleave(bench, [{ name: 'streams', run: () => run(bench, keys) }], describe)
  return summarise<keyof typeof DIGITS, 'lost'>(measured.get('streams') ?? [], DIGITS, ['lost'])
}

async function run(bench: Bench, keys: Keys): Promise<StreamsRun> {
  const { streams: wanted, warmUp } = sizes(bench)
  const domains = Array.from({ length: warmUp + wanted }, (_none, index) => `p${index}.${LOAD}`)
  const alone = await edgeAlone(bench, keys, domains)
  const streams: PartnerStream[] = []
  try {
    const pid = alone.pair.child('edge').pid()
    streams.push(...(await dialAll(bench, keys, domains.slice(0, warmUp))))
    const before = await settledKiBOf(bench, pid)

    const stop = meter({ edge: pid })
    const fresh = await dialAll(bench, keys, domains.slice(warmUp))
    const spent = stop()
    streams.push(...fresh)
    const after = await settledKiBOf(bench, pid)

    const held = await traffic(bench, alone, streams)
    return {
      handshakesPerSecond: (fresh.length * 1000) / spent.ms,
      handshakeCpuMs: (spent.cpuMs['edge'] ?? 0) / fresh.length,
      idleStreamKiB: (after - before) / fresh.length,
      idleMiB: after / 1024,
      generatorCores: spent.generatorCores,
      foreignCores: spent.foreignCores,
      ...held,
    }
  } finally {
    for (const { socket } of streams) socket.destroy()
    await alone.close()
  }
}

/** What the system says in the end, not the lowest that it ever said. */
async function settledKiBOf(bench: Bench, pid: number): Promise<number> {
  const { steadyMs, settleWithinMs } = sizes(bench)
  const begunMs = performance.now()
  let lowest = Number.POSITIVE_INFINITY
  let fellMs = begunMs
  for (;;) {
    const resident = residentKiBOf(pid)
    const nowMs = performance.now()
    if (nowMs - fellMs >= steadyMs || nowMs - begunMs >= settleWithinMs) return resident
    if (resident < lowest - LITTLE_KIB) {
      lowest = resident
      fellMs = nowMs
    }
    await pause(LOOK_EVERY_MS)
  }
}

async function dialAll({ stage }: Bench, keys: Keys, domains: readonly string[]): Promise<readonly PartnerStream[]> {
  const { at } = stage
  const context = contextOf(keys.load)
  const to = { host: at.edge, port: PORTS.s2s }
  const streams: PartnerStream[] = []
  const left = domains.values()
  const dialOn = async (): Promise<void> => {
    for (const domain of left) {
      const socket = await dialProven({ to, localAddress: at.partner, domain, remote: SIP, context })
      socket.resume()
      streams.push({ socket, stanza: stanzasTo(SIP, domain, 1).join('') })
    }
  }
  await Promise.all(Array.from({ length: DIALED_AT_ONCE }, dialOn))
  return streams
}

/** All streams in turn, at a steady pace that leaves time to spare. */
async function traffic(
  bench: Bench,
  { pair, nullGateway }: EdgeAlone,
  streams: readonly PartnerStream[],
): Promise<Pick<StreamsRun, 'heldStreams' | 'heldPerSecond' | 'lost'>> {
  const labels = { direction: 'xmpp-to-sip', outcome: 'delivered' }
  const total = Math.max(streams.length, Math.floor((streams.length * PER_STREAM_PER_S * bench.phaseMs) / 1000))
  const begunMs = performance.now()
  let sent = 0
  while (sent < total) {
    const dueBy = ((performance.now() - begunMs) * streams.length * PER_STREAM_PER_S) / 1000
    for (; sent < Math.min(total, dueBy); sent += 1) {
      const stream = streams[sent % streams.length]
      stream?.socket.write(stream.stanza)
    }
    await pause(TICK_MS)
  }
  const tookMs = performance.now() - begunMs
  const passed = async (): Promise<number> => {
    const { arrived } = await nullGateway.count()
    return Math.min(arrived, await pair.metric('edge', 'stox_messages_total', labels))
  }
  await until('the last stanzas', async () => (await passed()) >= total, DRAINED_WITHIN_MS).catch(() => undefined)
  const open = streams.filter(({ socket }) => !socket.destroyed).length
  return {
    heldStreams: Math.min(open, (await nullGateway.count()).domains),
    heldPerSecond: (total * 1000) / tookMs,
    lost: total - (await passed()),
  }
}

function describe(one: StreamsRun): string {
  return (
    `${one.handshakesPerSecond.toFixed(0)} handshakes/s at ${one.handshakeCpuMs.toFixed(2)} ms CPU, ` +
    `${one.idleStreamKiB.toFixed(1)} KiB an idle stream; ${one.heldStreams} streams with ${one.heldPerSecond.toFixed(0)} ` +
    `messages/s on them, ${one.lost} lost; cores: generator ${one.generatorCores.toFixed(2)}, others ${one.foreignCores.toFixed(2)}`
  )
}
