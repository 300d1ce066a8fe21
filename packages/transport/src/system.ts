import { createHmac, hash, randomFillSync } from 'node:crypto'
import type { Clock, Hashes, Ids, Timers } from '@stox/kernel'
import { TimerWheel } from './timer-wheel.ts'

const SLOT_MS = 50
const SLOTS = 1024
/** Shorter waits ask for more precision than a slot gives. */
const PLAIN_BELOW_MS = 2 * SLOT_MS

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}

let wheel: TimerWheel | undefined
let ticking: NodeJS.Timeout | undefined

/** As an uncaught exception of a plain timer would be: it ends the process, not the other timers of the slot. */
const rethrow = (error: unknown): void =>
  process.nextTick(() => {
    throw error
  })

function tick(): void {
  wheel?.advance(performance.now(), rethrow)
  if (wheel?.size === 0) {
    clearInterval(ticking)
    ticking = undefined
  }
}

/** One wheel for the whole process. It ticks, and keeps the process alive, only while a timer is armed. */
export const systemTimers: Timers = {
  arm(afterMs, fire) {
    if (afterMs < PLAIN_BELOW_MS) {
      const timeout = setTimeout(fire, Math.max(0, afterMs))
      return { cancel: () => clearTimeout(timeout) }
    }
    wheel ??= new TimerWheel(SLOT_MS, SLOTS, performance.now())
    ticking ??= setInterval(tick, SLOT_MS)
    return wheel.arm(performance.now(), afterMs, fire)
  },
}

const TOKEN_BYTES = 16
const pool = Buffer.allocUnsafeSlow(256 * TOKEN_BYTES)
let poolOffset = pool.length

export const cryptoIds: Ids = {
  token() {
    if (poolOffset === pool.length) {
      randomFillSync(pool)
      poolOffset = 0
    }
    const text = pool.toString('hex', poolOffset, poolOffset + TOKEN_BYTES)
    poolOffset += TOKEN_BYTES
    return text
  },
  fraction: () => Math.random(),
}

export const nodeHashes: Hashes = {
  sha256Hex: (text) => hash('sha256', text, 'hex'),
  hmacSha256Hex: (key, text) => createHmac('sha256', key).update(text, 'utf8').digest('hex'),
}

/** MD5 is for the digest of peers that have nothing else. @see RFC 8760 §2.1 */
export const nodeDigestHashes: Hashes & { readonly md5Hex: (text: string) => string } = {
  ...nodeHashes,
  md5Hex: (text) => hash('md5', text, 'hex'),
}
