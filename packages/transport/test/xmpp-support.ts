import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Result } from '@stox/kernel'
import { fail, ok, silentLog } from '@stox/kernel'
import type { DomainName, Stanza } from '@stox/xmpp'
import type { Authority, Certificate } from '@stox/testkit'
import type {
  DnsFailure,
  DnsResolver,
  PartnerRules,
  SrvRecord,
  StanzaContext,
  StreamDown,
  StreamPolicy,
  StreamUp,
  XmppEndpointOptions,
} from '@stox/transport'
import {
  TlsIdentity,
  TrustStore,
  XmppEndpoint,
  cryptoIds,
  nodeHashes,
  systemClock,
  systemTimers,
} from '@stox/transport'

export const domain = (text: string): DomainName => text as DomainName

export const RULES = {
  tlsRequired: partnerRules('required', ['dialback-over-tls']),
  saslOrDialback: partnerRules('required', ['sasl-external-over-tls', 'dialback-over-tls']),
  tlsOptional: partnerRules('optional', ['sasl-external-over-tls', 'dialback-over-tls', 'dialback-over-tcp']),
  tlsNotSupported: partnerRules('notSupported', ['dialback-over-tcp']),
  saslOnly: partnerRules('required', ['sasl-external-over-tls']),
}

function partnerRules(tls: PartnerRules['tls'], methods: PartnerRules['methods']): PartnerRules {
  return {
    partner: 'a partner',
    tls,
    methods,
    maxStanzaBytes: 50_000,
    keepAlive: true,
    connectionLimit: 20,
    stanzasPerSecond: undefined,
    proxy: undefined,
  }
}

/** Names as a table; what it does not hold does not exist. */
export class TableResolver implements DnsResolver {
  readonly srvRecords = new Map<string, readonly SrvRecord[]>()
  readonly hosts = new Map<string, readonly string[]>()
  readonly trouble = new Set<string>()
  readonly silent = new Set<string>()
  asked = 0

  srv(name: string): Promise<Result<readonly SrvRecord[], DnsFailure>> {
    this.asked += 1
    return Promise.resolve(this.#find(this.srvRecords, name))
  }

  addresses(host: string): Promise<Result<readonly string[], DnsFailure>> {
    this.asked += 1
    return Promise.resolve(this.#find(this.hosts, host))
  }

  #find<T>(table: ReadonlyMap<string, readonly T[]>, name: string): Result<readonly T[], DnsFailure> {
    if (this.silent.has(name)) return fail({ kind: 'trouble', detail: `${name}: ETIMEOUT`, isSilence: true })
    if (this.trouble.has(name)) return fail({ kind: 'trouble', detail: `${name}: SERVFAIL` })
    const found = table.get(name)
    return found === undefined ? fail({ kind: 'none', detail: `${name}: ENOTFOUND` }) : ok(found)
  }
}

const noTls = (): TlsIdentity => {
  const identity = TlsIdentity.of([])
  if (!identity.ok) throw new Error('no entries, no problems')
  return identity.value
}

export interface Arrived {
  readonly stanza: Stanza
  readonly context: StanzaContext
}

/** One server of a test: an endpoint and all that it tells. */
export class TestServer {
  readonly domain: DomainName
  readonly endpoint: XmppEndpoint
  readonly partners = new Map<string, PartnerRules>()
  readonly arrived: Arrived[] = []
  readonly refused: string[] = []
  readonly ups: StreamUp[] = []
  readonly downs: StreamDown[] = []
  port = 0
  secret: string
  times = { establishmentTimeoutMs: 5_000, inactivityTimeoutMs: 60_000, keepAliveIntervalMs: 30_000 }
  connectionLimit = 1000
  onStanza: (arrived: Arrived) => void | Promise<void> = () => {}
  readonly #waiting: (() => void)[] = []

  constructor(name: string, resolver: DnsResolver, options: Partial<XmppEndpointOptions> = {}) {
    this.domain = domain(name)
    this.secret = `the secret of ${name}`
    const policy: StreamPolicy = {
      isServed: (asked) => asked === name,
      judge: (_local, remote) => {
        const rules = this.partners.get(remote)
        return rules === undefined ? { allowed: false, reason: `${remote} is no partner` } : { allowed: true, rules }
      },
      dialbackSecret: () => this.secret,
      times: () => this.times,
      connectionLimit: () => this.connectionLimit,
    }
    this.endpoint = new XmppEndpoint({
      listen: ['127.0.0.1:0'],
      tls: noTls(),
      clock: systemClock,
      timers: systemTimers,
      ids: cryptoIds,
      hashes: nodeHashes,
      log: silentLog,
      resolver,
      policy,
      on: {
        stanza: (stanza, context) => {
          this.arrived.push({ stanza, context })
          this.#tell()
          return this.onStanza({ stanza, context })
        },
        refused: ({ kind }) => {
          this.refused.push(kind)
          this.#tell()
        },
        streamUp: (up) => {
          this.ups.push(up)
          this.#tell()
        },
        streamDown: (down) => {
          this.downs.push(down)
          this.#tell()
        },
      },
      ...options,
    })
  }

  async listen(): Promise<this> {
    const [address] = await this.endpoint.listen()
    this.port = address?.port ?? 0
    return this
  }

  send(to: DomainName, id: string, body = 'Hi', maxWaitMs = 5_000) {
    const xml = `<message from='a@${this.domain}' to='b@${to}' id='${id}' type='chat'><body>${body}</body></message>`
    return this.endpoint.send(this.domain, to, xml, { maxWaitMs })
  }

  /** Resolves when it is so; looks again whenever something has happened, and now and then. */
  async until(isSo: () => boolean, withinMs = 5_000): Promise<void> {
    const deadline = Date.now() + withinMs
    while (!isSo()) {
      if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${isSo.toString()}`)
      await new Promise<void>((resolve) => {
        const again = setTimeout(resolve, 20)
        this.#waiting.push(() => {
          clearTimeout(again)
          resolve()
        })
      })
    }
  }

  #tell(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/** A peer that says what the test wants it to say. */
export class RawPeer {
  heard = ''
  isClosed = false
  readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => (this.heard += chunk.toString()))
    socket.on('error', () => {})
    socket.on('close', () => (this.isClosed = true))
  }

  static async connect(port: number, localAddress = '127.0.0.1'): Promise<RawPeer> {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    await once(socket, 'connect')
    return new RawPeer(socket)
  }

  say(text: string): this {
    this.socket.write(text)
    return this
  }

  async hears(expected: RegExp, withinMs = 3_000): Promise<RegExpExecArray> {
    const deadline = Date.now() + withinMs
    for (;;) {
      const found = expected.exec(this.heard)
      if (found !== null) return found
      if (Date.now() > deadline) throw new Error(`${expected.source} not in: ${this.heard}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async closes(withinMs = 3_000): Promise<void> {
    const deadline = Date.now() + withinMs
    while (!this.isClosed) {
      if (Date.now() > deadline) throw new Error(`still open after: ${this.heard}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
}

/** A server that hands each connection to the test. */
export class RawServer {
  readonly peers: RawPeer[] = []
  port = 0
  readonly #server: Server

  constructor(onPeer: (peer: RawPeer, index: number) => void = () => {}) {
    this.#server = createServer((socket) => {
      const peer = new RawPeer(socket)
      this.peers.push(peer)
      onPeer(peer, this.peers.length - 1)
    })
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    return this
  }

  async close(): Promise<void> {
    for (const { socket } of this.peers) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

export const header = (from: string | undefined, to: string, more = ` version='1.0'`): string =>
  `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'` +
  ` xmlns:db='jabber:server:dialback'${from === undefined ? '' : ` from='${from}'`} to='${to}'${more}>`

/** A server that knows dialback and nothing else: it says `valid` to everything, or what `verdict` says. */
export function dialbackSpeaker(name: string, verdict: () => string = () => 'valid'): (peer: RawPeer) => void {
  return (peer) => {
    let at = 0
    peer.socket.on('data', () => {
      const text = peer.heard.slice(at)
      const opening = /<stream:stream[^>]*>/.exec(text)
      if (opening !== null) {
        const from = /from=['"]([^'"]*)/.exec(opening[0])?.[1] ?? ''
        peer.say(header(name, from, ` id='raw1' version='1.0'`) + `<stream:features/>`)
      }
      for (const [question, kind] of text.matchAll(/<db:(result|verify)[^>]*>[^<]*<\/db:\w+>/g)) {
        const attribute = (wanted: string) => new RegExp(`\\s${wanted}=['"]([^'"]*)`).exec(question)?.[1] ?? ''
        const id = kind === 'verify' ? ` id='${attribute('id')}'` : ''
        peer.say(`<db:${kind} from='${attribute('to')}' to='${attribute('from')}'${id} type='${verdict()}'/>`)
      }
      if (text.includes('</stream:stream>')) peer.socket.end('</stream:stream>')
      if (opening !== null || text.includes('</')) at = peer.heard.length
    })
  }
}

export async function trustIn(authority: Authority): Promise<TrustStore> {
  const opened = await TrustStore.open({ kind: 'pem', pem: authority.cert })
  if (!opened.ok) throw new Error(opened.failure.detail)
  return opened.value
}

export function identityOf(name: string, certificate: Certificate): TlsIdentity {
  const tls = TlsIdentity.of([{ domains: [name], ...certificate }])
  if (!tls.ok) throw new Error(JSON.stringify(tls.failure))
  return tls.value
}

/** Who looks for the domain finds it there. */
export function place(resolver: TableResolver, name: string, port: number): void {
  resolver.srvRecords.set(`_xmpp-server._tcp.${name}`, [{ priority: 10, weight: 0, port, target: `x.${name}` }])
  resolver.hosts.set(`x.${name}`, ['127.0.0.1'])
}
