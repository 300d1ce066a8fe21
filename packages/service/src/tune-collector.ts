import { setFlagsFromString } from 'node:v8'

/**
 * How V8 collects garbage in a process that passes messages on, as long as it lives.
 *
 * - Of the young some megabytes live. The usual four threads for them get in each other's way: on two cores a collection took
 *   half as long again as with one, and two to three times the CPU.
 * - The memory reducer collects 8 s after a burst and again, and drops what was compiled with it: `IdleHeap` does that seldom.
 */
export function tuneCollector(): void {
  setFlagsFromString('--no-parallel-scavenge')
  setFlagsFromString('--no-memory-reducer')
}
