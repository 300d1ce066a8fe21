import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { KeyPair } from './certificates.ts'
import { Child } from './child.ts'
import { renderFile } from './render.ts'
import { e2ePath } from './root.ts'

const SCHEMA = '/usr/share/kamailio/db_sqlite'
const PRES_RULES = 2

export interface KamailioOptions {
  readonly address: string
  readonly port: number
  readonly rpcPort: number
  /** Its users speak UDP with the gateway. */
  readonly domain: string
  /** Its users speak TCP with the gateway. */
  readonly tcpDomain: string
  readonly gateway: string
  readonly gatewayPort: number
  readonly dir: string
  /** False: a watcher is pending until a rule lets it in. */
  readonly forceActive: boolean
  /** Speaks TLS with the gateway, for both domains, and each wants the other's certificate. */
  readonly tls?: { readonly keyPair: KeyPair; readonly ca: string; readonly port: number; readonly gatewayPort: number }
  /** What comes from the gateway is challenged, with this algorithm. */
  readonly asks?: 'MD5' | 'SHA-256'
  /** The gateway's challenges are answered. */
  readonly answers?: boolean
  /** It answers for the presence of the gateway's users itself; and it tells the gateway who of them is wanted, or does not. */
  readonly owns?: 'telling' | 'silent'
  /** What it says that it takes, in its answers to OPTIONS. */
  readonly accepts?: string
}

/** The account of the gateway at the SIP server, and that of the SIP server at the gateway. @see conf/kamailio.cfg */
export const ACCOUNTS = {
  ofGateway: { realm: 'kamailio', username: 'gateway', password: 'of-gateway' },
  ofKamailio: { realm: 'gateway', username: 'kamailio', password: 'of-kamailio' },
} as const

export interface Publication {
  readonly etag: string
  readonly expires: number
  readonly body: string
}

export type Verdict = 'allow' | 'block' | 'polite-block' | 'confirm'

/** A real SIP server: registrar, message routing, presence. */
export class Kamailio {
  readonly options: KamailioOptions
  readonly #dir: string
  #child: Child | undefined

  constructor(options: KamailioOptions) {
    this.options = options
    this.#dir = join(options.dir, 'kamailio')
  }

  async start(): Promise<void> {
    const { options } = this
    mkdirSync(this.#dir, { recursive: true })
    this.#database((database) => {
      database.exec('PRAGMA journal_mode=WAL')
      for (const part of ['standard', 'presence'])
        database.exec(readFileSync(join(SCHEMA, `${part}-create.sql`), 'utf8'))
    })
    const { tls } = options
    if (tls !== undefined) writeFileSync(join(this.#dir, 'tls.cfg'), tlsConfig(tls.keyPair, tls.ca))
    const config = join(this.#dir, 'kamailio.cfg')
    const defines = [
      ...(tls === undefined ? [] : ['WITH_TLS']),
      ...(options.asks === undefined ? [] : ['WITH_ASKING']),
      ...(options.answers === true ? ['WITH_ANSWERING'] : []),
      ...(options.owns === undefined ? [] : ['WITH_OWNING']),
      ...(options.owns === 'telling' ? ['WITH_TELLING'] : []),
      ...(options.accepts === undefined ? [] : ['WITH_ACCEPT']),
    ]
    renderFile(e2ePath('conf', 'kamailio.cfg'), config, {
      ADDRESS: options.address,
      PORT: options.port,
      RPC_PORT: options.rpcPort,
      DOMAIN: options.domain,
      TCP_DOMAIN: options.tcpDomain,
      GATEWAY: options.gateway,
      GATEWAY_PORT: options.gatewayPort,
      DIR: this.#dir,
      FORCE_ACTIVE: options.forceActive ? 1 : 0,
      DEFINES: defines.map((name) => `#!define ${name}`).join('\n'),
      ALGORITHM: options.asks ?? '',
      ACCEPTS: options.accepts ?? '',
      TLS_PORT: tls?.port ?? 0,
      GATEWAY_TLS_PORT: tls?.gatewayPort ?? 0,
    })
    await this.restart()
  }

  /** With what it has in its database, and nothing of what it had in memory. */
  async restart(): Promise<void> {
    const { options } = this
    const args = ['-DD', '-f', join(this.#dir, 'kamailio.cfg'), '-Y', this.#dir, '-m', '64', '-M', '8']
    this.#child = new Child({ name: 'kamailio', command: 'kamailio', args, logDir: options.dir })
    await this.#child.listening(options.address, options.port)
  }

  async stop(): Promise<void> {
    await this.#child?.stop()
  }

  /** What `user` says about `watcher` (`sip:…`), as a pres-rules document, and in force at once. @see RFC 5025 §3.2 */
  async rule(user: string, watcher: string, verdict: Verdict, domain = this.options.domain): Promise<void> {
    const rules =
      '<?xml version="1.0" encoding="UTF-8"?><cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" ' +
      `xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><cr:rule id="r"><cr:conditions><cr:identity><cr:one id="${watcher}"/>` +
      `</cr:identity></cr:conditions><cr:actions><pr:sub-handling>${verdict}</pr:sub-handling></cr:actions>` +
      '<cr:transformations/></cr:rule></cr:ruleset>'
    this.#database((database) => {
      database
        .prepare('delete from xcap where username = ? and domain = ? and doc_type = ?')
        .run(user, domain, PRES_RULES)
      database
        .prepare(
          'insert into xcap(username, domain, doc, doc_type, etag, source, doc_uri, port) values (?, ?, ?, ?, ?, 0, ?, 0)',
        )
        .run(user, domain, rules, PRES_RULES, `e${Date.now()}`, `/pres-rules/users/${user}/index`)
    })
    await this.rpc('presence.refreshWatchers', [`sip:${user}@${domain}`, 'presence', 0])
  }

  /** Who watches `user` now: the rows of the presence server's own table. */
  watchers(
    user: string,
    domain = this.options.domain,
    event = 'presence',
  ): readonly { watcher: string; status: number; expires: number; callId: string }[] {
    return this.#database((database) =>
      database
        .prepare(
          'select watcher_username, watcher_domain, status, expires, callid from active_watchers where presentity_uri = ? and event = ?',
        )
        .all(`sip:${user}@${domain}`, event)
        .map((row) => ({
          watcher: `${String(row['watcher_username'])}@${String(row['watcher_domain'])}`,
          status: Number(row['status']),
          expires: Number(row['expires']),
          callId: String(row['callid']),
        })),
    )
  }

  /** What is published of `user`: one row for each publication that the presence server has. */
  async publications(user: string, domain: string): Promise<readonly Publication[]> {
    const all = (await this.rpc('presence.presentity_list', ['full'])) as readonly (Publication & {
      user: string
      domain: string
      event: string
    })[]
    return all.filter((one) => one.user === user && one.domain === domain && one.event === 'presence')
  }

  async rpc(method: string, params: readonly (string | number)[] = []): Promise<unknown> {
    const socket = createSocket('udp4')
    try {
      const reply = once(socket, 'message', { signal: AbortSignal.timeout(5000) })
      socket.send(JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 }), this.options.rpcPort, this.options.address)
      const [bytes] = (await reply) as [Buffer]
      const answer = JSON.parse(bytes.toString()) as { result?: unknown; error?: { message: string } }
      if (answer.error !== undefined) throw new Error(`kamailio ${method}: ${answer.error.message}`)
      return answer.result
    } finally {
      socket.close()
    }
  }

  #database<T>(use: (database: DatabaseSync) => T): T {
    const database = new DatabaseSync(join(this.#dir, 'kamailio.db'))
    try {
      database.exec('PRAGMA busy_timeout=3000')
      return use(database)
    } finally {
      database.close()
    }
  }
}

const tlsConfig = ({ cert, key }: KeyPair, ca: string): string =>
  ['server', 'client']
    .map((side) =>
      [
        `[${side}:default]`,
        'method = TLSv1.2+',
        'verify_certificate = yes',
        'require_certificate = yes',
        `certificate = ${cert}`,
        `private_key = ${key}`,
        `ca_list = ${ca}`,
        '',
      ].join('\n'),
    )
    .join('\n')
