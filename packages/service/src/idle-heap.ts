import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Timer, Timers } from '@stox/kernel'
import { loopBusyness } from '@stox/transport'

const LOOK_EVERY_MS = 2000
/** Of the time the event loop has work, at most; and in so many looks, one after the other. */
const QUIET_BUSYNESS = 0.05
/** Whoever comes back within half a minute finds everything compiled. */
const QUIET_LOOKS = 15
/** From one collection to the next. */
const LOOKS_BETWEEN = 10
/** Since then; a large heap takes longer to collect, and by a quarter it has to have grown. */
const GROWN_BYTES = 16 * 1024 * 1024
const GROWN_SHARE = 0.25

export interface Heap {
  /** What it has taken from the system. */
  bytes(): number
  collect(): void
}

/**
 * What a thousand handshakes leave is some 60 MB of garbage and of grown young generation; as many subscriptions, once they
 * are at rest, leave pages of which a third lives. It is collected once it is quiet: that stops the process for 0.1 to
 * 0.3 s, which is nothing to mind when nobody waits, and is not done under load.
 *
 * It has a price: a collection that saves memory drops the shapes of objects of which none lives, and with them the code
 * compiled for them. The first second of load after it costs three times as much, and it takes ten to be as before (Node 24,
 * `--trace-opt`). So it is done seldom.
 */
export class IdleHeap {
  readonly #timers: Timers
  readonly #heap: Heap
  readonly #busyness: () => number
  #timer: Timer | undefined
  #quietLooks = 0
  #looksSince = LOOKS_BETWEEN
  #atRestBytes = 0

  constructor(timers: Timers, heap: Heap = heapOfV8(), busyness = loopBusyness()) {
    this.#timers = timers
    this.#heap = heap
    this.#busyness = busyness
    this.#arm()
  }

  close(): void {
    this.#timer?.cancel()
  }

  #arm(): void {
    this.#timer = this.#timers.arm(LOOK_EVERY_MS, () => {
      this.#look()
      this.#arm()
    })
  }

  #look(): void {
    this.#quietLooks = this.#busyness() < QUIET_BUSYNESS ? this.#quietLooks + 1 : 0
    this.#looksSince += 1
    if (this.#quietLooks < QUIET_LOOKS || this.#looksSince < LOOKS_BETWEEN) return
    const grownBytes = Math.max(GROWN_BYTES, GROWN_SHARE * this.#atRestBytes)
    if (this.#heap.bytes() < this.#atRestBytes + grownBytes) return
    this.#heap.collect()
    this.#looksSince = 0
    this.#atRestBytes = this.#heap.bytes()
  }
}

/** Made once: a context has `gc` when the flag is set while it is made. */
function heapOfV8(): Heap {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (how: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void
  setFlagsFromString('--no-expose-gc')
  return {
    bytes: () => getHeapStatistics().total_heap_size,
    // Another one keeps the pages that it has emptied.
    collect: () => gc({ type: 'major', flavor: 'last-resort' }),
  }
}
