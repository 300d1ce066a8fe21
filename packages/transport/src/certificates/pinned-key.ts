import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { CertificateFailure } from './certificate-failure.ts'
import { pinOf } from './certificate.ts'
import type { CertificatePath } from './path-check.ts'
import { judgeAlone, nameOf, readPresented } from './path-check.ts'
import type { RevocationLists } from './revocation-list.ts'
import { revokedOn } from './revocation-list.ts'
import type { TrustAnchors } from './trust-store.ts'

/**
 * Whether the peer's own certificate has one of the keys that we were told to expect: then it needs no authority, and
 * without one nothing helps. All else holds for it as for any other: its dates, its purpose, and a list on which whoever
 * issued it has put it. @see mapping F.4
 */
export function checkPinned(
  presented: readonly Uint8Array[],
  pins: readonly string[],
  nowMs: number,
  { anchors, revocations }: { readonly anchors: TrustAnchors; readonly revocations: RevocationLists },
): Result<CertificatePath, CertificateFailure> {
  const certificates = readPresented(presented)
  if (!certificates.ok) return certificates
  const [leaf, ...others] = certificates.value
  const pin = pinOf(leaf)
  if (!pins.includes(pin)) {
    const text =
      `The key of the certificate of ${nameOf(leaf)} has the pin ${pin}, which is not in the partner record; ` +
      'if it is the right one, it must be added to certificatePins.'
    return fail({ kind: 'not-pinned', text, detail: `pin ${pin}, none of ${pins.length}` })
  }
  const wrong = judgeAlone(leaf, nowMs)
  if (wrong !== undefined) return fail(wrong)
  const issuers = [...anchors.named(leaf.issuer), ...others.filter(({ subject }) => subject === leaf.issuer)]
  for (const issuer of issuers) {
    const revoked = revokedOn(revocations, leaf, issuer)
    if (revoked !== undefined) return fail(revoked)
  }
  return ok({ certificates: [leaf], untilMs: leaf.notAfterMs })
}
