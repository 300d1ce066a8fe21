import { parseArgs } from 'node:util'
import { fail, ok, type Result } from '@stox/kernel'
import { loadConfig, type ConfigProblem } from './config.ts'
import { StartProblem, startEdge } from './edge.ts'

const USAGE = 'stox edge --config edge.yaml [--check]'

export interface Surroundings {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** A line for the administrator. */
  readonly say: (line: string) => void
  /** Resolves when the process is to stop. */
  readonly stopped: Promise<unknown>
}

/** Runs the edge until it is told to stop; the exit code. A bad configuration is one line for each problem, and 2. */
export async function runEdge({ args, env, say, stopped }: Surroundings): Promise<number> {
  const told = optionsOf(args)
  const config = told.ok ? loadConfig(told.value.config, env) : told
  if (!config.ok) return complain(say, config.failure)
  if (told.ok && told.value.check) return 0
  try {
    const edge = await startEdge(config.value)
    await stopped
    await edge.close()
    return 0
  } catch (error) {
    if (error instanceof StartProblem) return complain(say, [error.problem])
    throw error
  }
}

function optionsOf(args: readonly string[]): Result<{ config: string; check: boolean }, readonly ConfigProblem[]> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { config: { type: 'string' }, check: { type: 'boolean', default: false } },
    })
    if (values.config !== undefined) return ok({ config: values.config, check: values.check })
    return fail([{ path: '--config', problem: 'missing', hint: USAGE }])
  } catch (error) {
    return fail([{ path: 'arguments', problem: error instanceof Error ? error.message : String(error), hint: USAGE }])
  }
}

function complain(say: (line: string) => void, problems: readonly ConfigProblem[]): number {
  for (const { path, problem, hint } of problems) say(`${path === '' ? 'configuration' : path}: ${problem} (${hint})`)
  return 2
}
