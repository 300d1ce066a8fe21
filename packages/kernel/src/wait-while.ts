import type { Clock, Timers } from './clock.ts'

/** Looks again every `everyMs` while it holds, until `untilMs` by the monotonic clock at the latest. */
export async function waitWhile(
  { clock, timers }: { readonly clock: Clock; readonly timers: Timers },
  holds: () => boolean,
  untilMs: number,
  everyMs: number,
): Promise<void> {
  while (holds() && clock.monotonicMs() < untilMs) await new Promise<void>((resolve) => timers.arm(everyMs, resolve))
}
