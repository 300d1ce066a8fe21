#!/usr/bin/env node
import { runEdge } from './run-edge.ts'

/** Longer than the streams may take to close: then the process ends all the same. */
const STOP_MS = 10_000

const stopped = new Promise<void>((resolve) => {
  const stop = (): void => {
    resolve()
    setTimeout(() => process.exit(1), STOP_MS).unref()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
})

process.exitCode = await runEdge({
  args: process.argv.slice(2),
  env: process.env,
  say: (line) => process.stderr.write(`stox edge: ${line}\n`),
  stopped,
})
