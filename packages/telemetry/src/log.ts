import type { Log, LogFields } from '@stox/kernel'
import { pino } from 'pino'
import { LineWriter } from './line-writer.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogDestination {
  write(line: string): void
}

let lastMs = Number.NaN
let lastField = ''

/** Many lines share a millisecond, and to write a date costs as much as the rest of its line. */
function timeField(): string {
  const nowMs = Date.now()
  if (nowMs !== lastMs) {
    lastMs = nowMs
    lastField = `,"time":"${new Date(nowMs).toISOString()}"`
  }
  return lastField
}

let toStandardOutput: LineWriter | undefined

/** One for all logs of the process. */
function standardOutput(): LineWriter {
  if (toStandardOutput === undefined) {
    const writer = new LineWriter(1)
    process.on('exit', () => writer.flush())
    toStandardOutput = writer
  }
  return toStandardOutput
}

/** One JSON object a line: level, time, name, event, then the fields of the event. To standard output unless told otherwise. */
export function createLog(options: {
  readonly level: LogLevel
  readonly name: string
  readonly destination?: LogDestination
}): Log {
  const sink = pino(
    {
      level: options.level,
      base: { name: options.name },
      messageKey: 'event',
      timestamp: timeField,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? standardOutput(),
  )
  return {
    debug: (event: string, fields?: LogFields) => sink.debug(fields ?? {}, event),
    info: (event: string, fields?: LogFields) => sink.info(fields ?? {}, event),
    warn: (event: string, fields?: LogFields) => sink.warn(fields ?? {}, event),
    error: (event: string, fields?: LogFields) => sink.error(fields ?? {}, event),
  }
}
