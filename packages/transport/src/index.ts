export { systemClock, systemTimers, cryptoIds, nodeHashes, nodeDigestHashes } from './system.ts'
export { TimerWheel } from './timer-wheel.ts'
export { XmppEndpoint } from './xmpp-endpoint.ts'
export type {
  PartnerRules,
  PartnerJudgement,
  StreamTimes,
  StreamPolicy,
  StanzaContext,
  StreamUp,
  StreamDown,
  XmppEndpointEvents,
  XmppEndpointLimits,
  XmppEndpointOptions,
  SendOutcome,
  StreamCertificates,
  StreamInfo,
  FailedStream,
  StreamFailureInfo,
  Refused,
} from './xmpp-endpoint-types.ts'
export { certificateJudge } from './judge-certificate.ts'
export { TlsIdentity } from './tls-identity.ts'
export type { CertificateEntry, CertificateProblem } from './tls-identity.ts'
export { pinOf, readCertificate } from './certificates/certificate.ts'
export type { Certificate, MalformedCertificate, PublicKey } from './certificates/certificate.ts'
export type { AlternativeNames, NameConstraints, PresentedName } from './certificates/certificate-names.ts'
export type { CertificateFailure, CertificateFailureKind } from './certificates/certificate-failure.ts'
export { checkPath } from './certificates/path-check.ts'
export type { CertificatePath } from './certificates/path-check.ts'
export { matchIdentity } from './certificates/identity.ts'
export type { IdentityMatch } from './certificates/identity.ts'
export { NO_LISTS, RevocationLists, readRevocationList } from './certificates/revocation-list.ts'
export type { RevocationList } from './certificates/revocation-list.ts'
export { RevocationStore } from './certificates/revocation-store.ts'
export { TrustAnchors, TrustStore } from './certificates/trust-store.ts'
export type { TrustProblem, TrustSource } from './certificates/trust-store.ts'
export { describeCertificate } from './certificates/describe-certificate.ts'
export type { CertificateDescription } from './certificates/describe-certificate.ts'
export { presentedChain } from './certificates/presented-chain.ts'
export { NodeDnsResolver } from './dns-resolver.ts'
export type {
  DnsResolver,
  DnsFailure,
  NaptrRecord,
  NodeDnsResolverOptions,
  SipDnsResolver,
  SrvRecord,
} from './dns-resolver.ts'
export { LinkServer } from './link-server.ts'
export { LinkClient } from './link-client.ts'
export { DEFAULT_LINK_LIMITS } from './link-types.ts'
export type {
  EdgeInfo,
  LinkClientEvents,
  LinkClientOptions,
  LinkClientPort,
  LinkGauges,
  LinkLimits,
  LinkServerEvents,
  LinkServerOptions,
  LinkServerPort,
  LinkTls,
} from './link-types.ts'
export { CertificateFiles } from './certificate-files.ts'
export type { CertificateFile, CertificateFilesOptions } from './certificate-files.ts'
export { SIP_IDENTITY, SipTls } from './sip-tls.ts'
export type { SipTlsOptions } from './sip-tls.ts'
export { SipEndpoint } from './sip-endpoint.ts'
export type {
  IncomingSipRequest,
  SipAddress,
  SipAuthentication,
  SipCounts,
  SipEndpointEvents,
  SipEndpointLimits,
  SipEndpointOptions,
  SipFlow,
  SipRefusal,
  SipRefusalKind,
  SipReply,
  SipRequestOptions,
  SipTarget,
  SipTransport,
} from './sip-endpoint-types.ts'
export { loopBusyness } from './loop-delay.ts'
export { locateSip } from './locate-sip.ts'
export type { LocateOptions } from './locate-sip.ts'
