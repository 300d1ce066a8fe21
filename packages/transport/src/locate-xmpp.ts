import type { Ids, Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import { domainToAscii } from '@stox/xmpp'
import type { StreamFailure } from '@stox/xmpp-engine'
import type { DnsFailure, DnsResolver, SrvRecord } from './dns-resolver.ts'

export interface XmppTarget {
  readonly host: string
  readonly port: number
  /** DNS said so; a partner's fixed proxy is the administrator's word. */
  readonly fromDns: boolean
  /** An SRV record named the host; else it is the domain itself, or the proxy. */
  readonly fromSrv: boolean
  /** TLS before anything else, in place of STARTTLS. @see XEP-0368 */
  readonly directTls: boolean
}

const XMPP_SERVER_PORT = 5269

/**
 * Where a domain's server is: targets in the order in which to try them, those with direct TLS and those with STARTTLS
 * mixed by priority. @see RFC 6120 §3.2, XEP-0368 §2, mapping F.6
 */
export async function locateXmpp(
  domain: DomainName,
  proxy: { readonly host: string; readonly port: number } | undefined,
  resolver: DnsResolver,
  ids: Pick<Ids, 'fraction'>,
  mayUseTls = true,
): Promise<Result<readonly XmppTarget[], StreamFailure>> {
  if (proxy !== undefined) return ok([{ ...proxy, fromDns: false, fromSrv: false, directTls: false }])
  const name = domainToAscii(domain)
  const [direct, plain] = await Promise.all([
    mayUseTls ? resolver.srv(`_xmpps-server._tcp.${name}`) : ok<readonly SrvRecord[]>([]),
    resolver.srv(`_xmpp-server._tcp.${name}`),
  ])
  const targets = [...targetsIn(direct, true), ...targetsIn(plain, false)]
  if (targets.length > 0) {
    return ok(
      orderSrv(targets, ids).map(({ target, port, directTls }) => ({
        host: target,
        port,
        fromDns: true,
        fromSrv: true,
        directTls,
      })),
    )
  }
  if (!plain.ok && plain.failure.kind === 'trouble') return fail(dnsTrouble(plain.failure))
  // A refusal of direct TLS leaves STARTTLS, but only where a record of its own says so. @see XEP-0368 §5
  if ([direct, plain].some((found) => found.ok && found.value.length > 0)) {
    const detail = `${domain} says that it offers no XMPP service`
    return fail({ kind: 'domain-not-found', reason: 'service-refused', detail })
  }
  return ok([{ host: name, port: XMPP_SERVER_PORT, fromDns: true, fromSrv: false, directTls: false }])
}

/** A target of `.` is a refusal. @see RFC 2782 */
const targetsIn = (
  found: Result<readonly SrvRecord[], DnsFailure>,
  directTls: boolean,
): readonly (SrvRecord & { readonly directTls: boolean })[] =>
  (found.ok ? found.value : [])
    .filter(({ target }) => target !== '' && target !== '.')
    .map((record) => ({ ...record, directTls }))

export const dnsTrouble = ({ detail, isSilence }: DnsFailure): StreamFailure => ({
  kind: 'dns-trouble',
  ...(isSilence === true ? { reason: 'dns-silent' as const } : {}),
  detail,
})

/** By priority; among equals drawn by weight, not sorted. @see RFC 2782 */
export function orderSrv<T extends SrvRecord>(records: readonly T[], ids: Pick<Ids, 'fraction'>): readonly T[] {
  const ordered: T[] = []
  // Weight 0 first, so that it is drawn when the number drawn is 0.
  const left = records.toSorted((a, b) => a.priority - b.priority || a.weight - b.weight)
  while (left.length > 0) {
    const priority = left[0]?.priority
    const group = left.filter((record) => record.priority === priority)
    const total = group.reduce((sum, { weight }) => sum + weight, 0)
    const drawn = Math.floor(ids.fraction() * (total + 1))
    let sum = 0
    const chosen = group.find(({ weight }) => (sum += weight) >= drawn) ?? group[0]
    if (chosen === undefined) break
    ordered.push(chosen)
    left.splice(left.indexOf(chosen), 1)
  }
  return ordered
}
