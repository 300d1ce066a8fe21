import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { Child } from './child.ts'

export interface BaresipOptions {
  readonly user: string
  readonly domain: string
  readonly address: string
  readonly port: number
  readonly controlPort: number
  readonly proxy: { readonly host: string; readonly port: number }
  /** Whose presence it asks for; what it writes goes to the first. */
  readonly contacts: readonly string[]
  readonly dir: string
}

/** A real SIP client without a window: baresip 1.0, told what to do through its control port. */
export class Baresip {
  readonly #options: BaresipOptions
  #child: Child | undefined
  #socket: Socket | undefined
  #read = ''

  constructor(options: BaresipOptions) {
    this.#options = options
  }

  async start(): Promise<this> {
    const { user, domain, address, port, controlPort, proxy, contacts, dir } = this.#options
    const home = join(dir, `baresip-${user}`)
    mkdirSync(home, { recursive: true })
    const write = (name: string, ...lines: readonly string[]): void =>
      writeFileSync(join(home, name), `${lines.join('\n')}\n`)
    write(
      'config',
      `sip_listen ${address}:${port}`,
      `net_interface ${address}`,
      'module_path /usr/lib/baresip/modules',
      'module g711.so',
      'module_tmp uuid.so',
      'module_tmp account.so',
      'module_app contact.so',
      'module_app menu.so',
      'module_app presence.so',
      'module ctrl_tcp.so',
      `ctrl_tcp_listen ${address}:${controlPort}`,
    )
    const server = `sip:${proxy.host}:${proxy.port};transport=udp`
    write('accounts', `<sip:${user}@${domain};transport=udp>;auth_pass=none;outbound="${server}";regint=300;pubint=300`)
    write('contacts', ...contacts.map((contact) => `<sip:${contact}>;presence=p2p`))
    this.#child = new Child({ name: `baresip-${user}`, command: 'baresip', args: ['-f', home], logDir: dir })
    await this.#child.listening(address, controlPort)
    this.#socket = connect(controlPort, address)
    this.#socket.on('error', () => undefined)
    this.#socket.on('data', (bytes: Buffer) => (this.#read += bytes.toString()))
    await once(this.#socket, 'connect')
    return this
  }

  async stop(): Promise<void> {
    this.#socket?.destroy()
    await this.#child?.stop()
  }

  /** A netstring with JSON. */
  command(command: string, params = ''): void {
    const text = JSON.stringify({ command, params })
    this.#socket?.write(`${Buffer.byteLength(text)}:${text},`)
  }

  /** Everything that it has said on its control port and its log. */
  get said(): string {
    return `${this.#read}\n${this.#child?.logTail(1000) ?? ''}`
  }
}
