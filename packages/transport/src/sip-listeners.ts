import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { parseHostPort } from '@stox/kernel'
import type { Log } from '@stox/kernel'
import { formatVia } from '@stox/sip'
import type { Via } from '@stox/sip'
import type { SipAddress, SipTransport } from './sip-endpoint-types.ts'
import type { SipTcp } from './sip-tcp.ts'
import { SipUdpSocket } from './sip-udp.ts'

const NOWHERE: SipAddress = { host: 'localhost.invalid', port: 5060 }
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])
const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not allowed to use this port',
}
const VIA_TRANSPORT: Readonly<Record<SipTransport, string>> = { udp: 'UDP', tcp: 'TCP', tls: 'TLS' }

interface Listener extends SipAddress {
  readonly transport: SipTransport
  /** What Via and Contact say. */
  readonly sentBy: SipAddress
  /** 0: a name. */
  readonly sentByFamily: number
}

/** The Via of our requests by one transport, but for its branch. */
export interface OwnVia {
  readonly via: Via
  readonly text: string
}

export interface SipListenersDeps {
  /** What Via says when we listen on a wildcard address. */
  readonly advertisedHost: string | undefined
  readonly hasTls: boolean
  readonly log: Log
  readonly tcp: Pick<SipTcp, 'listen'>
  readonly onDatagram: (bytes: Uint8Array, remote: SipAddress, socket: SipUdpSocket) => void
}

/** Where we can be reached, and what we say of it. */
export class SipListeners {
  readonly #deps: SipListenersDeps
  readonly #listeners: Listener[] = []
  readonly #sockets: SipUdpSocket[] = []
  /** By transport and family; they stay as they are once we listen. */
  readonly #ownVias = new Map<string, OwnVia>()

  constructor(deps: SipListenersDeps) {
    this.#deps = deps
  }

  get all(): readonly ({ readonly transport: SipTransport } & SipAddress)[] {
    return this.#listeners.map(({ transport, host, port }) => ({ transport, host, port }))
  }

  /** `udp:127.0.0.1:5060` and the like. Rejects with one clear sentence. */
  async open(text: string): Promise<void> {
    this.#listeners.push(await this.#listenOn(text))
  }

  /** For datagrams to this address. */
  udpTo(address: SipAddress): SipUdpSocket | undefined {
    const family = familyOf(address)
    return this.#sockets.find((one) => one.family === family)
  }

  /** What to write into Contact: the advertised host and the port we listen on. Undefined when we do not speak it. */
  contact(transport: SipTransport): SipAddress | undefined {
    return this.#listeners.find((listener) => listener.transport === transport)?.sentBy
  }

  isOurs({ transport, host, port }: Via): boolean {
    const plain = unbracketed(host)
    const usual = transport === 'TLS' ? 5061 : 5060
    return this.#listeners.some(({ sentBy }) => sentBy.host === plain && sentBy.port === (port ?? usual))
  }

  ownVia(target: SipAddress, transport: SipTransport): OwnVia {
    const family = familyOf(target)
    const key = `${transport}${family}`
    let own = this.#ownVias.get(key)
    if (own === undefined) {
      own = this.#newOwnVia(family, transport)
      this.#ownVias.set(key, own)
    }
    return own
  }

  #newOwnVia(family: 4 | 6, transport: SipTransport): OwnVia {
    const listener = this.#listenerFor(family, transport)
    const { host, port } = listener?.sentBy ?? NOWHERE
    const params = new Map<string, string | undefined>()
    if (transport === 'udp') params.set('rport', undefined) // RFC 3581 §3
    // Who knows us by our certificate may send its requests on our connection. @see RFC 5923 §5
    if (transport === 'tls' && listener?.transport === 'tls') params.set('alias', undefined)
    const via: Via = { transport: VIA_TRANSPORT[transport], host: bracketed(host), port, params }
    return { via, text: formatVia(via) }
  }

  #listenerFor(family: 4 | 6, transport: SipTransport): Listener | undefined {
    const fitting = this.#listeners.filter((one) => one.sentByFamily === family)
    return fitting.find((one) => one.transport === transport) ?? fitting[0] ?? this.#listeners[0]
  }

  /** The sockets for datagrams; connections are closed by who holds them. */
  async close(): Promise<void> {
    await Promise.all(this.#sockets.splice(0).map((socket) => socket.close()))
  }

  async #listenOn(text: string): Promise<Listener> {
    const { hasTls, advertisedHost } = this.#deps
    const [, transport, rest] = /^(udp|tcp|tls):(.*)$/.exec(text) ?? []
    const address = rest === undefined ? undefined : parseHostPort(rest)
    if (address?.ok !== true || isIP(address.value.host) === 0 || !isTransport(transport)) {
      throw new Error(`cannot listen on "${text}": not udp:address:port, tcp:address:port or tls:address:port`)
    }
    if (transport === 'tls' && !hasTls)
      throw new Error(`cannot listen on ${text}: no certificate is set up for SIP over TLS`)
    const wanted = address.value
    // Both transports share one port where we may choose it. @see RFC 3261 §18.2.1
    const sibling =
      transport === 'tls'
        ? undefined
        : this.#listeners.find((other) => other.host === wanted.host && other.transport !== 'tls')
    const ports = wanted.port === 0 && sibling !== undefined ? [sibling.port, 0] : [wanted.port]
    for (;;) {
      const port = ports.shift() ?? 0
      try {
        const bound = await this.#bind(transport, { host: wanted.host, port })
        const host = WILDCARDS.has(bound.host) ? (advertisedHost ?? ownAddress(bound.host)) : bound.host
        return { ...bound, transport, sentBy: { host, port: bound.port }, sentByFamily: isIP(host) }
      } catch (error) {
        if (ports.length === 0) throw new Error(`cannot listen on ${text}: ${reasonOfError(error)}`, { cause: error })
      }
    }
  }

  async #bind(transport: SipTransport, address: SipAddress): Promise<SipAddress> {
    const { log, tcp, onDatagram } = this.#deps
    const onError = (error: Error): void => log.warn('sip-socket-error', { transport, detail: reasonOfError(error) })
    if (transport !== 'udp') return tcp.listen(transport, address, onError)
    const socket = await SipUdpSocket.open(address, onDatagram, onError)
    this.#sockets.push(socket)
    return socket.local
  }
}

/** Of an address: a name has been looked up before. */
const familyOf = ({ host }: SipAddress): 4 | 6 => (host.includes(':') ? 6 : 4)

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
const unbracketed = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host)

const isTransport = (text: string | undefined): text is SipTransport =>
  text === 'udp' || text === 'tcp' || text === 'tls'

/** What the system says, in words. */
export function reasonOfError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return WHY[code ?? ''] ?? code ?? message
}

/** What others can reach us by when we listen everywhere. */
function ownAddress(wildcard: string): string {
  const family = wildcard === '::' ? 'IPv6' : 'IPv4'
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === family && !address.internal && !address.address.startsWith('fe80'))
  return own?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1')
}
