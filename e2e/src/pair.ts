import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { selfSigned, TestCa, type KeyPair } from './certificates.ts'
import { Child } from './child.ts'
import { until } from './heard.ts'
import { repositoryRoot, sourceEnv } from './root.ts'
import { PORTS, SIP, SIP_TCP, XMPP, type Stage } from './stage.ts'

export type Side = 'edge' | 'gateway'

export interface PairOptions {
  readonly partners?: readonly Readonly<Record<string, unknown>>[]
  readonly settings?: Readonly<Record<string, unknown>>
  /** Who may send us SIP, besides the SIP server. */
  readonly trustedPeers?: readonly string[]
  readonly notifyIntervalMs?: number
  /** Listens wherever there is room, so that many can stand side by side. */
  readonly anyPort?: boolean
  /** How messages are written for the users of the SIP domains. */
  readonly messages?: Readonly<Record<string, unknown>>
  /** Laid over the XMPP side of the edge. */
  readonly xmpp?: Readonly<Record<string, unknown>>
  /** Laid over the SIP side of the gateway. */
  readonly sip?: Readonly<Record<string, unknown>>
  /** Left out: a self-signed certificate, and the authorities of the system. */
  readonly served?: { readonly keyPair: KeyPair; readonly trustedCas: string }
  /** Where the edge listens besides, for STARTTLS. */
  readonly alsoListens?: readonly string[]
  /** Domains besides, each with a certificate and a way to its users of its own. */
  readonly alsoServed?: readonly ServedDomain[]
}

export interface ServedDomain {
  readonly domain: string
  readonly keyPair: KeyPair
  readonly route: string
}

/** A partner proven by dialback over TLS, as most are without a certificate from a public CA. */
export const dialbackPartner = (
  domain: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> => ({
  domain,
  partnerType: 'federated',
  tlsNegotiation: 'required',
  saslNegotiation: 'optional',
  dialback: true,
  ...more,
})

const STOPS_WITHIN_MS = 12_000
export const SERVED: readonly string[] = [SIP, SIP_TCP]

export const MAIN: Readonly<Record<Side, string>> = {
  edge: 'packages/edge-proxy/src/main.ts',
  gateway: 'packages/gateway/src/main.ts',
}

/** What the pair needs of a stage. */
export type PairStage = Pick<Stage, 'dir' | 'at' | 'onEnd'>

/** As docs/quick-start.md starts an edge. */
const LEAN = { MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TOP_PAD_: '16384' }

/** Our two processes, started as an administrator would start them. */
export class Pair {
  readonly files: PairFiles
  readonly #stage: PairStage
  readonly #configs: Readonly<Record<Side, string>>
  readonly #children = new Map<Side, Child>()
  #token: string | undefined

  private constructor(stage: PairStage, files: PairFiles, configs: Readonly<Record<Side, string>>) {
    this.files = files
    this.#stage = stage
    this.#configs = configs
  }

  static async start(stage: PairStage, options: PairOptions = {}): Promise<Pair> {
    const pair = await Pair.prepare(stage, options)
    await Promise.all([pair.start('edge'), pair.start('gateway')])
    await pair.ready()
    return pair
  }

  /** The files alone: who asks for them starts what it needs. */
  static async prepare(stage: PairStage, options: PairOptions = {}): Promise<Pair> {
    const files = await configsFor(stage, options)
    const pair = new Pair(stage, files, writeConfigs(stage, files))
    stage.onEnd(() => pair.stop())
    return pair
  }

  async start(side: Side): Promise<void> {
    // Such as --cpu-prof, to look into the two.
    const extra = (process.env['STOX_E2E_NODE_ARGS'] ?? '').split(' ').filter((one) => one !== '')
    const main = join(repositoryRoot(), MAIN[side])
    const args = ['--conditions=stox-source', ...extra, main, '--config', this.#configs[side]]
    const child = new Child({
      name: side,
      command: process.execPath,
      args,
      logDir: this.#stage.dir,
      cwd: this.#stage.dir,
      env: { ...sourceEnv(), ...(side === 'edge' ? LEAN : {}) },
    })
    this.#children.set(side, child)
    await child.ready('/healthz', () => this.#ok(side, '/healthz'))
  }

  /** Both say that they are ready: the link is up, the sockets are open. */
  async ready(sides: readonly Side[] = ['edge', 'gateway']): Promise<void> {
    for (const side of sides) await this.child(side).ready('/readyz', () => this.#ok(side, '/readyz'))
  }

  async kill9(side: Side): Promise<void> {
    await this.child(side).kill9()
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children.values()].map((child) => child.stop(STOPS_WITHIN_MS)))
  }

  child(side: Side): Child {
    const child = this.#children.get(side)
    if (child === undefined) throw new Error(`no ${side} was started`)
    return child
  }

  /** The sum of a counter over its series that have these labels. */
  async metric(side: Side, name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const reply = await fetch(`http://${this.#opsOf(side)}/metrics`)
    const lines = (await reply.text())
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    const fitting = lines.filter((line) =>
      Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)),
    )
    return fitting.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  }

  refused(side: Side, kind: string): Promise<number> {
    return this.metric(side, 'stox_refused_inputs_total', { kind })
  }

  /** Does something hostile and waits until the metric shows it, under one of the kinds. */
  async countsRefusal(side: Side, kinds: string | readonly string[], act: () => Promise<void>): Promise<void> {
    const names = typeof kinds === 'string' ? [kinds] : kinds
    const count = async (): Promise<number> => {
      const counts = await Promise.all(names.map((kind) => this.refused(side, kind)))
      return counts.reduce((sum, one) => sum + one, 0)
    }
    const before = await count()
    await act()
    await until(`${side} counting ${names.join(' or ')}`, async () => (await count()) > before, 5000)
  }

  async rest(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RestReply> {
    const reply = await fetch(`http://${this.#stage.at.gateway}:${PORTS.admin}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token()}`,
        ...(body === undefined
          ? {}
          : { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await reply.text()
    return {
      status: reply.status,
      etag: reply.headers.get('etag') ?? undefined,
      json: text === '' ? undefined : JSON.parse(text),
    }
  }

  /** Printed once, at the first start. */
  token(): string {
    this.#token ??= /stox_[\w-]{20,}|[\w-]{40,}/.exec(
      this.child('gateway')
        .logTail(1000)
        .split('\n')
        .find((line) => /token/i.test(line)) ?? '',
    )?.[0]
    if (this.#token === undefined) throw new Error('the gateway printed no token')
    return this.#token
  }

  #opsOf(side: Side): string {
    return `${this.#stage.at[side]}:${PORTS.ops}`
  }

  async #ok(side: Side, path: string): Promise<boolean> {
    return fetch(`http://${this.#opsOf(side)}${path}`, { signal: AbortSignal.timeout(2000) }).then(
      (reply) => reply.ok,
      () => false,
    )
  }
}

export interface RestReply {
  readonly status: number
  readonly etag: string | undefined
  readonly json: unknown
}

export interface PairFiles {
  readonly edge: Readonly<Record<string, unknown>>
  readonly gateway: Readonly<Record<string, unknown>>
  readonly federation: Readonly<Record<string, unknown>>
}

const NO_PORTS = { ...PORTS, s2s: 0, s2sDirect: 0, sip: 0, link: 0, ops: 0, admin: 0 } as const

/** The three files of an installation, with throw-away keys beside them. */
export async function configsFor(stage: Pick<Stage, 'at' | 'dir'>, options: PairOptions = {}): Promise<PairFiles> {
  const { at, dir } = stage
  const ports = options.anyPort === true ? NO_PORTS : PORTS
  const messages = options.messages === undefined ? {} : { messages: options.messages }
  const inside = await TestCa.create(dir, 'inside-ca')
  const link = (pair: KeyPair) => ({ cert: pair.cert, key: pair.key, ca: inside.cert })
  const also = options.alsoServed ?? []
  const served = options.served?.keyPair ?? (await selfSigned(dir, 'served', SERVED))
  return {
    edge: {
      node: 'edge-1',
      xmpp: {
        listen: [`${at.edge}:${ports.s2s}`, ...(options.alsoListens ?? [])],
        listenDirectTls: [`${at.edge}:${ports.s2sDirect}`],
        certificates: [
          { domains: SERVED, cert: served.cert, key: served.key },
          ...also.map(({ domain, keyPair }) => ({ domains: [domain], cert: keyPair.cert, key: keyPair.key })),
        ],
        ...(options.served === undefined ? {} : { trustedCas: options.served.trustedCas }),
        ...options.xmpp,
      },
      link: {
        listen: `${at.edge}:${ports.link}`,
        ...link(await inside.issue('edge.inside', ['edge.inside', at.edge])),
        peers: ['gateway.inside'],
      },
      ops: { listen: `${at.edge}:${ports.ops}` },
      dns: { servers: [at.dns] },
      replica: { file: join(dir, 'replica.json') },
    },
    gateway: {
      node: 'gateway-1',
      link: {
        edges: [`https://${at.edge}:${PORTS.link}`],
        ...link(await inside.issue('gateway.inside', ['gateway.inside'])),
      },
      sip: {
        listen: [`udp:${at.gateway}:${ports.sip}`, `tcp:${at.gateway}:${ports.sip}`],
        domains: [
          { domain: SIP, route: `sip:${at.kamailio}:${PORTS.sip};transport=udp`, ...messages },
          {
            domain: SIP_TCP,
            route: `sip:${at.kamailio}:${PORTS.sip};transport=tcp`,
            congestionSafe: true,
            ...messages,
          },
          ...also.map(({ domain, route }) => ({ domain, route })),
        ],
        trustedPeers: [at.kamailio, ...(options.trustedPeers ?? [])],
        ...options.sip,
      },
      dns: { servers: [at.dns] },
      // Five seconds unless told otherwise: long for a play of many changes.
      presence: { notifyIntervalMs: options.notifyIntervalMs ?? 1000 },
      admin: { listen: `${at.gateway}:${ports.admin}` },
      store: { url: `sqlite:${join(dir, 'stox.db')}` },
      ops: { listen: `${at.gateway}:${ports.ops}` },
      federation: { file: join(dir, 'federation.yaml') },
    },
    federation: {
      settings: { federation: true, ...options.settings },
      partners: options.partners ?? [dialbackPartner(XMPP)],
    },
  }
}

function writeConfigs(stage: PairStage, files: PairFiles): Readonly<Record<Side, string>> {
  const write = (name: keyof PairFiles): string => {
    const path = join(stage.dir, `${name}.yaml`)
    // JSON is YAML.
    writeFileSync(path, JSON.stringify(files[name], null, 2))
    return path
  }
  write('federation')
  return { edge: write('edge'), gateway: write('gateway') }
}
