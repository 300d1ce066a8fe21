import { parseArgs } from 'node:util'
import { fail, ok, type Result } from '@stox/kernel'
import { systemTimers } from '@stox/transport'
import type { ConfigProblem, Environment } from './config-file.ts'
import { IdleHeap } from './idle-heap.ts'
import { StartFailure, lineOf } from './start-failure.ts'
import { tuneCollector } from './tune-collector.ts'

/** One of the processes of stox: what `stox NAME --config NAME.yaml` runs. */
export interface Service<Config> {
  readonly name: string
  load(path: string, env: Environment): Result<Config, readonly ConfigProblem[]>
  /** Rejects with a `StartFailure`, and with nothing left open. */
  start(config: Config): Promise<Running>
}

export interface Running {
  close(): Promise<void>
  /** Reads the files of certificates again, now. */
  reload?(): Promise<void>
}

export interface Surroundings {
  readonly args: readonly string[]
  readonly env: Environment
  /** A line for the administrator about what is wrong. */
  readonly say: (line: string) => void
  /** Resolves when the process is to stop. */
  readonly stopped: Promise<unknown>
  /** Takes what is to be done when somebody asks for a reload. */
  readonly onReload?: (reload: () => void) => void
}

/** Runs it until it is told to stop; the exit code. A bad configuration is one line for each problem, and 2. */
export async function runService<Config>(
  service: Service<Config>,
  { args, env, say, stopped, onReload }: Surroundings,
): Promise<number> {
  const complain = (problems: readonly ConfigProblem[]): number => {
    for (const problem of problems) say(lineOf(problem))
    return 2
  }
  const told = optionsOf(args, `stox ${service.name} --config ${service.name}.yaml [--check]`)
  if (!told.ok) return complain(told.failure)
  const config = service.load(told.value.config, env)
  if (!config.ok) return complain(config.failure)
  if (told.value.check) return 0
  try {
    const running = await service.start(config.value)
    onReload?.(() => void running.reload?.())
    await stopped
    await running.close()
    return 0
  } catch (error) {
    if (error instanceof StartFailure) return complain(error.problems)
    throw error
  }
}

function optionsOf(
  args: readonly string[],
  usage: string,
): Result<{ config: string; check: boolean }, readonly ConfigProblem[]> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { config: { type: 'string' }, check: { type: 'boolean', default: false } },
    })
    if (values.config !== undefined) return ok({ config: values.config, check: values.check })
    return fail([{ path: '--config', problem: 'missing', hint: usage }])
  } catch (error) {
    return fail([{ path: 'arguments', problem: error instanceof Error ? error.message : String(error), hint: usage }])
  }
}

/** Longer than what is under way may take to end: then the process ends all the same. */
const STOP_MS = 10_000

/** This process is the service, from here to its end: signals, arguments, environment, exit code. */
export async function runProcess<Config>(service: Service<Config>): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    const stop = (): void => {
      resolve()
      setTimeout(() => process.exit(1), STOP_MS).unref()
    }
    // Told twice, by a supervisor and by its group, it stops once; who presses Ctrl-C twice does not want to wait.
    process.on('SIGTERM', stop)
    process.once('SIGINT', stop)
  })
  // Unheard, it would end the process: and whoever renews certificates is used to send it.
  let reload = (): void => undefined
  process.on('SIGHUP', () => reload())
  tuneCollector()
  const idleHeap = new IdleHeap(systemTimers)
  process.exitCode = await runService(service, {
    args: process.argv.slice(2),
    env: process.env,
    say: (line) => process.stderr.write(`stox ${service.name}: ${line}\n`),
    stopped,
    onReload: (whatToDo) => void (reload = whatToDo),
  }).finally(() => idleHeap.close())
}
