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
}

const MODE: Readonly<Record<Theirs, S2sMode>> = {
  certificates: 'certificates',
  'dialback-ca': 'dialback',
  'self-signed': 'dialback',
  'no-tls': 'no-tls',
}

const KINDS = Object.keys(MODE) as readonly Theirs[]
const NAMES = Object.keys(PARTNERS) as readonly PartnerName[]
const OURS = Object.keys(OUR_DOMAINS) as readonly OurDomain[]

/** Every kind of partner on real servers, and our pair with a domain for every kind of certificate. */
export interface InteropScene {
  readonly stage: Stage
  readonly pair: Pair
  readonly ca: TestCa
  readonly prosody: Readonly<Record<Theirs, Prosody>>
  readonly ejabberd: Ejabberd
  readonly phones: Readonly<Record<OurDomain, SipUser>>
  readonly ourKeys: Readonly<Record<OurDomain, KeyPair>>
  /** What the partners `cert` show, and the domains that it is for. */
  readonly theirKeys: Readonly<Record<Peer, KeyPair>>
  readonly theirNames: Readonly<Record<Peer, readonly string[]>>
}

export const serverOf = (scene: InteropScene, peer: Peer, partner: PartnerName): XmppServer =>
  peer === 'ejabberd' ? scene.ejabberd : scene.prosody[PARTNERS[partner].theirs]

export async function openInterop(stage: Stage): Promise<InteropScene> {
  const ca = await TestCa.create(stage.dir, 'public-ca')
  const ourKeys = await keysOfOurs(stage, ca)
  tellDns(stage)
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
    }),
    startEjabberd(stage, ca),
    ...KINDS.map(async (kind) => [kind, await startProsody(stage, ca, kind)] as const),
  ])
  const prosody = Object.fromEntries(prosodies) as Record<Theirs, Prosody>
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

const namesOf = (kind: Theirs): readonly PartnerName[] => NAMES.filter((name) => PARTNERS[name].theirs === kind)

async function keysOfOurs(stage: Stage, ca: TestCa): Promise<Readonly<Record<OurDomain, KeyPair>>> {
  return {
    ca: await ca.issue('ours', [OUR_DOMAINS.ca]),
    'server-only': await ca.issue('ours-server-only', [OUR_DOMAINS['server-only']], { purposes: ['serverAuth'] }),
    'self-signed': await selfSigned(stage.dir, 'ours-self-signed', [OUR_DOMAINS['self-signed']]),
    direct: await ca.issue('ours-direct', [OUR_DOMAINS.direct]),
  }
}

function tellDns({ dns, at }: Stage): void {
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
}

const prosodyAddress = (at: Stage['at'], kind: Theirs): string =>
  ({ certificates: at.prosody, 'dialback-ca': at.prosody2, 'self-signed': at.prosody3, 'no-tls': at.prosody4 })[kind]

async function startProsody(stage: Stage, ca: TestCa, kind: Theirs): Promise<Prosody> {
  const domains = namesOf(kind).map((name) => domainOf('Prosody', name))
  const [domain = '', ...aliases] = domains
  const keyPair =
    kind === 'self-signed'
      ? await selfSigned(stage.dir, 'prosody-self-signed', domains)
      : await ca.issue(`prosody-${kind}`, domains)
  const trusted = kind === 'self-signed' ? keyPair.cert : ca.cert
  const address = prosodyAddress(stage.at, kind)
  const modulesOf = Object.fromEntries(
    namesOf(kind).map((name) => [domainOf('Prosody', name), (PARTNERS[name] as Partner).modules ?? []]),
  )
  return stage.prosody({ domain, aliases, modulesOf, address, users: [USER], mode: MODE[kind], keyPair, ca: trusted })
}

async function startEjabberd(stage: Stage, ca: TestCa): Promise<Ejabberd> {
  const hosts = await Promise.all(NAMES.map((name) => ejabberdHost(stage, ca, name)))
  return stage.ejabberd({ hosts: hosts as [XmppHost, ...XmppHost[]], ca: ca.cert })
}

async function ejabberdHost(stage: Stage, ca: TestCa, name: PartnerName): Promise<XmppHost> {
  const { theirs } = PARTNERS[name]
  const domain = domainOf('ejabberd', name)
  const host = { domain, users: [USER], mode: MODE[theirs] }
  if (theirs === 'no-tls') return host
  const issue = () => ca.issue(domain, [domain])
  return { ...host, keyPair: theirs === 'self-signed' ? await selfSigned(stage.dir, domain, [domain]) : await issue() }
}

/** A SIP user without a server between: the gateway is its proxy, and it is the gateway's next hop. */
async function phoneIn(stage: Stage, domain: string): Promise<SipUser> {
  const proxy = { host: stage.at.gateway, port: PORTS.sip }
  const address = stage.at.users
  const phone = new SipUser({ user: OUR_USER, domain, address, port: stage.nextUserPort(), proxy, transport: 'udp' })
  stage.onEnd(() => phone.stop())
  return phone.start({ register: false })
}
