import { availableParallelism, cpus, release, totalmem } from 'node:os'
import type { Stage } from '../src/stage.ts'
import { busyMs, cpuMsOf, treeOf } from './proc.ts'

/** What every mode is given. */
export interface Bench {
  readonly stage: Stage
  readonly isQuick: boolean
  readonly runs: number
  readonly phaseMs: number
  readonly warmUpMs: number
  say(line: string): void
}

/** Processes by the name under which the results show them; each stands for all that it has started. */
export type Pids = Readonly<Record<string, number>>

export interface Spent {
  readonly ms: number
  readonly cpuMs: Readonly<Record<string, number>>
  /** Cores taken by this process, which holds the far ends. */
  readonly generatorCores: number
  /** Cores taken by others than these processes and the generator: more than 0.1, and the figures are worth little. */
  readonly foreignCores: number
}

/** Starts to measure; the function that it gives ends it. */
export function meter(pids: Pids): () => Spent {
  const all = Object.entries(pids).map(([name, pid]) => [name, treeOf(pid)] as const)
  const read = (): readonly (readonly [string, number])[] =>
    all.map(([name, tree]) => [name, tree.reduce((sum, pid) => sum + cpuMsOf(pid), 0)])
  const begunMs = performance.now()
  const before = Object.fromEntries(read())
  const busyBefore = busyMs()
  const ownBefore = process.cpuUsage()
  return () => {
    const ms = performance.now() - begunMs
    const cpuMs = Object.fromEntries(read().map(([name, after]) => [name, after - (before[name] ?? 0)]))
    const own = process.cpuUsage(ownBefore)
    const ownMs = (own.user + own.system) / 1000
    const watchedMs = Object.values(cpuMs).reduce((sum, one) => sum + one, 0)
    return {
      ms,
      cpuMs,
      generatorCores: ownMs / ms,
      foreignCores: Math.max(0, (busyMs() - busyBefore - watchedMs - ownMs) / ms),
    }
  }
}

/** One thing that is measured again and again, beside others of its kind. */
export interface Contender<Run> {
  readonly name: string
  run(): Promise<Run>
}

/** Turn by turn, so that what happens to the machine meanwhile happens to all. */
export async function interleave<Run>(
  bench: Bench,
  contenders: readonly Contender<Run>[],
  describe: (run: Run) => string,
): Promise<ReadonlyMap<string, readonly Run[]>> {
  const measured = new Map<string, Run[]>(contenders.map(({ name }) => [name, []]))
  for (let turn = 1; turn <= bench.runs; turn += 1) {
    for (const { name, run } of contenders) {
      const one = await run()
      measured.get(name)?.push(one)
      bench.say(`run ${turn} ${name}: ${describe(one)}`)
    }
  }
  return measured
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

export const round = (value: number, digits: number): number => Number(value.toFixed(digits))

/** Medians with so many digits, sums, and the lowest and highest of each median. */
export function summarise<Key extends string, Sum extends string>(
  each: readonly Readonly<Record<Key | Sum, number>>[],
  digits: Readonly<Record<Key, number>>,
  sums: readonly Sum[],
): Summary<Key, Sum> {
  const keys = Object.keys(digits) as Key[]
  const values = (key: Key): readonly number[] => each.map((one) => one[key])
  const record = <K extends string, V>(names: readonly K[], of: (name: K) => V): Readonly<Record<K, V>> =>
    Object.fromEntries(names.map((name) => [name, of(name)])) as Record<K, V>
  return {
    ...record<Key | Sum, number>([...keys, ...sums], (name) =>
      name in digits
        ? round(medianOf(values(name as Key)), digits[name as Key])
        : each.reduce((total, one) => total + one[name], 0),
    ),
    spread: record(keys, (key): readonly [number, number] => [
      round(Math.min(...values(key)), digits[key]),
      round(Math.max(...values(key)), digits[key]),
    ]),
  }
}

export type Summary<Key extends string, Sum extends string> = Readonly<Record<Key | Sum, number>> & {
  readonly spread: Readonly<Record<Key, readonly [number, number]>>
}

export const machine = (): Readonly<Record<string, string | number>> => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryMiB: Math.round(totalmem() / 1024 / 1024),
  kernel: release(),
  node: process.version,
})
