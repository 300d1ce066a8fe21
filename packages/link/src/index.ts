export type { InboundEnvelope, OutboundEnvelope, ProvenBy } from './envelope.ts'
export type { SessionRow, StreamNotice } from './session-row.ts'
export type { Replica } from './replica.ts'
