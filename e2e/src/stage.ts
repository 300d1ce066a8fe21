import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DnsStub } from '@stox/testkit'
import { selfSigned, type KeyPair } from './certificates.ts'
import { Ejabberd, type EjabberdOptions } from './ejabberd.ts'
import { Kamailio, type KamailioOptions } from './kamailio.ts'
import { Prosody, type ProsodyOptions } from './prosody.ts'
import { SipUser } from './sip-user.ts'
import type { XmppServer } from './xmpp-server.ts'
import { XmppUser } from './xmpp-user.ts'

export const SIP = 'sip.example'
export const SIP_TCP = 'tcp.example'
export const XMPP = 'xmpp.example'
export type SipDomain = typeof SIP | typeof SIP_TCP

/** Beside the well-known ones, so that a server of this machine is not in the way. */
export const PORTS = {
  s2s: 22_269,
  s2sDirect: 22_270,
  c2s: 22_222,
  sip: 22_060,
  sipTls: 22_561,
  rpc: 22_061,
  link: 22_456,
  admin: 22_080,
  ops: 22_101,
  api: 22_180,
  user: 22_070,
  nobody: 22_999,
} as const

const DNS_PORT = 53
const TRIES = 20

/** The addresses of one stage: a small net of the loopback's own for every test file. */
export interface Addresses {
  readonly edge: string
  readonly gateway: string
  readonly kamailio: string
  /** Another gateway, for the benchmark. */
  readonly kamailioGateway: string
  readonly prosody: string
  readonly prosody2: string
  readonly prosody3: string
  readonly prosody4: string
  readonly ejabberd: string
  readonly partner: string
  readonly stranger: string
  readonly dns: string
  /** Where ejabberd asks. */
  readonly dnsOfAddresses: string
  readonly users: string
}

export const addressesIn = (net: string): Addresses => ({
  kamailio: `${net}.10`,
  edge: `${net}.20`,
  gateway: `${net}.21`,
  kamailioGateway: `${net}.22`,
  prosody: `${net}.30`,
  prosody2: `${net}.31`,
  prosody3: `${net}.32`,
  prosody4: `${net}.33`,
  ejabberd: `${net}.35`,
  partner: `${net}.40`,
  stranger: `${net}.41`,
  dns: `${net}.53`,
  dnsOfAddresses: `${net}.54`,
  users: `${net}.60`,
})

/** Where the servers of a play stand: names, addresses, a folder for their files, and everything that must end with it. */
export class Stage {
  readonly dir: string
  readonly at: Addresses
  readonly dns: DnsStub
  readonly #endings: (() => Promise<void>)[] = []
  #userPort: number = PORTS.user
  #failed = false
  #isOver = false

  private constructor(dir: string, at: Addresses, dns: DnsStub) {
    this.dir = dir
    this.at = at
    this.dns = dns
    this.onEnd(() => dns.close())
  }

  static async open(name: string): Promise<Stage> {
    const at = await freeNet()
    const dir = mkdtempSync(join(tmpdir(), `stox-e2e-${name}-`))
    const dns = zoneOf(at)
    await dns.listen(DNS_PORT, at.dns)
    return new Stage(dir, at, dns)
  }

  /** What is started last is ended first; what comes up when all is over is ended at once. */
  onEnd(end: () => Promise<void>): void {
    if (this.#isOver) {
      void end()
      throw new Error('the stage is closed')
    }
    this.#endings.unshift(end)
  }

  /** Keeps the folder with the logs, and says where it is. */
  failed(): void {
    this.#failed = true
  }

  async close(): Promise<void> {
    this.#isOver = true
    for (const end of this.#endings) await end()
    if (this.#failed || process.env['STOX_E2E_KEEP'] !== undefined)
      process.stderr.write(`logs are kept in ${this.dir}\n`)
    else rmSync(this.dir, { recursive: true, force: true })
  }

  async prosody(options: Partial<ProsodyOptions> & { users: readonly string[] }): Promise<Prosody> {
    const domain = options.domain ?? XMPP
    const keyPair: KeyPair = options.keyPair ?? (await selfSigned(this.dir, `prosody-${domain}`, [domain]))
    const prosody = new Prosody({
      domain,
      address: this.at.prosody,
      c2sPort: PORTS.c2s,
      s2sPort: PORTS.s2s,
      s2sDirectPort: PORTS.s2sDirect,
      nameServer: this.at.dns,
      dir: this.dir,
      mode: 'dialback',
      keyPair,
      ca: keyPair.cert,
      ...options,
    })
    await prosody.start()
    this.onEnd(() => prosody.stop())
    return prosody
  }

  async ejabberd(options: Pick<EjabberdOptions, 'hosts' | 'ca'> & Partial<EjabberdOptions>): Promise<Ejabberd> {
    const zone = addressesInPlaceOfNames(this.dns)
    await zone.listen(DNS_PORT, this.at.dnsOfAddresses)
    this.onEnd(() => zone.close())
    const ejabberd = new Ejabberd({
      address: this.at.ejabberd,
      c2sPort: PORTS.c2s,
      s2sPort: PORTS.s2s,
      s2sDirectPort: PORTS.s2sDirect,
      apiPort: PORTS.api,
      nameServer: this.at.dnsOfAddresses,
      dir: this.dir,
      ...options,
    })
    this.onEnd(() => ejabberd.stop())
    await ejabberd.start()
    return ejabberd
  }

  async kamailio(more: Partial<KamailioOptions> = {}): Promise<Kamailio> {
    const kamailio = new Kamailio({
      address: this.at.kamailio,
      port: PORTS.sip,
      rpcPort: PORTS.rpc,
      domain: SIP,
      tcpDomain: SIP_TCP,
      gateway: this.at.gateway,
      gatewayPort: PORTS.sip,
      dir: this.dir,
      forceActive: true,
      ...more,
    })
    await kamailio.start()
    this.onEnd(() => kamailio.stop())
    return kamailio
  }

  async xmppUser(
    server: XmppServer,
    user: string,
    more: { domain?: string; resource?: string; quiet?: boolean } = {},
  ): Promise<XmppUser> {
    const { address, c2sPort, clientCa } = server
    const resource = more.resource === undefined ? {} : { resource: more.resource }
    const ca = clientCa === undefined ? {} : { ca: clientCa }
    const domain = more.domain ?? server.domain
    const person = new XmppUser({ user, domain, address, port: c2sPort, ...resource, ...ca })
    this.onEnd(() => person.stop())
    return person.start({ quiet: more.quiet ?? false })
  }

  nextUserPort(): number {
    return (this.#userPort += 1)
  }

  /** A registered user of the SIP server; those of the TCP domain speak TCP. */
  async sipUser(user: string, domain: SipDomain = SIP, more: { register?: boolean } = {}): Promise<SipUser> {
    const person = new SipUser({
      user,
      domain,
      address: this.at.users,
      port: this.nextUserPort(),
      proxy: { host: this.at.kamailio, port: PORTS.sip },
      transport: domain === SIP ? 'udp' : 'tcp',
    })
    this.onEnd(() => person.stop())
    return person.start(more)
  }
}

/** The names of the plays. */
function zoneOf(at: Addresses): DnsStub {
  const zone = new DnsStub()
  const serve = (domain: string, host: string, address: string, port: number = PORTS.s2s): void => {
    zone.srv.set(`_xmpp-server._tcp.${domain}`, [{ port, target: host }])
    zone.a.set(host, [address])
  }
  serve(SIP, `edge.${SIP}`, at.edge)
  serve(SIP_TCP, `edge.${SIP}`, at.edge)
  serve(XMPP, XMPP, at.prosody)
  serve('xmpp2.example', 'xmpp2.example', at.prosody2)
  serve('gtalk.example', 'gtalk.example', at.partner)
  serve('hostile.example', 'hostile.example', at.partner)
  serve('stranger.example', 'stranger.example', at.stranger)
  // Nobody listens there.
  serve('dead.example', 'dead.example', at.partner, PORTS.nobody)
  // It says itself that it has no such service.
  zone.srv.set('_xmpp-server._tcp.noserver.example', [{ port: 0, target: '.' }])
  return zone
}

/**
 * The same zone with an address as the target of each service. ejabberd asks a name server for services and the C library
 * for addresses, and that one cannot be pointed elsewhere without root; an address as a name is its own answer.
 */
function addressesInPlaceOfNames(names: DnsStub): DnsStub {
  const zone = new DnsStub()
  for (const [service, records] of names.srv)
    zone.srv.set(
      service,
      records.map((record) => ({ ...record, target: names.a.get(record.target)?.[0] ?? record.target })),
    )
  return zone
}

/** A net of the loopback where we may have the name server's port; `STOX_E2E_NET` (`127.0.2`) names it. */
async function freeNet(): Promise<Addresses> {
  const wanted = process.env['STOX_E2E_NET']
  if (wanted !== undefined) return addressesIn(wanted)
  for (let tried = 0; ; tried += 1) {
    const at = addressesIn(`127.${100 + Math.floor(Math.random() * 150)}.${Math.floor(Math.random() * 250)}`)
    const probe = createSocket('udp4')
    try {
      probe.bind(DNS_PORT, at.dns)
      await once(probe, 'listening')
      return at
    } catch (error) {
      if (tried >= TRIES) throw new Error(`no loopback address with a free port ${DNS_PORT}`, { cause: error })
    } finally {
      probe.close()
    }
  }
}
