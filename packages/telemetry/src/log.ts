import type { Log, LogFields } from '@stox/kernel'
import { LineWriter } from './line-writer.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogDestination {
  write(line: string): void
}

/** One JSON object a line: level, time, name, event, then the fields of the event. To standard output unless told otherwise. */
export function createLog(options: {
  readonly level: LogLevel
  readonly name: string
  readonly destination?: LogDestination
}): Log {
  const { name, destination = standardOutput() } = options
  const writer = (level: LogLevel): Log['info'] => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(options.level)) return () => undefined
    return (event, fields) => destination.write(lineOf(level, name, event, fields))
  }
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') }
}

const lineOf = (level: LogLevel, name: string, event: string, fields: LogFields | undefined): string =>
  `${JSON.stringify({ level, time: timeText(Date.now()), name, event, ...fields })}\n`

let lastMs = Number.NaN
let lastText = ''

/** Many lines share a millisecond, and to write a date costs as much as the rest of its line. */
function timeText(nowMs: number): string {
  if (nowMs !== lastMs) {
    lastMs = nowMs
    lastText = new Date(nowMs).toISOString()
  }
  return lastText
}

let shared: LineWriter | undefined

/** One for the process; what waits is written before it ends. */
function standardOutput(): LogDestination {
  if (shared === undefined) {
    const writer = new LineWriter(1)
    process.on('exit', () => writer.flushSync())
    shared = writer
  }
  return shared
}
