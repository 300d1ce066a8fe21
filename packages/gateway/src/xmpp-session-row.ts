import type { SessionRow as ApiSessionRow } from '@stox/admin-api'
import type { SessionRow } from '@stox/link'

/** What an administrator is shown of a stream of the edge. */
export const xmppSessionRow = (row: SessionRow): ApiSessionRow => ({
  id: row.id,
  edge: row.edge,
  direction: row.direction,
  localDomain: row.localDomain,
  remoteDomain: row.remoteDomain,
  state: row.state === 'established' || row.state === 'failed' ? row.state : 'negotiating',
  method: row.provenBy ?? null,
  tls: row.tls ?? null,
  cipher: row.cipher ?? null,
  streamManagement: row.streamManagement,
  bidirectional: row.bidirectional,
  matrixRow: row.matrixRow ?? null,
  certificateProblem: row.unprovenBecause ?? null,
  partner: row.partner ?? null,
  remoteAddress: row.remoteAddress === '' ? null : row.remoteAddress,
  remotePort: row.remotePort ?? null,
  sinceMs: row.establishedAtMs,
  stanzasIn: row.stanzasIn,
  stanzasOut: row.stanzasOut,
  waitingStanzas: row.waitingStanzas,
  waitingBytes: row.waitingBytes,
  quietMs: row.quietMs,
  reason: row.reason ?? null,
  failure: row.failure ?? null,
  ownCertificate: row.ownCertificate ?? null,
  peerCertificate: row.peerCertificate ?? null,
})
