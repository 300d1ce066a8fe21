import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Child } from './child.ts'
import { renderFile } from './render.ts'
import { e2ePath } from './root.ts'
import { PASSWORD, type S2sMode, type XmppHost, type XmppServer } from './xmpp-server.ts'

const STARTS_WITHIN_MS = 60_000
const ENDED_BY_ITSELF_AFTER_MS = 8000

export interface EjabberdOptions {
  readonly address: string
  readonly c2sPort: number
  readonly s2sPort: number
  readonly s2sDirectPort: number
  readonly apiPort: number
  readonly nameServer: string
  readonly dir: string
  /** Each with rules of its own. */
  readonly hosts: readonly [XmppHost, ...XmppHost[]]
  readonly ca: string
}

/** Whether TLS is offered, and dialback: without its module the certificate alone counts. */
const RULES: Readonly<Record<S2sMode, { readonly tls: 'required' | false; readonly dialback: boolean }>> = {
  certificates: { tls: 'required', dialback: false },
  dialback: { tls: 'required', dialback: true },
  'no-tls': { tls: false, dialback: true },
}

/**
 * A real ejabberd with its users, run by Erlang itself and not by `ejabberdctl`: its files are all in one folder, it
 * needs no user of its own, and without Erlang's distribution it has no node name, no cookie and no epmd beside it.
 */
export class Ejabberd implements XmppServer {
  readonly options: EjabberdOptions
  readonly clientCa = undefined
  readonly #dir: string
  #child: Child | undefined

  constructor(options: EjabberdOptions) {
    this.options = options
    this.#dir = join(options.dir, 'ejabberd')
  }

  get address(): string {
    return this.options.address
  }

  get c2sPort(): number {
    return this.options.c2sPort
  }

  get domain(): string {
    return this.options.hosts[0].domain
  }

  /** Its folder is kept from one start to the next, and with it accounts, rosters and messages for those away. */
  async start(): Promise<void> {
    const { address, c2sPort, hosts, dir } = this.options
    const spool = join(this.#dir, 'spool')
    mkdirSync(spool, { recursive: true })
    const config = this.#writeConfiguration()
    const modules = modulesDir()
    const args = ['-noinput', '+K', 'true', '-pa', join(modules, 'ebin'), '-mnesia', 'dir', `"${spool}"`]
    this.#child = new Child({
      name: 'ejabberd',
      command: 'erl',
      args: [...args, '-s', 'ejabberd'],
      logDir: dir,
      cwd: spool,
      env: {
        HOME: spool,
        EJABBERD_CONFIG_PATH: config,
        EJABBERD_LOG_PATH: join(this.#dir, 'ejabberd.log'),
        CONTRIB_MODULES_PATH: spool,
        ERL_LIBS: join(modules, '..'),
        ERL_INETRC: join(this.#dir, 'inetrc'),
      },
    })
    await this.#child.ready('its API', () => this.#isStarted(), STARTS_WITHIN_MS)
    await this.#child.listening(address, c2sPort)
    for (const { domain, users } of hosts) for (const user of users) await this.#register(user, domain)
  }

  async stop(): Promise<void> {
    await this.#child?.stop(ENDED_BY_ITSELF_AFTER_MS)
  }

  async kill9(): Promise<void> {
    await this.#child?.kill9()
  }

  pid(): number {
    if (this.#child === undefined) throw new Error('ejabberd was not started')
    return this.#child.pid()
  }

  async reload(): Promise<void> {
    this.#writeConfiguration()
    const { status, text } = await this.#api('reload_config', {})
    if (status !== 200) throw new Error(`ejabberd does not reload: ${text}`)
  }

  #writeConfiguration(): string {
    const { options } = this
    // Names are asked of our server alone.
    const resolv = join(this.#dir, 'resolv.conf')
    writeFileSync(resolv, `nameserver ${options.nameServer}\n`)
    const inetrc = `{resolv_conf, "${resolv}"}.\n{hosts_file, ""}.\n{lookup, [dns]}.\n{cache_size, 0}.\n`
    writeFileSync(join(this.#dir, 'inetrc'), inetrc)
    const certificates = options.hosts.flatMap(({ domain, keyPair }) => {
      if (keyPair === undefined) return []
      const both = join(this.#dir, `${domain}.pem`)
      writeFileSync(both, readFileSync(keyPair.cert, 'utf8') + readFileSync(keyPair.key, 'utf8'), { mode: 0o600 })
      return [both]
    })
    const config = join(this.#dir, 'ejabberd.yml')
    renderFile(e2ePath('conf', 'ejabberd.yml'), config, {
      HOSTS: JSON.stringify(options.hosts.map(({ domain }) => domain)),
      HOST_TLS: this.#perHost(({ mode, tls12Only }) => ({
        s2s_use_starttls: RULES[mode].tls,
        ...(tls12Only === true ? { s2s_protocol_options: ['no_tlsv1_3'] } : {}),
      })),
      HOST_MODULES: this.#perHost(({ mode }) => ({ modules: RULES[mode].dialback ? { mod_s2s_dialback: {} } : {} })),
      CERTIFICATES: JSON.stringify(certificates),
      CA: options.ca,
      ADDRESS: options.address,
      C2S_PORT: options.c2sPort,
      S2S_PORT: options.s2sPort,
      S2S_DIRECT_PORT: options.s2sDirectPort,
      API_PORT: options.apiPort,
      LOG: process.env['STOX_E2E_DEBUG'] === undefined ? 'info' : 'debug',
    })
    return config
  }

  #perHost(options: (host: XmppHost) => object): string {
    return JSON.stringify(Object.fromEntries(this.options.hosts.map((host) => [host.domain, options(host)])))
  }

  async #isStarted(): Promise<boolean> {
    return this.#api('status', {}).then(
      ({ status }) => status === 200,
      () => false,
    )
  }

  async #register(user: string, host: string): Promise<void> {
    const { status, text } = await this.#api('register', { user, host, password: PASSWORD })
    if (status !== 200 && !text.includes('already')) throw new Error(`ejabberd does not register ${user}: ${text}`)
  }

  async #api(command: string, body: Readonly<Record<string, string>>): Promise<{ status: number; text: string }> {
    const { address, apiPort } = this.options
    const reply = await fetch(`http://${address}:${apiPort}/api/${command}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    })
    return { status: reply.status, text: await reply.text() }
  }
}

/** Where Debian keeps its compiled modules: `/usr/lib/ARCH/ejabberd-VERSION`. */
function modulesDir(): string {
  const folders = readdirSync('/usr/lib', { withFileTypes: true }).filter((one) => one.isDirectory())
  const found = folders
    .flatMap(({ name }) => readdirSync(join('/usr/lib', name)).map((inner) => join('/usr/lib', name, inner)))
    .filter((path) => basename(path).startsWith('ejabberd-') && existsSync(join(path, 'ebin', 'ejabberd.beam')))
  const newest = found.toSorted().at(-1)
  if (newest === undefined) throw new Error('no ejabberd in /usr/lib')
  return newest
}
