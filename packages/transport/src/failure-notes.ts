import type { Clock, Log } from '@stox/kernel'
import type { StreamFailure } from '@stox/xmpp-engine'
import { detailOf } from '@stox/xmpp-engine'
import type { StreamFailureInfo } from './xmpp-endpoint-types.ts'

const FAILURES_KEPT = 200

/** The streams that could not be had or ended badly, for whoever asks why. */
export class FailureNotes {
  readonly #clock: Clock
  readonly #log: Log
  readonly #kept: StreamFailureInfo[] = []

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** The last ones, oldest first. */
  get all(): readonly StreamFailureInfo[] {
    return [...this.#kept]
  }

  note(stream: Pick<StreamFailureInfo, 'direction' | 'local' | 'remote'>, failure: StreamFailure): void {
    const { direction, local, remote } = stream
    const info = { direction, local, remote, kind: failure.kind, detail: detailOf(failure) }
    this.#log.warn('stream-failed', info)
    this.#kept.push({ atMs: this.#clock.wallMs(), ...info })
    if (this.#kept.length > FAILURES_KEPT) this.#kept.shift()
  }
}
