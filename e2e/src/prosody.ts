import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyPair } from './certificates.ts'
import { Child } from './child.ts'
import { renderFile } from './render.ts'
import { e2ePath } from './root.ts'
import { PASSWORD, type S2sMode, type XmppServer } from './xmpp-server.ts'

const ENDED_BY_ITSELF_AFTER_MS = 8000

export interface ProsodyOptions {
  readonly domain: string
  readonly address: string
  readonly c2sPort: number
  readonly s2sPort: number
  readonly s2sDirectPort: number
  /** Where it listens for other servers besides. */
  readonly s2sAlso?: { readonly address: string; readonly port: number }
  readonly nameServer: string
  readonly dir: string
  readonly users: readonly string[]
  /** Further domains, with the same users and the same certificate. */
  readonly aliases?: readonly string[]
  /** More of the configuration of a host, by its domain. */
  readonly moreOf?: Readonly<Record<string, string>>
  readonly mode: S2sMode
  readonly keyPair: KeyPair
  readonly ca: string
  /** More of its configuration: for the whole server, and hosts behind the first. */
  readonly globalMore?: string
  readonly hostsMore?: string
}

/** A real XMPP server with its users. */
export class Prosody implements XmppServer {
  readonly options: ProsodyOptions
  #child: Child | undefined

  constructor(options: ProsodyOptions) {
    this.options = options
  }

  get address(): string {
    return this.options.address
  }

  get c2sPort(): number {
    return this.options.c2sPort
  }

  get domain(): string {
    return this.options.domain
  }

  get clientCa(): string | undefined {
    return this.options.mode === 'no-tls' ? undefined : this.options.ca
  }

  async start(): Promise<void> {
    const { options } = this
    const name = `prosody-${options.domain}`
    const dir = join(options.dir, name)
    const { aliases = [], moreOf = {}, s2sAlso } = options
    const s2s = [{ address: options.address, port: options.s2sPort }, ...(s2sAlso === undefined ? [] : [s2sAlso])]
    const hosts = aliases.map((alias) => `VirtualHost "${alias}"\n${moreOf[alias] ?? ''}`)
    mkdirSync(join(dir, 'certs'), { recursive: true })
    for (const domain of [options.domain, ...aliases]) {
      const accounts = join(dir, 'data', domain.replaceAll('.', '%2e').replaceAll('-', '%2d'), 'accounts')
      mkdirSync(accounts, { recursive: true })
      for (const user of options.users)
        writeFileSync(join(accounts, `${user}.dat`), `return { ["password"] = "${PASSWORD}"; };\n`)
    }
    writeFileSync(join(dir, 'resolv.conf'), `nameserver ${options.nameServer}\n`)
    const config = join(dir, 'prosody.cfg.lua')
    renderFile(e2ePath('conf', 'prosody.cfg.lua'), config, {
      DOMAIN: options.domain,
      DIR: dir,
      ADDRESS: options.address,
      C2S_PORT: options.c2sPort,
      S2S_PORTS: s2s.map(({ port }) => port).join(', '),
      S2S_ADDRESSES: s2s.map(({ address }) => `"${address}"`).join(', '),
      S2S_DIRECT_PORT: options.s2sDirectPort,
      MODULES_DISABLED: options.mode === 'no-tls' ? '"tls"' : '',
      S2S_ENCRYPTION: String(options.mode !== 'no-tls'),
      S2S_SECURE_AUTH: String(options.mode === 'certificates'),
      KEY: options.keyPair.key,
      CERT: options.keyPair.cert,
      CA: options.ca,
      GLOBAL_MORE: options.globalMore ?? '',
      HOSTS_MORE: [moreOf[options.domain] ?? '', options.hostsMore ?? '', ...hosts].join('\n'),
      LOG: process.env['STOX_E2E_DEBUG'] === undefined ? 'info' : 'debug',
    })
    this.#child = new Child({ name, command: 'prosody', args: ['--config', config, '-F'], logDir: options.dir })
    // It opens its ports one after the other.
    for (const port of [options.c2sPort, options.s2sPort]) await this.#child.listening(options.address, port)
  }

  pid(): number {
    if (this.#child === undefined) throw new Error('Prosody was not started')
    return this.#child.pid()
  }

  async stop(): Promise<void> {
    await this.#child?.stop(ENDED_BY_ITSELF_AFTER_MS)
  }

  async kill9(): Promise<void> {
    await this.#child?.kill9()
  }

  async reload(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const reloads = (): number => child.logTail(Infinity).split('Reloading configuration file').length
    const before = reloads()
    process.kill(child.pid(), 'SIGHUP')
    await child.ready('its new configuration', () => Promise.resolve(reloads() > before))
  }
}
