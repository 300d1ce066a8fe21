import type { Clock, Timers } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import type { Proof } from '@stox/xmpp-engine'
import { certificateFailure } from '@stox/xmpp-engine'
import type { JudgeCertificate } from './xmpp-endpoint-types.ts'
import type { Stream } from './xmpp-stream.ts'

/** Not all the way at once: wall clocks are set, and timers have a bound. */
const LOOK_MS = 3_600_000

/** What certificates proved, they prove until the first of them expires, ours or theirs. @see RFC 6120 §13.7.2.3, mapping F.4 */
export function endWithCertificates(
  stream: Stream,
  { remote, provenBy }: { readonly remote: DomainName; readonly provenBy: Proof },
  { clock, timers, judgeCertificate }: { clock: Clock; timers: Timers; judgeCertificate: JudgeCertificate },
): void {
  if (!restsOnCertificate(stream, provenBy)) return
  const { connection } = stream
  const verdict = judgeCertificate(connection.presented, remote)
  const theirsMs = (verdict.ok ? verdict.untilMs : undefined) ?? Infinity
  const oursMs = provenBy === 'sasl-external' ? connection.certificates.own?.notAfterMs : undefined
  const untilMs = Math.min(theirsMs, oursMs ?? Infinity)
  if (untilMs === Infinity) return
  stream.expiry?.cancel()
  const look = (): void => {
    const leftMs = untilMs - clock.wallMs()
    if (leftMs >= 0) {
      stream.expiry = timers.arm(Math.min(leftMs + 1, LOOK_MS), look)
      return
    }
    const whose = untilMs === theirsMs ? `the certificate of ${remote}` : 'our certificate'
    connection.input({
      kind: 'close',
      error: { condition: 'reset', text: 'a certificate that proved this stream has expired' },
      because: {
        kind: 'certificate',
        reason: 'certificate-ended',
        detail: `${whose}, or one above it, ended on ${new Date(untilMs).toISOString()}`,
      },
    })
  }
  look()
}

/** On a stream of ours dialback proves us alone: what comes back on it, its certificate has proven. @see XEP-0288 §4 */
const restsOnCertificate = ({ direction, isBidi }: Stream, provenBy: Proof): boolean =>
  provenBy === 'sasl-external' || (direction === 'out' && isBidi)

/** Ends it when a certificate that proved it does so no more: revoked, or of a key that the partner record lacks. @see mapping F.4 */
export function endWhereDisproved(stream: Stream, judgeCertificate: JudgeCertificate): void {
  const { connection, pairs } = stream
  for (const { provenBy, remote } of pairs) {
    const verdict = restsOnCertificate(stream, provenBy) ? judgeCertificate(connection.presented, remote) : undefined
    if (verdict?.ok !== false) continue
    const error = { condition: 'reset', text: 'a certificate that proved this stream is no longer accepted' } as const
    connection.input({ kind: 'close', error, because: certificateFailure(verdict) })
    return
  }
}
