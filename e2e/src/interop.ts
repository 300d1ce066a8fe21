import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { TestCa, selfSigned, type KeyPair } from './certificates.ts'
import {
  domainOf,
  PARTNERS,
  PEERS,
  type OurDomain,
  type Partner,
  type PartnerName,
  type Peer,
  type Theirs,
} from './compatibility.ts'
import type { Ejabberd } from './ejabberd.ts'
import { Pair, type ServedDomain } from './pair.ts'
import type { Prosody } from './prosody.ts'
import { SipUser } from './sip-user.ts'
import { PORTS, type Stage } from './stage.ts'
import type { S2sMode, XmppHost, XmppServer } from './xmpp-server.ts'

export const USER = 'juliet'
export const OUR_USER = 'romeo'

export const OUR_DOMAINS: Readonly<Record<OurDomain, string>> = {
  ca: 'ca.sip.example',
  'server-only': 'server-only.sip.example',
  'self-signed': 'self-signed.sip.example',
  direct: 'direct.sip.example',
  v6: 'v6.sip.example',
}

const MODE: Readonly<Record<Theirs, S2sMode>> = {
  certificates: 'certificates',
  'tls-1.2': 'certificates',
  'dialback-ca': 'dialback',
  expired: 'dialback',
  'self-signed': 'dialback',
  'no-tls': 'no-tls',
}

/** One Prosody has one way to judge others; what it shows may differ from host to host. */
const HOUSES = ['certificates', 'dialback-ca', 'self-signed', 'no-tls'] as const
type House = (typeof HOUSES)[number]
const houseOf = (theirs: Theirs): House =>
  theirs === 'tls-1.2' ? 'certificates' : theirs === 'expired' ? 'dialback-ca' : theirs

/** Valid for seconds, a minute ago. */
const EXPIRED = { validDays: 0.0001 } as const
const NAMES = Object.keys(PARTNERS) as readonly PartnerName[]
const OURS = Object.keys(OUR_DOMAINS) as readonly OurDomain[]

/** Every kind of partner on real servers, and our pair with a domain for every kind of certificate. */
export interface InteropScene {
  readonly stage: Stage
  readonly pair: Pair
  readonly ca: TestCa
  readonly prosody: Readonly<Record<House, Prosody>>
  readonly ejabberd: Ejabberd
  readonly phones: Readonly<Record<OurDomain, SipUser>>
  readonly ourKeys: Readonly<Record<OurDomain, KeyPair>>
  /** What the partners `cert` show, and the domains that it is for. */
  readonly theirKeys: Readonly<Record<Peer, KeyPair>>
  readonly theirNames: Readonly<Record<Peer, readonly string[]>>
}

export const serverOf = (scene: InteropScene, peer: Peer, partner: PartnerName): XmppServer =>
  peer === 'ejabberd' ? scene.ejabberd : scene.prosody[houseOf(PARTNERS[partner].theirs)]

export async function openInterop(stage: Stage): Promise<InteropScene> {
  const ca = await TestCa.create(stage.dir, 'public-ca')
  const ourKeys = await keysOfOurs(stage, ca)
  const ports6 = { edge: await freePort6(), prosody: await freePort6() }
  tellDns(stage, ports6)
  const phones = await Promise.all(OURS.map(async (ours) => [ours, await phoneIn(stage, OUR_DOMAINS[ours])] as const))
  const byName = Object.fromEntries(phones) as Record<OurDomain, SipUser>
  const alsoServed = OURS.map((ours): ServedDomain => ({
    domain: OUR_DOMAINS[ours],
    keyPair: ourKeys[ours],
    route: byName[ours].route,
  }))
  const [pair, ejabberd, ...prosodies] = await Promise.all([
    Pair.start(stage, {
      partners: partnersOf(),
      trustedPeers: [stage.at.users],
      served: { keyPair: await ca.issue('served', ['sip.example', 'tcp.example']), trustedCas: ca.cert },
      alsoServed,
      alsoListens: HAS_IPV6 ? [`[${LOOPBACK6}]:${ports6.edge}`] : [],
    }),
    startEjabberd(stage, ca),
    ...HOUSES.map(async (house) => [house, await startProsody(stage, ca, house, ports6.prosody)] as const),
  ])
  const prosody = Object.fromEntries(prosodies) as Record<House, Prosody>
  const host = ejabberd.options.hosts.find(({ domain }) => domain === domainOf('ejabberd', 'cert'))
  if (host?.keyPair === undefined) throw new Error('ejabberd has no certificate')
  const { domain, aliases = [], keyPair } = prosody.certificates.options
  const theirKeys = { Prosody: keyPair, ejabberd: host.keyPair }
  const theirNames = { Prosody: [domain, ...aliases], ejabberd: [host.domain] }
  return { stage, pair, ca, prosody, ejabberd, phones: byName, ourKeys, theirKeys, theirNames }
}

const partnersOf = () =>
  PEERS.flatMap((peer) =>
    NAMES.map((name) => ({ domain: domainOf(peer, name), partnerType: 'federated', ...PARTNERS[name].record })),
  )

const namesOf = (house: House): readonly PartnerName[] =>
  NAMES.filter((name) => houseOf(PARTNERS[name].theirs) === house)

async function keysOfOurs(stage: Stage, ca: TestCa): Promise<Readonly<Record<OurDomain, KeyPair>>> {
  return {
    ca: await ca.issue('ours', [OUR_DOMAINS.ca]),
    'server-only': await ca.issue('ours-server-only', [OUR_DOMAINS['server-only']], { purposes: ['serverAuth'] }),
    'self-signed': await selfSigned(stage.dir, 'ours-self-signed', [OUR_DOMAINS['self-signed']]),
    direct: await ca.issue('ours-direct', [OUR_DOMAINS.direct]),
    v6: await ca.issue('ours-v6', [OUR_DOMAINS.v6]),
  }
}

function tellDns({ dns, at }: Stage, ports6: { readonly edge: number; readonly prosody: number }): void {
  const serve = (domain: string, address: string, isDirect: boolean): void => {
    const service = isDirect ? '_xmpps-server' : '_xmpp-server'
    dns.srv.set(`${service}._tcp.${domain}`, [{ port: isDirect ? PORTS.s2sDirect : PORTS.s2s, target: domain }])
    dns.a.set(domain, [address])
  }
  for (const ours of OURS) serve(OUR_DOMAINS[ours], at.edge, ours === 'direct')
  for (const name of NAMES) {
    serve(domainOf('Prosody', name), prosodyAddress(at, PARTNERS[name].theirs), name === 'direct')
    serve(domainOf('ejabberd', name), at.ejabberd, name === 'direct')
  }
  const only6 = (domain: string, port: number): void => {
    dns.srv.set(`_xmpp-server._tcp.${domain}`, [{ port, target: domain }])
    dns.a.delete(domain)
    dns.aaaa.set(domain, [LOOPBACK6])
  }
  only6(OUR_DOMAINS.v6, ports6.edge)
  only6(domainOf('Prosody', 'v6'), ports6.prosody)
}

const prosodyAddress = (at: Stage['at'], theirs: Theirs): string =>
  ({ certificates: at.prosody, 'dialback-ca': at.prosody2, 'self-signed': at.prosody3, 'no-tls': at.prosody4 })[
    houseOf(theirs)
  ]

async function startProsody(stage: Stage, ca: TestCa, house: House, port6: number): Promise<Prosody> {
  const domains = namesOf(house).map((name) => domainOf('Prosody', name))
  const [domain = '', ...aliases] = domains
  const keyPair =
    house === 'self-signed'
      ? await selfSigned(stage.dir, 'prosody-self-signed', domains)
      : await ca.issue(`prosody-${house}`, domains)
  const trusted = house === 'self-signed' ? keyPair.cert : ca.cert
  const address = prosodyAddress(stage.at, house)
  const expired = await ca.issue(`prosody-${house}-expired`, domains, EXPIRED)
  const moreOf = Object.fromEntries(
    namesOf(house).map((name) => {
      const { theirs, modules = [] }: Partner = PARTNERS[name]
      return [domainOf('Prosody', name), modulesText(modules) + (tlsText(theirs, expired) ?? '')]
    }),
  )
  const isOn6 = HAS_IPV6 && house === 'certificates'
  return stage.prosody({
    domain,
    aliases,
    moreOf,
    address,
    users: [USER],
    mode: MODE[house],
    keyPair,
    ca: trusted,
    ...(isOn6 ? { s2sAlso: { address: LOOPBACK6, port: port6 } } : {}),
  })
}

const modulesText = (modules: readonly string[]): string =>
  `modules_enabled = { ${modules.map((name) => `"${name}"`).join(', ')} }\n`

function tlsText(theirs: Theirs, expired: KeyPair): string | undefined {
  if (theirs === 'tls-1.2') return 'ssl = { protocol = "tlsv1_2" }\n'
  if (theirs === 'expired') return `s2s_ssl = { key = "${expired.key}"; certificate = "${expired.cert}" }\n`
  return undefined
}

async function startEjabberd(stage: Stage, ca: TestCa): Promise<Ejabberd> {
  const hosts = await Promise.all(NAMES.map((name) => ejabberdHost(stage, ca, name)))
  return stage.ejabberd({ hosts: hosts as [XmppHost, ...XmppHost[]], ca: ca.cert })
}

async function ejabberdHost(stage: Stage, ca: TestCa, name: PartnerName): Promise<XmppHost> {
  const { theirs } = PARTNERS[name]
  const domain = domainOf('ejabberd', name)
  const host = { domain, users: [USER], mode: MODE[theirs], tls12Only: theirs === 'tls-1.2' }
  if (theirs === 'no-tls') return host
  const issue = () => ca.issue(domain, [domain], theirs === 'expired' ? EXPIRED : {})
  return { ...host, keyPair: theirs === 'self-signed' ? await selfSigned(stage.dir, domain, [domain]) : await issue() }
}

const LOOPBACK6 = '::1'

/** Not every machine has it. */
export const HAS_IPV6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === LOOPBACK6),
)

/** There is one such address for all, unlike those of a stage. */
async function freePort6(): Promise<number> {
  if (!HAS_IPV6) return PORTS.s2s
  const probe = createServer()
  probe.listen(0, LOOPBACK6)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** A SIP user without a server between: the gateway is its proxy, and it is the gateway's next hop. */
async function phoneIn(stage: Stage, domain: string): Promise<SipUser> {
  const proxy = { host: stage.at.gateway, port: PORTS.sip }
  const address = stage.at.users
  const phone = new SipUser({ user: OUR_USER, domain, address, port: stage.nextUserPort(), proxy, transport: 'udp' })
  stage.onEnd(() => phone.stop())
  return phone.start({ register: false })
}
