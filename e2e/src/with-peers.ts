import { missingPeers } from './peers.ts'

/** Tests that need the real peers. Without them they are skipped, on a CI machine they fail. */
export function describeWithPeers(name: string, tests: () => void): void {
  const missing = missingPeers()
  if (missing.length === 0) return describe(name, tests)
  const why = `${name}: not without ${missing.join(', ')} (see e2e/src/peers.ts)`
  if (process.env['CI'] === 'true') throw new Error(why)
  describe.skip(why, tests)
}
