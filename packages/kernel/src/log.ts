/** Fixed field names; never a body, never a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** One event is one line. `event` is a constant in kebab-case; what varies is in the fields. */
export interface Log {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
