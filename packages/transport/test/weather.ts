import { chanceFrom } from '@stox/kernel'
import type { VirtualTime } from '@stox/kernel'

export interface Weather {
  readonly loss: number
  readonly repeat: number
  readonly longestMs: number
}

/** A network that loses, repeats and swaps, the same way for the same seed. */
export function network(time: VirtualTime, seed: number, weather: Weather): (deliver: () => void) => void {
  const random = chanceFrom(seed)
  const once = (deliver: () => void): void => {
    if (random() >= weather.loss) time.arm(1 + random() * weather.longestMs, deliver)
  }
  return (deliver) => {
    once(deliver)
    if (random() < weather.repeat) once(deliver)
  }
}
