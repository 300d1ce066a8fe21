import { cryptoIds, nodeHashes, systemClock, systemTimers } from '../src/system.ts'

describe('system', () => {
  test('tokens are 128 bits of [a-z0-9] and do not repeat', () => {
    const tokens = Array.from({ length: 2000 }, () => cryptoIds.token())
    expect(tokens.every((token) => /^[a-z0-9]{32}$/.test(token))).toBe(true)
    expect(new Set(tokens).size).toBe(tokens.length)
  })

  test('hashes as published', () => {
    // FIPS 180-4 and RFC 4231 test case 2
    expect(nodeHashes.sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(nodeHashes.hmacSha256Hex('Jefe', 'what do ya want for nothing?')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })

  test.each([0, 20, 120, 260])('a timer of %d ms is not early, and a cancelled one stays silent', async (afterMs) => {
    const startedMs = systemClock.monotonicMs()
    const cancelled = systemTimers.arm(afterMs, () => {
      throw new Error('cancelled timers stay silent')
    })
    cancelled.cancel()
    await new Promise<void>((resolve) => {
      systemTimers.arm(afterMs, resolve)
    })
    expect(systemClock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(afterMs - 1)
  })
})
