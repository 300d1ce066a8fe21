import { truncateSync } from 'node:fs'
import type { TLSSocket } from 'node:tls'
import { selfSigned, TestCa } from '../src/certificates.ts'
import { pause } from '../src/heard.ts'
import { PORTS, SIP } from '../src/stage.ts'
import { edgeAlone, keysFor, LOAD } from './edge-alone.ts'
import { HOSTILE_CASES, HostilePartner, type HostileName, type HostileStart } from './hostile-partner.ts'
import { meter, summarise, type Bench } from './measure.ts'
import { contextOf, dialProven, PartnerSink } from './partner-streams.ts'
import { cpuMsOf, memoryMiBOf } from './proc.ts'

const HOSTILE = 'hostile.example'
const ANY_HOSTILE = `*.${HOSTILE}`
/** Of the stage's net: addresses of nobody else, one for each turn. */
const FIRST_ADDRESS = 90
const ADDRESSES = 105
/** Of the honest partner: modest. */
const PER_SECOND = 400
/** Of one turn: alone and beside, one after the other, so that what happens to the machine happens to both. */
const SLICES = 2
const SETTLES_IN_MS = 500
const IDLE_CORES = 0.05
const IDLE_WITHIN_MS = 20_000
const ARRIVES_WITHIN_MS = 10_000

/** The slices of one turn that are of one kind. */
interface Phase {
  readonly roundsMs: readonly number[]
  readonly lost: number
  readonly edgeCores: number
  readonly foreignCores: number
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

  async run(forMs: number): Promise<Pick<Phase, 'roundsMs' | 'lost'>> {
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
      await pause(1)
    }
    const endMs = performance.now() + ARRIVES_WITHIN_MS
    while (this.#sentMs.size > 0 && performance.now() < endMs) await pause(20)
    const lost = this.#sentMs.size
    // What never came has taken as long as was waited for it.
    return { roundsMs: [...this.#rounds, ...Array.from({ length: lost }, () => ARRIVES_WITHIN_MS)], lost }
  }
}

async function certificatesFor({ stage }: Bench, ca: TestCa): Promise<HostileStart['certificates']> {
  const issue = (name: string, host: string, more: Parameters<TestCa['issue']>[2] = {}) =>
    ca.issue(`hostile-${name}`, [host], more)
  return {
    good: await issue('good', ANY_HOSTILE),
    expired: await issue('expired', ANY_HOSTILE, { validDays: 0.0001 }),
    selfSigned: await selfSigned(stage.dir, 'hostile-self', [ANY_HOSTILE]),
    wrongName: await issue('name', 'somebody-else.example'),
    wrongPurpose: await issue('purpose', ANY_HOSTILE, { purposes: ['clientAuth'] }),
    foreign: await (await TestCa.create(stage.dir, 'foreign-ca')).issue('hostile-foreign', [ANY_HOSTILE]),
  }
}

/** What each hostile partner does to an honest one's p99, and what it costs. `only`: some of the cases. */
export async function benchHostile(bench: Bench, only?: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const { stage, say } = bench
  const { at } = stage
  // The first costs the edge nothing: its ratio is what the machine and the measure do by themselves.
  const cases = (['busy', ...HOSTILE_CASES] as const).filter((one) => only === undefined || only.includes(one))
  const net = at.stranger.slice(0, at.stranger.lastIndexOf('.'))
  const nameOf = (index: number): HostileName => ({
    domain: `h${index}.${HOSTILE}`,
    address: `${net}.${FIRST_ADDRESS + (index % ADDRESSES)}`,
  })
  const keys = await keysFor(bench)
  const context = contextOf(keys.load)
  const sink = await new PartnerSink(context).listen(at.partner, PORTS.s2s)
  stage.onEnd(() => sink.close())
  const { pair, nullGateway, close } = await edgeAlone(bench, keys, [LOAD], {
    settings: {},
    partners: Array.from({ length: cases.length * bench.runs }, (_none, index) => {
      const { domain, address } = nameOf(index)
      const proxy = { host: address, port: PORTS.s2s }
      return { domain, partnerType: 'federated', tlsNegotiation: 'optional', saslNegotiation: 'optional', proxy }
    }),
  })
  const edge = { host: at.edge, port: PORTS.s2s }
  const certificates = await certificatesFor(bench, keys.authority)
  const hostile = await HostilePartner.start({ edge, port: PORTS.s2s, remote: SIP, certificates })
  stage.onEnd(() => hostile.close())
  const rounds = new Rounds(
    await dialProven({ to: edge, localAddress: at.partner, domain: LOAD, remote: SIP, context }),
    sink,
  )
  const pid = pair.child('edge').pid()
  const watched = { edge: pid, hostile: hostile.pid, nullGateway: nullGateway.pid }
  const slice = async (): Promise<Phase> => {
    truncateSync(pair.child('edge').logFile)
    const stop = meter(watched)
    const run = await rounds.run(bench.phaseMs / SLICES)
    const { cpuMs, ms, foreignCores } = stop()
    return { ...run, edgeCores: (cpuMs['edge'] ?? 0) / ms, foreignCores }
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
  let index = 0
  for (const what of cases) {
    const turns: Turn[] = []
    for (let turn = 1; turn <= bench.runs; turn += 1) {
      const alone: Phase[] = []
      const beside: Phase[] = []
      for (let count = 0; count < SLICES; count += 1) {
        alone.push(await slice())
        await hostile.begin(what, nameOf(index))
        await pause(SETTLES_IN_MS)
        beside.push(await slice())
        await hostile.end()
        await idle()
      }
      turns.push({ alone: pooled(alone), beside: pooled(beside) })
      index += 1
    }
    const one = summaryOf(turns, memoryMiBOf(pid).now)
    all[what] = one
    say(
      `${what}: p99 ${one.p99AloneMs} ms alone, ${one.p99BesideMs} ms beside it, ratio ${one.p99Ratio} ` +
        `(${one.spread.p99Ratio.join(' to ')}); edge ${one.edgeCoresAlone} and ${one.edgeCoresBeside} cores, ` +
        `others ${one.foreignCores}; ${one.edgeMiB} MiB; ${one.lost} lost`,
    )
  }
  await hostile.close()
  await close()
  await sink.close()
  const { busy, ...hostileOnes } = all
  return { edge: { hostile: hostileOnes, ...(busy === undefined ? {} : { hostileControl: busy }) } }
}

interface Turn {
  readonly alone: Phase
  readonly beside: Phase
}

function pooled(slices: readonly Phase[]): Phase {
  const mean = (pick: (slice: Phase) => number): number =>
    slices.reduce((sum, slice) => sum + pick(slice), 0) / slices.length
  return {
    roundsMs: slices.flatMap(({ roundsMs }) => roundsMs),
    lost: slices.reduce((sum, { lost }) => sum + lost, 0),
    edgeCores: mean(({ edgeCores }) => edgeCores),
    foreignCores: mean(({ foreignCores }) => foreignCores),
  }
}

/** By nearest rank: a value that was measured. */
function atShare({ roundsMs }: Phase, share: number): number {
  const sorted = roundsMs.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * share) - 1] ?? ARRIVES_WITHIN_MS
}

function summaryOf(turns: readonly Turn[], edgeMiB: number) {
  const each = turns.map(({ alone, beside }) => {
    const [p99AloneMs, p99BesideMs] = [atShare(alone, 0.99), atShare(beside, 0.99)]
    return {
      p99Ratio: p99BesideMs / p99AloneMs,
      p99AloneMs,
      p99BesideMs,
      p50AloneMs: atShare(alone, 0.5),
      p50BesideMs: atShare(beside, 0.5),
      edgeCoresAlone: alone.edgeCores,
      edgeCoresBeside: beside.edgeCores,
      foreignCores: Math.max(alone.foreignCores, beside.foreignCores),
      lost: alone.lost + beside.lost,
    }
  })
  const digits = {
    p99Ratio: 2,
    p99AloneMs: 2,
    p99BesideMs: 2,
    p50AloneMs: 2,
    p50BesideMs: 2,
    edgeCoresAlone: 2,
    edgeCoresBeside: 2,
    foreignCores: 2,
  }
  return { ...summarise<keyof typeof digits, 'lost'>(each, digits, ['lost']), edgeMiB }
}
