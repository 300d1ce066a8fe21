import { setFlagsFromString } from 'node:v8'

/**
 * How V8 collects garbage in a process that passes messages on, as long as it lives.
 *
 * - Of the young some megabytes live. The usual four threads for them get in each other's way: on two cores a collection took
 *   half as long again as with one, and two to three times the CPU.
 * - Where most of what a place in the code makes outlives one collection, V8 makes it old from then on. The rows of the journal
 *   wait 200 ms, so under load all of them did, and drew the text of each request after them: 1 KB for each message waited for
 *   a full collection.
 * - The memory reducer collects 8 s after a burst and again, and drops what was compiled with it: `IdleHeap` does that seldom.
 */
export function tuneCollector(): void {
  setFlagsFromString('--no-parallel-scavenge')
  setFlagsFromString('--no-allocation-site-pretenuring')
  setFlagsFromString('--no-memory-reducer')
}
