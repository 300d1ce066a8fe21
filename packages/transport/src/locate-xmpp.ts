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
}

const XMPP_SERVER_PORT = 5269

/** Where a domain's server is: targets in the order in which to try them. @see RFC 6120 §3.2, mapping F.6 */
export async function locateXmpp(
  domain: DomainName,
  proxy: { readonly host: string; readonly port: number } | undefined,
  resolver: DnsResolver,
  ids: Pick<Ids, 'fraction'>,
): Promise<Result<readonly XmppTarget[], StreamFailure>> {
  if (proxy !== undefined) return ok([{ ...proxy, fromDns: false }])
  const name = domainToAscii(domain)
  // `_xmpps-server` belongs beside it, mixed by priority, once there is direct TLS. @see XEP-0368
  const found = await resolver.srv(`_xmpp-server._tcp.${name}`)
  if (!found.ok && found.failure.kind === 'trouble') return fail(dnsTrouble(found.failure))
  const records = found.ok ? found.value : []
  if (records.length === 0) return ok([{ host: name, port: XMPP_SERVER_PORT, fromDns: true }])
  const offered = records.filter(({ target }) => target !== '' && target !== '.')
  if (offered.length === 0)
    return fail({ kind: 'domain-not-found', detail: `${domain} says that it offers no XMPP service` })
  return ok(orderSrv(offered, ids).map(({ target, port }) => ({ host: target, port, fromDns: true })))
}

export const dnsTrouble = (failure: DnsFailure): StreamFailure => ({ kind: 'dns-trouble', detail: failure.detail })

/** By priority; among equals drawn by weight, not sorted. @see RFC 2782 */
export function orderSrv(records: readonly SrvRecord[], ids: Pick<Ids, 'fraction'>): readonly SrvRecord[] {
  const ordered: SrvRecord[] = []
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
