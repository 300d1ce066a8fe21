import { truncateSync } from 'node:fs'
import type { TLSSocket } from 'node:tls'
import { selfSigned, TestCa } from '../src/certificates.ts'
import { pause } from '../src/heard.ts'
import { PORTS, SIP } from '../src/stage.ts'
import { edgeAlone, keysFor, LOAD } from './edge-alone.ts'
import { HOSTILE_CASES, HostilePartner, type HostileStart } from './hostile-partner.ts'
import { medianOf, meter, round, type Bench } from './measure.ts'
import { contextOf, dialProven, PartnerSink } from './partner-streams.ts'
import { cpuMsOf, memoryMiBOf } from './proc.ts'

const HOSTILE = 'hostile.example'
/** Of the honest partner: modest. */
const PER_SECOND = 200
const SETTLES_IN_MS = 500
const IDLE_CORES = 0.05
const IDLE_WITHIN_MS = 20_000
const ARRIVES_WITHIN_MS = 10_000

interface Phase {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly lost: number
  readonly edgeCores: number
}

/**
 * An honest partner whose messages go through the edge and over the link to nobody and come back as errors, at a steady
 * rate: what a round takes without a hostile partner and beside one, in turns.
 */
class Rounds {
  readonly #socket: TLSSocket
  readonly #sentMs = new Map<number, number>()
  #rounds: number[] = []
  #next = 0

  constructor(socket: TLSSocket, sink: PartnerSink) {
    this.#socket = socket
    socket.resume()
    sink.onText = (text) => {
      const nowMs = performance.now()
      for (const [, number] of text.matchAll(/id='r(\d+)'/g)) {
        const sentMs = this.#sentMs.get(Number(number))
        if (sentMs !== undefined) this.#rounds.push(nowMs - sentMs)
        this.#sentMs.delete(Number(number))
      }
    }
  }

  async run(forMs: number): Promise<{ readonly p50Ms: number; readonly p99Ms: number; readonly lost: number }> {
    this.#rounds = []
    this.#sentMs.clear()
    const beganMs = performance.now()
    const first = this.#next
    while (performance.now() - beganMs < forMs) {
      const due = first + ((performance.now() - beganMs) * PER_SECOND) / 1000
      for (; this.#next < due; this.#next += 1) {
        // From when it was due: one that we were late with is late.
        this.#sentMs.set(this.#next, beganMs + ((this.#next - first) * 1000) / PER_SECOND)
        const id = `r${this.#next}`
        this.#socket.write(
          `<message from='u@${LOAD}/h' to='nobody@${SIP}' type='chat' id='${id}'><body>round</body></message>`,
        )
      }
      await pause(2)
    }
    const endMs = performance.now() + ARRIVES_WITHIN_MS
    while (this.#sentMs.size > 0 && performance.now() < endMs) await pause(20)
    const sorted = this.#rounds.toSorted((a, b) => a - b)
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? ARRIVES_WITHIN_MS
    return { p50Ms: at(0.5), p99Ms: at(0.99), lost: this.#sentMs.size }
  }
}

async function certificatesFor({ stage }: Bench, ca: TestCa): Promise<HostileStart['certificates']> {
  const issue = (name: string, host: string, more: Parameters<TestCa['issue']>[2] = {}) =>
    ca.issue(`hostile-${name}`, [host], more)
  return {
    good: await issue('good', HOSTILE),
    expired: await issue('expired', HOSTILE, { validDays: 0.0001 }),
    selfSigned: await selfSigned(stage.dir, 'hostile-self', [HOSTILE]),
    wrongName: await issue('name', 'somebody-else.example'),
    wrongPurpose: await issue('purpose', HOSTILE, { purposes: ['clientAuth'] }),
    foreign: await (await TestCa.create(stage.dir, 'foreign-ca')).issue('hostile-foreign', [HOSTILE]),
  }
}

/** What each hostile partner does to an honest one's p99, and what it costs. `only`: some of the cases. */
export async function benchHostile(bench: Bench, only?: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { stage, say } = bench
  const { at } = stage
  const cases = HOSTILE_CASES.filter((one) => only === undefined || only.includes(one))
  const keys = await keysFor(bench)
  const context = contextOf(keys.load)
  const sink = await new PartnerSink(context).listen(at.partner, PORTS.s2s)
  stage.onEnd(() => sink.close())
  const proxy = { host: at.stranger, port: PORTS.s2s }
  const record = { partnerType: 'federated', tlsNegotiation: 'optional', saslNegotiation: 'optional', proxy }
  const { pair, close } = await edgeAlone(bench, keys, [LOAD], {
    settings: {},
    partners: [{ domain: HOSTILE, ...record }],
  })
  const edge = { host: at.edge, port: PORTS.s2s }
  const hostile = await HostilePartner.start({
    edge,
    address: at.stranger,
    port: PORTS.s2s,
    domain: HOSTILE,
    remote: SIP,
    certificates: await certificatesFor(bench, keys.authority),
  })
  stage.onEnd(() => hostile.close())
  const rounds = new Rounds(
    await dialProven({ to: edge, localAddress: at.partner, domain: LOAD, remote: SIP, context }),
    sink,
  )
  const pid = pair.child('edge').pid()
  const phase = async (): Promise<Phase> => {
    truncateSync(pair.child('edge').logFile)
    const stop = meter({ edge: pid })
    const run = await rounds.run(bench.phaseMs)
    const { cpuMs, ms } = stop()
    return { ...run, edgeCores: (cpuMs['edge'] ?? 0) / ms }
  }

  /** What it has sent and nobody has read yet is read to the end. */
  const idle = async (): Promise<void> => {
    const endMs = performance.now() + IDLE_WITHIN_MS
    for (let spentMs = Number.POSITIVE_INFINITY; spentMs > IDLE_CORES * SETTLES_IN_MS && performance.now() < endMs;) {
      const beforeMs = cpuMsOf(pid)
      await pause(SETTLES_IN_MS)
      spentMs = cpuMsOf(pid) - beforeMs
    }
  }

  await rounds.run(bench.warmUpMs)
  const all: Record<string, object> = {}
  for (const what of cases) {
    const turns: { readonly alone: Phase; readonly beside: Phase }[] = []
    for (let turn = 1; turn <= bench.runs; turn += 1) {
      const alone = await phase()
      await hostile.begin(what)
      await pause(SETTLES_IN_MS)
      const beside = await phase()
      await hostile.end()
      await idle()
      turns.push({ alone, beside })
    }
    const one = summaryOf(turns, memoryMiBOf(pid).now)
    all[what] = one
    say(
      `${what}: p99 ${one.p99AloneMs} ms alone, ${one.p99BesideMs} ms beside it, ratio ${one.p99Ratio}; ` +
        `edge ${one.edgeCoresAlone} and ${one.edgeCoresBeside} cores, ${one.edgeMiB} MiB; ${one.lost} lost`,
    )
  }
  await hostile.close()
  await close()
  await sink.close()
  return { edge: { hostile: all } }
}

function summaryOf(turns: readonly { readonly alone: Phase; readonly beside: Phase }[], edgeMiB: number) {
  const median = (pick: (turn: (typeof turns)[number]) => number, digits: number): number =>
    round(medianOf(turns.map(pick)), digits)
  return {
    p99Ratio: median(({ alone, beside }) => beside.p99Ms / alone.p99Ms, 2),
    p99AloneMs: median(({ alone }) => alone.p99Ms, 2),
    p99BesideMs: median(({ beside }) => beside.p99Ms, 2),
    p50AloneMs: median(({ alone }) => alone.p50Ms, 2),
    p50BesideMs: median(({ beside }) => beside.p50Ms, 2),
    edgeCoresAlone: median(({ alone }) => alone.edgeCores, 2),
    edgeCoresBeside: median(({ beside }) => beside.edgeCores, 2),
    edgeMiB,
    lost: turns.reduce((sum, { alone, beside }) => sum + alone.lost + beside.lost, 0),
  }
}
