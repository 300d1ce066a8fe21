import type { Clock } from '@stox/kernel'
import { domainToAscii } from '@stox/xmpp'
import type { CertificateVerdict } from '@stox/xmpp-engine'
import type { CertificateFailure } from './certificates/certificate-failure.ts'
import { matchIdentity } from './certificates/identity.ts'
import { checkPath } from './certificates/path-check.ts'
import type { TrustStore } from './certificates/trust-store.ts'
import type { JudgeCertificate } from './xmpp-endpoint-types.ts'

/** By the path to an authority that we trust, and by the name. @see RFC 6120 §13.7.2, mapping F.4 */
export const certificateJudge =
  (trust: Pick<TrustStore, 'anchors'>, clock: Pick<Clock, 'wallMs'>): JudgeCertificate =>
  (presented, domain) => {
    const path = checkPath(presented, trust.anchors, clock.wallMs())
    if (!path.ok) return refusal(path.failure)
    const match = matchIdentity(domainToAscii(domain), path.value.certificates[0])
    return match.ok ? { ok: true, untilMs: path.value.untilMs } : refusal(match.failure)
  }

const refusal = ({ kind, text, detail }: CertificateFailure): CertificateVerdict => ({
  ok: false,
  reason: text,
  kind,
  detail: `${kind}: ${detail}`,
})
