import type { AddressInfo, Server, Socket, SocketAddress } from 'node:net'
import { BlockList, createServer } from 'node:net'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:5269`, `[::1]:5269`, `xmpp.inside:5269`. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text)
  const host = parts?.[1] ?? parts?.[2]
  const port = Number(parts?.[3])
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

/**
 * Asked about each connection before a socket is made of it, and who is turned away is closed without a word: of a crowd
 * that costs half the time outside of the kernel, and leaves next to no garbage.
 */
class Door extends BlockList {
  readonly #turnsAway: (remoteAddress: string) => boolean

  constructor(turnsAway: (remoteAddress: string) => boolean) {
    super()
    this.#turnsAway = turnsAway
  }

  override check(address: SocketAddress | string): boolean {
    return this.#turnsAway(typeof address === 'string' ? address : address.address)
  }
}

/** The sockets that take connections, and no more than that. */
export class XmppListener {
  readonly #servers: Server[] = []

  /** Rejects with one sentence, and with nothing left open, when an address cannot be had. */
  async listen(
    addresses: readonly string[],
    onSocket: (socket: Socket) => void,
    turnsAway: (remoteAddress: string) => boolean = () => false,
  ): Promise<readonly AddressInfo[]> {
    const taken: AddressInfo[] = []
    const blockList = new Door(turnsAway)
    try {
      for (const text of addresses) {
        const address = parseListenAddress(text)
        if (address === undefined) throw new Error(`"${text}" is not host:port`)
        const server = createServer({ noDelay: true, keepAlive: true, blockList }, onSocket)
        this.#servers.push(server)
        taken.push(await bind(server, address, text))
      }
    } catch (error) {
      await this.close()
      throw error
    }
    return taken
  }

  async close(): Promise<void> {
    const servers = this.#servers.splice(0)
    await Promise.all(
      servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            if (server.listening) server.close(() => resolve())
            else resolve()
          }),
      ),
    )
  }
}

function bind(server: Server, { host, port }: ListenAddress, text: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new Error(`cannot listen on ${text}: ${WHY[error.code ?? ''] ?? error.message}`, { cause: error }))
    })
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      // A failing accept (no more descriptors, say) must not end the process; the next one may succeed.
      server.on('error', () => {})
      resolve(server.address() as AddressInfo)
    })
  })
}

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'not permitted (ports below 1024 need a privilege)',
  ENOTFOUND: 'the host name is not known',
}
