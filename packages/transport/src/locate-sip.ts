import { isIP } from 'node:net'
import { fail, ok } from '@stox/kernel'
import type { Failure, Ids, Result } from '@stox/kernel'
import { parseSipUri } from '@stox/sip'
import type { SipUri } from '@stox/sip'
import type { SipDnsResolver } from './dns-resolver.ts'
import { orderSrv } from './locate-xmpp.ts'
import type { SipTarget, SipTransport } from './sip-endpoint-types.ts'

export interface LocateOptions {
  /** What we speak, best first, for domains that say nothing of it. Left out: UDP, then TCP. */
  readonly transports?: readonly SipTransport[]
  /** For the weights of SRV records. */
  readonly ids?: Pick<Ids, 'fraction'>
  /** Further names that the certificate of a server may be for: those of the domain that it serves by configuration. */
  readonly names?: readonly string[]
}

const portOf = (transport: SipTransport): number => (transport === 'tls' ? 5061 : 5060)
const srvNameOf = (transport: SipTransport, domain: string): string =>
  transport === 'tls' ? `_sips._tcp.${domain}` : `_sip._${transport}.${domain}`
/** @see RFC 3263 §4.1 */
const TRANSPORT_FOR_SERVICE: Readonly<Record<string, SipTransport>> = {
  'SIPS+D2T': 'tls',
  'SIP+D2T': 'tcp',
  'SIP+D2U': 'udp',
}

/** A server by name, its address still to be found. */
interface NamedServer {
  readonly transport: SipTransport
  readonly host: string
  readonly port: number
}

/** Where to ask for the servers of a transport. */
interface Service {
  readonly transport: SipTransport
  readonly srvName: string
}

/** The servers to try for a URI or a route, in order. @see RFC 3263 §4 */
export async function locateSip(
  uri: SipUri | string,
  resolver: SipDnsResolver,
  options: LocateOptions = {},
): Promise<Result<readonly SipTarget[], Failure>> {
  const parsed = typeof uri === 'string' ? parseSipUri(uri) : ok(uri)
  if (!parsed.ok) return fail(nowhere(parsed.failure.detail))
  const { scheme, host: rawHost, port, params } = parsed.value
  if (scheme !== 'sip' && scheme !== 'sips') return fail(nowhere(`no way to reach a ${scheme} URI`))

  const spoken = options.transports ?? ['udp', 'tcp']
  const speaks = scheme === 'sips' ? spoken.filter((transport) => transport === 'tls') : spoken
  const host = plain(params.get('maddr') ?? rawHost)
  const asked = transportOf(scheme, params.get('transport')?.toLowerCase())
  const transport = speaks.find((known) => known === asked)
  if (asked !== undefined && transport === undefined) return fail(nowhere(`transport ${asked} is not spoken here`))
  const usual = transport ?? speaks.find((known) => known === 'udp') ?? speaks[0]
  if (usual === undefined) return fail(nowhere('no transport is spoken here'))
  // The names asked for, not those that DNS led to: a certificate for these proves something. @see RFC 5922 §7.2
  const names = [...new Set([plain(rawHost), ...(options.names ?? [])])].filter((name) => isIP(name) === 0)
  const named = (server: SipTarget): SipTarget => (server.transport === 'tls' ? { ...server, names } : server)

  // Numeric, or with a port: no SRV. @see RFC 3263 §4.1, §4.2
  if (isIP(host) !== 0) return ok([named({ transport: usual, host, port: port ?? portOf(usual) })])
  const served =
    port === undefined
      ? await servers(host, transport, speaks, resolver, options.ids)
      : ok([{ transport: usual, host, port }])
  if (!served.ok) return served
  const found = await resolve(served.value ?? [{ transport: usual, host, port: portOf(usual) }], resolver)
  return found.ok ? ok(found.value.map(named)) : found
}

/** A sips URI is reached by TLS, whatever it calls that. @see RFC 3261 §26.2.2 */
const transportOf = (scheme: string, param: string | undefined): string | undefined =>
  scheme === 'sips' && param === 'tcp' ? 'tls' : param

/** What the records say; undefined when there are none. @see RFC 3263 §4.1, §4.2 */
async function servers(
  domain: string,
  transport: SipTransport | undefined,
  speaks: readonly SipTransport[],
  resolver: SipDnsResolver,
  ids: Pick<Ids, 'fraction'> = { fraction: Math.random },
): Promise<Result<readonly NamedServer[] | undefined, Failure>> {
  const services =
    transport === undefined
      ? await servicesOf(domain, speaks, resolver)
      : [{ transport, srvName: srvNameOf(transport, domain) }]
  const answers = await Promise.all(services.map(({ srvName }) => resolver.srv(srvName)))
  const records = answers.flatMap((answer) => (answer.ok ? answer.value : []))
  const found = services.flatMap((service, index): readonly NamedServer[] => {
    const answer = answers[index]
    const offered = answer?.ok === true ? answer.value.filter(({ target }) => target !== '' && target !== '.') : []
    return orderSrv(offered, ids).map(({ target, port }) => ({ transport: service.transport, host: target, port }))
  })
  if (found.length > 0) return ok(found)
  if (records.length > 0) return fail(nowhere(`${domain} says that it offers no SIP service`))
  const troubled = answers.find((answer) => !answer.ok && answer.failure.kind === 'trouble')
  return troubled?.ok === false ? fail(trouble(troubled.failure.detail)) : ok(undefined)
}

/** The domain's own order where it has one, else ours. @see RFC 3263 §4.1 */
async function servicesOf(
  domain: string,
  speaks: readonly SipTransport[],
  resolver: SipDnsResolver,
): Promise<readonly Service[]> {
  const answer = await resolver.naptr(domain)
  const listed = (answer.ok ? answer.value : [])
    .toSorted((one, other) => one.order - other.order || one.preference - other.preference)
    .flatMap(({ flags, service, replacement }): readonly Service[] => {
      const transport = TRANSPORT_FOR_SERVICE[service.toUpperCase()]
      const isOurs = flags.toLowerCase() === 's' && transport !== undefined && speaks.includes(transport)
      return isOurs && replacement !== '' ? [{ transport, srvName: replacement }] : []
    })
  return listed.length > 0 ? listed : speaks.map((transport) => ({ transport, srvName: srvNameOf(transport, domain) }))
}

/** All addresses of all servers, in order. One server that cannot be found leaves the others. */
async function resolve(
  named: readonly NamedServer[],
  resolver: SipDnsResolver,
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
