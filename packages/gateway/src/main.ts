import { parseArgs } from 'node:util'
import { createLog } from '@stox/telemetry'
import { loadConfig } from './config.ts'
import { startGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'
import { StartFailure, lineOf } from './start-failure.ts'

/** Something is wrong with what we were given: the words are on standard error, one line a problem. */
const EXIT_CONFIGURATION = 2
/** SIGTERM is obeyed within so long. */
const STOP_WITHIN_MS = 10_000

function complain(lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`${line}\n`)
  process.exitCode = EXIT_CONFIGURATION
}

async function main(): Promise<void> {
  let options: { readonly config?: string; readonly check?: boolean }
  try {
    options = parseArgs({ options: { config: { type: 'string' }, check: { type: 'boolean' } } }).values
  } catch (error) {
    const problem = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return complain([
      lineOf({ path: 'arguments', problem, hint: 'give --config gateway.yaml, and --check to check it only' }),
    ])
  }
  if (options.config === undefined)
    return complain([lineOf({ path: '--config', problem: 'missing', hint: 'give --config gateway.yaml' })])
  const config = loadConfig(options.config, process.env)
  if (!config.ok) return complain(config.failure.map(lineOf))
  if (options.check === true) return

  const log = createLog({ level: config.value.log.level, name: config.value.node })
  let gateway: Gateway
  try {
    gateway = await startGateway(config.value, {
      log,
      firstToken: (token) => process.stdout.write(`administrator token (shown this once): ${token}\n`),
    })
  } catch (error) {
    if (error instanceof StartFailure) return complain(error.problems.map(lineOf))
    throw error
  }

  const stop = (): void => {
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref()
    gateway.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error('gateway-stop-failed', { detail: String(error) })
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

await main()
