import type { Clock, Log, Timers } from '@stox/kernel'

export interface StoreDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Log
}
