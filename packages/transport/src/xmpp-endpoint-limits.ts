import type { XmppEndpointLimits } from './xmpp-endpoint-types.ts'

/** Those that no setting says. */
export const DEFAULT_LIMITS: XmppEndpointLimits = {
  stanzasInHand: 2_048,
  bytesInHand: 8 * 1024 * 1024,
  queueEntries: 2_000,
  queueBytes: 4 * 1024 * 1024,
  unacknowledgedEntries: 4_096,
  unacknowledgedBytes: 4 * 1024 * 1024,
  acknowledgeWithinMs: 5_000,
  writeBufferBytes: 512 * 1024,
  unauthenticated: 200,
  unauthenticatedPerAddress: 20,
  fruitlessPerSecond: 100,
  fruitlessPerSecondPerAddress: 10,
  connectTimeoutMs: 10_000,
  stallTimeoutMs: 20_000,
  closeTimeoutMs: 5_000,
  drainTimeoutMs: 4_000,
  backOffFirstMs: 1_000,
  backOffCapMs: 300_000,
  dialsAtOnce: 64,
  verificationsAtOnce: 50,
  verificationsPerSecond: 50,
  verificationsPerSecondPerAddress: 5,
  bytesBeforeProof: 131_072,
}
