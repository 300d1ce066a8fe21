import type { Clock, Result } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import { domainToAscii } from '@stox/xmpp'
import type { CertificateVerdict } from '@stox/xmpp-engine'
import type { CertificateFailure } from './certificates/certificate-failure.ts'
import { matchIdentity } from './certificates/identity.ts'
import type { CertificatePath } from './certificates/path-check.ts'
import { checkPath } from './certificates/path-check.ts'
import { checkPinned } from './certificates/pinned-key.ts'
import type { RevocationLists } from './certificates/revocation-list.ts'
import { NO_LISTS } from './certificates/revocation-list.ts'
import type { TrustAnchors, TrustStore } from './certificates/trust-store.ts'
import type { JudgeCertificate } from './xmpp-endpoint-types.ts'

/** A stream asks several times while it comes up; the clock and the authorities hardly change meanwhile. */
const REMEMBERED_MS = 5000
/** A chain is asked about few domains. */
const MOST_DOMAINS = 20

interface Remembered {
  readonly anchors: TrustAnchors
  readonly revocations: RevocationLists
  readonly untilMs: number
  readonly verdicts: Map<string, { readonly pins: readonly string[]; readonly verdict: CertificateVerdict }>
}

export interface CertificateRules {
  /** The keys that the partner of this domain may have, without an authority; none: any, with one. */
  readonly pinsOf?: (domain: DomainName) => readonly string[]
  readonly revocations?: { readonly lists: RevocationLists }
}

const NO_PINS: readonly string[] = []

/** By the path to an authority that we trust, or by a key that we were told, and by the name. @see RFC 6120 §13.7.2, mapping F.4 */
export function certificateJudge(
  trust: Pick<TrustStore, 'anchors'>,
  clock: Pick<Clock, 'wallMs'>,
  { pinsOf = () => NO_PINS, revocations: held = { lists: NO_LISTS } }: CertificateRules = {},
): JudgeCertificate {
  const remembered = new WeakMap<readonly Uint8Array[], Remembered>()
  return (presented, domain) => {
    const { anchors } = trust
    const revocations = held.lists
    const pins = pinsOf(domain)
    const nowMs = clock.wallMs()
    let known = remembered.get(presented)
    if (
      known === undefined ||
      known.anchors !== anchors ||
      known.revocations !== revocations ||
      nowMs >= known.untilMs ||
      nowMs < known.untilMs - REMEMBERED_MS
    ) {
      known = { anchors, revocations, untilMs: nowMs + REMEMBERED_MS, verdicts: new Map() }
      remembered.set(presented, known)
    }
    const before = known.verdicts.get(domain)
    if (before?.pins === pins && !hasEnded(before.verdict, nowMs)) return before.verdict
    const path =
      pins.length === 0
        ? checkPath(presented, anchors, nowMs, 'xmpp', revocations)
        : checkPinned(presented, pins, nowMs, { anchors, revocations })
    const verdict = verdictOf(path, domain)
    if (known.verdicts.size < MOST_DOMAINS) known.verdicts.set(domain, { pins, verdict })
    return verdict
  }
}

const hasEnded = (verdict: CertificateVerdict, nowMs: number): boolean =>
  verdict.ok && verdict.untilMs !== undefined && nowMs > verdict.untilMs

function verdictOf(path: Result<CertificatePath, CertificateFailure>, domain: DomainName): CertificateVerdict {
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
