import type { Clock, Log } from '@stox/kernel'

const WINDOW_MS = 1000

/**
 * For what strangers can cause: of one event and kind (or partner) at most so many warnings a second, so that nobody can
 * fill a disk from outside, or drown what is said of a partner. The next one that is written says how many were left out; the metrics count them all.
 */
export function sparingLog(log: Log, clock: Clock, perSecond = 20): Log {
  const windows = new Map<string, { endsAtMs: number; written: number; leftOut: number }>()
  return {
    debug: (event, fields) => log.debug(event, fields),
    info: (event, fields) => log.info(event, fields),
    error: (event, fields) => log.error(event, fields),
    warn(event, fields) {
      const nowMs = clock.monotonicMs()
      const key = `${event} ${fields?.['kind'] ?? fields?.['partner'] ?? ''}`
      let window = windows.get(key)
      if (window === undefined) {
        window = { endsAtMs: 0, written: 0, leftOut: 0 }
        windows.set(key, window)
      }
      if (nowMs >= window.endsAtMs) {
        window.endsAtMs = nowMs + WINDOW_MS
        window.written = 0
      }
      if (window.written === perSecond) {
        window.leftOut += 1
        return
      }
      window.written += 1
      log.warn(event, window.leftOut === 0 ? fields : { ...fields, leftOut: window.leftOut })
      window.leftOut = 0
    },
  }
}
