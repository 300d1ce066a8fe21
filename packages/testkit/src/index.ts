export { makeAuthority, makeCertificate } from './certificates.ts'
export type { Authority, Certificate, CertificateOrder } from './certificates.ts'
export { derOf, distinguishedName, forgeCertificate, generalNameOf, newForgedKeys } from './forged-certificate.ts'
export type {
  ForgedCertificate,
  ForgedExtension,
  ForgedKeyKind,
  ForgedKeys,
  ForgedName,
  ForgedOrder,
} from './forged-certificate.ts'
export { forgeRevocationList } from './forged-revocation-list.ts'
export type { ForgedListOrder } from './forged-revocation-list.ts'
export { DnsStub } from './dns-stub.ts'
export type { StubNaptr, StubSrv } from './dns-stub.ts'
export { AsyncQueue } from './async-queue.ts'
export { until } from './until.ts'
export { AgentWatch, SipAgent } from './sip-agent.ts'
export type {
  AgentAnswer,
  AgentMessage,
  AgentPresence,
  MessageOptions,
  SipAgentOptions,
  WatchedState,
} from './sip-agent.ts'
