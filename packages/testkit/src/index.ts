export { makeAuthority, makeCertificate } from './certificates.ts'
export type { Authority, Certificate, CertificateOrder } from './certificates.ts'
export { DnsStub } from './dns-stub.ts'
export type { StubSrv } from './dns-stub.ts'
