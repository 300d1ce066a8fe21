import type { Clock } from '@stox/kernel'
import { domainToAscii } from '@stox/xmpp'
import type { CertificateVerdict } from '@stox/xmpp-engine'
import type { CertificateFailure } from './certificates/certificate-failure.ts'
import { matchIdentity } from './certificates/identity.ts'
import { checkPath } from './certificates/path-check.ts'
import type { TrustAnchors, TrustStore } from './certificates/trust-store.ts'
import type { JudgeCertificate } from './xmpp-endpoint-types.ts'

/** A stream asks several times while it comes up; the clock and the authorities hardly change meanwhile. */
const REMEMBERED_MS = 5000
/** A chain is asked about few domains. */
const MOST_DOMAINS = 20

interface Remembered {
  readonly anchors: TrustAnchors
  readonly untilMs: number
  readonly verdicts: Map<string, CertificateVerdict>
}

/** By the path to an authority that we trust, and by the name. @see RFC 6120 §13.7.2, mapping F.4 */
export function certificateJudge(trust: Pick<TrustStore, 'anchors'>, clock: Pick<Clock, 'wallMs'>): JudgeCertificate {
  const remembered = new WeakMap<readonly Uint8Array[], Remembered>()
  return (presented, domain) => {
    const { anchors } = trust
    const nowMs = clock.wallMs()
    let known = remembered.get(presented)
    if (
      known === undefined ||
      known.anchors !== anchors ||
      nowMs >= known.untilMs ||
      nowMs < known.untilMs - REMEMBERED_MS
    ) {
      known = { anchors, untilMs: nowMs + REMEMBERED_MS, verdicts: new Map() }
      remembered.set(presented, known)
    }
    const before = known.verdicts.get(domain)
    if (before !== undefined && !(before.ok && before.untilMs !== undefined && nowMs > before.untilMs)) return before
    const verdict = judge(presented, domain, anchors, nowMs)
    if (known.verdicts.size < MOST_DOMAINS) known.verdicts.set(domain, verdict)
    return verdict
  }
}

function judge(
  presented: readonly Uint8Array[],
  domain: Parameters<JudgeCertificate>[1],
  anchors: TrustAnchors,
  nowMs: number,
): CertificateVerdict {
  const path = checkPath(presented, anchors, nowMs)
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
