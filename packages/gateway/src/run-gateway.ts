import { parseArgs } from 'node:util'
import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { createLog } from '@stox/telemetry'
import { loadConfig } from './config.ts'
import type { ConfigProblem } from './config.ts'
import { startGateway } from './gateway.ts'
import { StartFailure, lineOf } from './start-failure.ts'

const USAGE = 'stox gateway --config gateway.yaml [--check]'

export interface Surroundings {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** A line for the administrator about what is wrong. */
  readonly say: (line: string) => void
  /** The first administrator token, shown this once. */
  readonly firstToken: (token: string) => void
  /** Resolves when the process is to stop. */
  readonly stopped: Promise<unknown>
}

/** Runs the gateway until it is told to stop; the exit code. A bad configuration is one line for each problem, and 2. */
export async function runGateway({ args, env, say, firstToken, stopped }: Surroundings): Promise<number> {
  const told = optionsOf(args)
  const config = told.ok ? loadConfig(told.value.config, env) : told
  if (!config.ok) return complain(say, config.failure)
  if (told.ok && told.value.check) return 0
  const log = createLog({ level: config.value.log.level, name: config.value.node })
  try {
    const gateway = await startGateway(config.value, { log, firstToken })
    await stopped
    await gateway.close()
    return 0
  } catch (error) {
    if (error instanceof StartFailure) return complain(say, error.problems)
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
  for (const problem of problems) say(lineOf(problem))
  return 2
}
