#!/usr/bin/env node
import { runGateway } from './run-gateway.ts'

/** Longer than what is under way may take to end: then the process ends all the same. */
const STOP_MS = 10_000

const stopped = new Promise<void>((resolve) => {
  const stop = (): void => {
    resolve()
    setTimeout(() => process.exit(1), STOP_MS).unref()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
})

process.exitCode = await runGateway({
  args: process.argv.slice(2),
  env: process.env,
  say: (line) => process.stderr.write(`stox gateway: ${line}\n`),
  firstToken: (token) => process.stdout.write(`administrator token, shown this once: ${token}\n`),
  stopped,
})
