import type { Clock, Log, Timers } from '@stox/kernel'
import { openRevocations, openTrust, ownExpiries } from '@stox/service'
import type { Metrics } from '@stox/telemetry'
import { CertificateFiles, SipTls } from '@stox/transport'
import type { SipTlsConfig } from './sip-config.ts'

export interface OpenedSipTls {
  readonly tls: SipTls
  /** They are read again when they change, or now. */
  readonly files: CertificateFiles
}

/** Certificates, authorities and revocation lists of SIP over TLS, from their files. Rejects with a `StartFailure`. */
export async function openSipTls(
  { identity, trust: source, clientCertificates, files: names, revocations: listNames }: SipTlsConfig,
  deps: { readonly clock: Clock; readonly timers: Timers; readonly log: Log; readonly metrics: Metrics },
): Promise<OpenedSipTls> {
  const { clock, metrics } = deps
  const trust = await openTrust('sip.tls.ca', 'system, or a PEM file', source)
  const revocations = await openRevocations('sip.tls.revocations', listNames)
  metrics.watchRevocationLists(() => revocations.due(clock.wallMs()))
  metrics.watchCertificates(() => ownExpiries(identity, clock.wallMs()))
  const files = await CertificateFiles.watch({
    ...deps,
    files: names,
    tls: identity,
    trust: { source, store: trust },
    revocations,
  })
  return { tls: new SipTls({ identity, trust, revocations, clock, clientCertificates }), files }
}
