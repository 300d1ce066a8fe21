import type { Log, LogFields } from '@stox/kernel'
import { destination, pino } from 'pino'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogDestination {
  write(line: string): void
}

/** Lines are written together: one system call for each would cost a tenth of the time of a busy process. */
const CHUNK_BYTES = 8192
const LATEST_MS = 100
/** What waits for a reader that does not read; beyond it lines are dropped. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024

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
    options.destination ??
      destination({
        fd: 1,
        sync: false,
        minLength: CHUNK_BYTES,
        periodicFlush: LATEST_MS,
        maxLength: MOST_WAITING_BYTES,
      }),
  )
  return {
    debug: (event: string, fields?: LogFields) => sink.debug(fields ?? {}, event),
    info: (event: string, fields?: LogFields) => sink.info(fields ?? {}, event),
    warn: (event: string, fields?: LogFields) => sink.warn(fields ?? {}, event),
    error: (event: string, fields?: LogFields) => sink.error(fields ?? {}, event),
  }
}
