import { pause, until } from '../src/heard.ts'
import { meter, type Bench, type Pids } from './measure.ts'

/** Stanzas from one end to the other as fast as what is between them takes them. */
export interface Flow {
  readonly name: string
  /** Whose time is counted: `subject` and, where there is one, `nullGateway`. */
  readonly pids: Pids
  begin(): Promise<void> | void
  /** Sends no more; what was sent since the beginning of all runs. */
  end(): Promise<number> | number
  /** What has come out at the far end so far, and when. */
  arrived(): Promise<Passed> | Passed
  /** What has had a good outcome so far, where there are outcomes. */
  outcomes?(): Promise<number>
}

export interface Passed {
  readonly count: number
  readonly atMs: number
}

/** One run of a flow. */
export interface FlowRun {
  readonly perSecond: number
  readonly cpuMsPer1000: number
  readonly subjectCores: number
  readonly generatorCores: number
  readonly nullGatewayCores: number
  readonly foreignCores: number
  /** Sent, and neither arrived nor known to have failed; or without the outcome `delivered`. */
  readonly lost: number
}

/** Digits of the medians, and what is summed. */
export const FLOW_DIGITS = {
  perSecond: 0,
  cpuMsPer1000: 1,
  subjectCores: 2,
  generatorCores: 2,
  nullGatewayCores: 2,
  foreignCores: 2,
} as const
export const FLOW_SUMS = ['lost'] as const

const DRAINED_WITHIN_MS = 20_000
/** Buffers and windows are full after so long. */
const STEADY_AFTER_MS = 500

export async function runFlow(flow: Flow, bench: Bench, forMs = bench.phaseMs): Promise<FlowRun> {
  await flow.begin()
  await pause(STEADY_AFTER_MS)
  const before = await flow.arrived()
  const stop = meter(flow.pids)
  await pause(forMs)
  const spent = stop()
  const after = await flow.arrived()
  const sent = await flow.end()
  const missing = async (): Promise<number> => {
    const outcomes = (await flow.outcomes?.()) ?? sent
    return Math.max(0, sent - Math.min(outcomes, (await flow.arrived()).count))
  }
  await until('the last stanzas', async () => (await missing()) === 0, DRAINED_WITHIN_MS).catch(() => undefined)
  const count = after.count - before.count
  if (count === 0) throw new Error(`${flow.name}: nothing arrived`)
  const cores = (name: string): number => (spent.cpuMs[name] ?? 0) / spent.ms
  return {
    perSecond: (count * 1000) / (after.atMs - before.atMs),
    // The counts are taken around the meter: so many as came while it ran.
    cpuMsPer1000: ((spent.cpuMs['subject'] ?? 0) / spent.ms) * ((1000 * (after.atMs - before.atMs)) / count),
    subjectCores: cores('subject'),
    generatorCores: spent.generatorCores,
    nullGatewayCores: cores('nullGateway'),
    foreignCores: spent.foreignCores,
    lost: await missing(),
  }
}

export function describeFlow(run: FlowRun): string {
  const nullGateway = run.nullGatewayCores > 0 ? `, null gateway ${run.nullGatewayCores.toFixed(2)}` : ''
  return (
    `${run.perSecond.toFixed(0)}/s, ${run.cpuMsPer1000.toFixed(1)} ms CPU per 1000, ${run.lost} lost; ` +
    `cores: ${run.subjectCores.toFixed(2)}, generator ${run.generatorCores.toFixed(2)}${nullGateway}, others ${run.foreignCores.toFixed(2)}`
  )
}
