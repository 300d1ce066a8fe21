import type { CertificateExpiry } from '@stox/telemetry'
import { RevocationStore, TrustStore } from '@stox/transport'
import type { TlsIdentity, TrustSource } from '@stox/transport'
import { StartFailure, starting } from './start-failure.ts'

/** The authorities that `path` of the configuration names. Rejects with a `StartFailure`. */
export const openTrust = (path: string, hint: string, source: TrustSource): Promise<TrustStore> =>
  starting(path, hint, async () => {
    const opened = await TrustStore.open(source)
    if (!opened.ok) throw new Error(opened.failure.detail)
    return opened.value
  })

/** The revocation lists that `path` names. Rejects with a `StartFailure` that says of each file what is wrong with it. */
export async function openRevocations(path: string, files: readonly string[]): Promise<RevocationStore> {
  const opened = await RevocationStore.open(files)
  if (opened.ok) return opened.value
  const hint = 'files with the revocation lists (CRLs) of authorities, PEM or DER'
  throw new StartFailure(opened.failure.map(({ file, problem }) => ({ path, problem: `${file}: ${problem}`, hint })))
}

/** How long the certificate of each domain of ours lasts. */
export const ownExpiries = (tls: TlsIdentity, nowMs: number): readonly CertificateExpiry[] =>
  tls.expiries().map(({ domain, notAfterMs }) => ({ side: 'ours', domain, seconds: (notAfterMs - nowMs) / 1000 }))
