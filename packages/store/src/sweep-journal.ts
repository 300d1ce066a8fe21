import type { Timer } from '@stox/kernel'
import { messageOf } from './caught.ts'
import type { StoreDeps } from './deps.ts'
import type { JournalStore } from './ports.ts'

const DAY_MS = 86_400_000
const SWEEP_EVERY_MS = 60_000
/** Little at a time, so that nobody notices; more often while much is left. */
const SWEEP_ROWS = 1000
const SWEEP_AGAIN_MS = 200

/** Deletes what the journal has kept for long enough, for as long as it is not cancelled. */
export function sweepJournal(journal: JournalStore, retentionDays: () => number, deps: StoreDeps): Timer {
  let timer: Timer
  let cancelled = false
  const arm = (afterMs: number): void => {
    timer = deps.timers.arm(afterMs, () => void sweep())
  }
  const sweep = async (): Promise<void> => {
    let afterMs = SWEEP_EVERY_MS
    try {
      const gone = await journal.prune(deps.clock.wallMs() - retentionDays() * DAY_MS, SWEEP_ROWS)
      if (gone === SWEEP_ROWS) afterMs = SWEEP_AGAIN_MS
    } catch (error) {
      deps.log.error('journal-sweep-failed', { detail: messageOf(error) })
    }
    if (!cancelled) arm(afterMs)
  }
  arm(SWEEP_EVERY_MS)
  return {
    cancel() {
      cancelled = true
      timer.cancel()
    },
  }
}
