import { isIP } from 'node:net'
import { fail, ok } from '@stox/kernel'
import type { Failure, Ids, Result } from '@stox/kernel'
import { parseSipUri } from '@stox/sip'
import type { SipUri } from '@stox/sip'
import type { DnsResolver } from './dns-resolver.ts'
import { orderSrv } from './locate-xmpp.ts'
import type { SipTarget, SipTransport } from './sip-endpoint-types.ts'

export interface LocateOptions {
  /** What we speak, best first. Left out: UDP, then TCP. */
  readonly transports?: readonly SipTransport[]
  /** For the weights of SRV records. */
  readonly ids?: Pick<Ids, 'fraction'>
}

const SIP_PORT = 5060

/** A server by name, its address still to be found. */
interface NamedServer {
  readonly transport: SipTransport
  readonly host: string
  readonly port: number
}

/** The servers to try for a URI or a route, in order. NAPTR and TLS are a later issue. @see RFC 3263 §4 */
export async function locateSip(
  uri: SipUri | string,
  resolver: DnsResolver,
  options: LocateOptions = {},
): Promise<Result<readonly SipTarget[], Failure>> {
  const speaks = options.transports ?? ['udp', 'tcp']
  const parsed = typeof uri === 'string' ? parseSipUri(uri) : ok(uri)
  if (!parsed.ok) return fail(nowhere(parsed.failure.detail))
  const { scheme, host: rawHost, port, params } = parsed.value
  if (scheme !== 'sip') return fail(nowhere(`no way to reach a ${scheme} URI`))

  const host = plain(params.get('maddr') ?? rawHost)
  const asked = params.get('transport')?.toLowerCase()
  const transport = speaks.find((known) => known === asked)
  if (asked !== undefined && transport === undefined) return fail(nowhere(`transport ${asked} is not spoken here`))
  const usual = transport ?? speaks[0]
  if (usual === undefined) return fail(nowhere('no transport is spoken here'))

  // Numeric, or with a port: no SRV. @see RFC 3263 §4.1, §4.2
  if (isIP(host) !== 0) return ok([{ transport: usual, host, port: port ?? SIP_PORT }])
  if (port !== undefined) return resolve([{ transport: usual, host, port }], resolver)

  const served = await servers(host, transport === undefined ? speaks : [transport], resolver, options.ids)
  if (!served.ok) return served
  return resolve(served.value ?? [{ transport: usual, host, port: SIP_PORT }], resolver)
}

/** What the SRV records say; undefined when there are none. */
async function servers(
  domain: string,
  transports: readonly SipTransport[],
  resolver: DnsResolver,
  ids: Pick<Ids, 'fraction'> = { fraction: Math.random },
): Promise<Result<readonly NamedServer[] | undefined, Failure>> {
  const answers = await Promise.all(transports.map((transport) => resolver.srv(`_sip._${transport}.${domain}`)))
  const found: NamedServer[] = []
  let exists = false
  for (const [index, answer] of answers.entries()) {
    const transport = transports[index]
    if (transport === undefined) continue
    if (!answer.ok) {
      if (answer.failure.kind === 'trouble') return fail(trouble(answer.failure.detail))
      continue
    }
    exists ||= answer.value.length > 0
    for (const record of orderSrv(
      answer.value.filter(({ target }) => target !== ''),
      ids,
    )) {
      found.push({ transport, host: record.target, port: record.port })
    }
  }
  if (exists && found.length === 0) return fail(nowhere(`${domain} says that it offers no SIP service`))
  return ok(exists ? found : undefined)
}

/** All addresses of all servers, in order. One server that cannot be found leaves the others. */
async function resolve(
  named: readonly NamedServer[],
  resolver: DnsResolver,
): Promise<Result<readonly SipTarget[], Failure>> {
  const answers = await Promise.all(named.map(({ host }) => resolver.addresses(host)))
  const targets = named.flatMap(({ transport, port }, index): readonly SipTarget[] => {
    const answer = answers[index]
    return answer?.ok === true ? answer.value.map((host) => ({ transport, host, port })) : []
  })
  if (targets.length > 0) return ok(targets)
  const problems = answers.flatMap((answer) => (answer.ok ? [] : [answer.failure]))
  const detail = problems.map((problem) => problem.detail).join('; ') || 'no addresses'
  return fail(problems.some(({ kind }) => kind === 'trouble') ? trouble(detail) : nowhere(detail))
}

const plain = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host)

/** @see mapping note B.3 */
const nowhere = (detail: string): Failure => ({
  fault: 'network',
  retry: 'later',
  condition: 'remote-server-not-found',
  status: 404,
  detail: `locate: ${detail}`,
})
const trouble = (detail: string): Failure => ({
  fault: 'network',
  retry: 'later',
  condition: 'remote-server-timeout',
  status: 504,
  detail: `locate: ${detail}`,
})
