import type { Clock, Ids, Log, Timer, Timers } from '@stox/kernel'
import { nameAddr, newSipRequest, newSipUri, parseRetryAfter } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import type { SipEndpoint, SipReply, SipTarget } from '@stox/transport'
import type { ServerLocator } from './locate-servers.ts'
import { serverKey } from './server-health.ts'
import type { ServerHealth } from './server-health.ts'

/** A domain and the routes to its servers. */
export interface ProbedDomain {
  readonly domain: string
  readonly route: string
  readonly backupRoutes: readonly string[]
}

export interface ServerProbesDeps {
  readonly endpoint: Pick<SipEndpoint, 'request' | 'contact'>
  readonly locator: ServerLocator
  readonly health: ServerHealth
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly log: Log
  /** 0: nothing is probed. */
  readonly intervalMs: number
  /** The model is live. */
  domains(): readonly ProbedDomain[]
  /** A server of the domain answers that had missed a probe: it may have been started anew, and know nothing any more. */
  cameBack(domain: string): void
  /** What the servers of each domain say that they take, after each round: one list a server, empty when it has not said. */
  accept(byDomain: ReadonlyMap<string, readonly (readonly string[])[]>): void
}

export interface ServerReport {
  /** `udp:192.0.2.1:5060`, or a route that leads nowhere. */
  readonly server: string
  readonly up: boolean
}

/** Two misses are no accident, one answer is proof. @see mapping G.6 */
const MISSES = 2
const ANSWER_WITHIN_MS = 5000
const AT_ONCE = 50

interface Probed {
  misses: number
  up: boolean
  accepts: readonly string[]
}

/** A server, and the domains that are behind it. */
interface Target {
  readonly target: SipTarget
  readonly domains: [string, ...string[]]
}

/** Asks each server of the routes by OPTIONS, now and then, whether it is there. @see RFC 3261 §11 */
export class ServerProbes {
  readonly #deps: ServerProbesDeps
  #probed = new Map<string, Probed>()
  #timer: Timer | undefined
  #closed = false

  constructor(deps: ServerProbesDeps) {
    this.#deps = deps
  }

  start(): void {
    if (this.#deps.intervalMs > 0) void this.#round()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** Asked out of turn; true where nothing is probed. */
  async isThere(target: SipTarget, domain: string): Promise<boolean> {
    if (this.#deps.intervalMs === 0 || this.#closed) return true
    const reply = await this.#inTime(this.#deps.endpoint.request(this.#options(target, domain), target))
    return reply === 'ours' || saysThere(reply)
  }

  reports(): readonly ServerReport[] {
    return [...this.#probed].map(([server, { up }]) => ({ server, up }))
  }

  async #round(): Promise<void> {
    const { timers, ids, log, intervalMs } = this.#deps
    try {
      await this.#probeAll()
    } catch (error) {
      log.error('sip-probes-failed', { detail: String(error) })
    }
    if (this.#closed) return
    // Gateways that were started together need not ask together.
    this.#timer = timers.arm(intervalMs * (0.9 + 0.2 * ids.fraction()), () => void this.#round())
  }

  async #probeAll(): Promise<void> {
    const targets = new Map<string, Target>()
    const nowhere = new Map<string, string>()
    for (const { domain, route, backupRoutes } of this.#deps.domains()) {
      const found = await this.#deps.locator.locateAll([route, ...backupRoutes], domain)
      if (!found.ok) nowhere.set(route, found.failure.detail)
      for (const target of found.ok ? found.value : []) {
        const known = targets.get(serverKey(target))
        if (known === undefined) targets.set(serverKey(target), { target, domains: [domain] })
        else known.domains.push(domain)
      }
    }
    this.#probed = new Map([...this.#probed].filter(([server]) => targets.has(server) || nowhere.has(server)))
    for (const [route, detail] of nowhere) this.#note(route, false, detail)
    const all = [...targets.values()]
    for (let at = 0; at < all.length && !this.#closed; at += AT_ONCE)
      await Promise.all(all.slice(at, at + AT_ONCE).map((one) => this.#probe(one)))
    this.#deps.accept(this.#acceptsOf(all))
  }

  #acceptsOf(all: readonly Target[]): ReadonlyMap<string, readonly (readonly string[])[]> {
    const accepts = new Map<string, (readonly string[])[]>()
    for (const { target, domains } of all)
      for (const domain of domains) {
        const said = this.#probed.get(serverKey(target))?.accepts ?? []
        accepts.set(domain, [...(accepts.get(domain) ?? []), said])
      }
    return accepts
  }

  async #probe({ target, domains }: Target): Promise<void> {
    const { endpoint, health } = this.#deps
    const reply = await this.#inTime(endpoint.request(this.#options(target, domains[0]), target))
    if (this.#closed || reply === 'ours') return
    const isThere = saysThere(reply)
    if (reply.kind === 'response' && reply.response.status === 503) {
      const afterS = parseRetryAfter(reply.response.headers.get('Retry-After') ?? '')
      if (afterS !== undefined && afterS > 0) health.asked(target, afterS)
    }
    const missed = (this.#probed.get(serverKey(target))?.misses ?? 0) > 0
    if (isThere && missed) for (const domain of domains) this.#deps.cameBack(domain)
    const up = this.#note(
      serverKey(target),
      isThere,
      reply.kind === 'failed' ? reply.detail : `it answered ${reply.response.status}`,
    )
    const probed = this.#probed.get(serverKey(target))
    // @see RFC 3261 §11.2
    if (probed !== undefined && reply.kind === 'response' && reply.response.status < 300)
      probed.accepts = reply.response.headers.list('Accept')
    if (isThere) health.answered(target)
    // Until the next two rounds have been missed, should there be none.
    else if (!up) health.failed(target, this.#deps.intervalMs * 3)
  }

  /** Whether it counts as up now; a route that leads nowhere stands for its servers. */
  #note(server: string, isThere: boolean, detail: string): boolean {
    const { log } = this.#deps
    const before = this.#probed.get(server)
    const misses = isThere ? 0 : (before?.misses ?? 0) + 1
    const up = misses < MISSES
    this.#probed.set(server, { misses, up, accepts: before?.accepts ?? [] })
    if (up !== (before?.up ?? true)) {
      if (up) log.info('sip-server-up', { server })
      else log.warn('sip-server-down', { server, detail })
    }
    return up
  }

  /** A server that takes longer is of no use, and the transaction itself would take 32 s to say so. */
  #inTime(asked: Promise<SipReply>): Promise<SipReply | 'ours'> {
    return new Promise((resolve) => {
      const late = this.#deps.timers.arm(ANSWER_WITHIN_MS, () =>
        resolve({ kind: 'failed', cause: 'timeout', detail: `no answer within ${ANSWER_WITHIN_MS / 1000} s` }),
      )
      void asked.then((reply) => {
        late.cancel()
        resolve(reply.kind === 'failed' && reply.cause === 'overload' ? 'ours' : reply)
      })
    })
  }

  #options({ transport, host, port }: SipTarget, domain: string): SipRequest {
    const { endpoint, ids } = this.#deps
    const own = endpoint.contact(transport) ?? endpoint.contact('udp') ?? endpoint.contact('tcp')
    const uri = newSipUri({ host: bracketed(host), port, params: { transport } })
    const from = newSipUri({ user: 'stox', host: domain })
    return newSipRequest({
      method: 'OPTIONS',
      uri: `sip:${bracketed(host)}:${port};transport=${transport}`,
      from: nameAddr(from, undefined, ids.token()),
      to: nameAddr(uri),
      callId: ids.token(),
      cseq: 1,
      headers: [
        ...(own === undefined ? [] : [['Contact', `<sip:${bracketed(own.host)}:${own.port}>`] as const]),
        ['Accept', '*/*'],
        ['User-Agent', 'stox'],
      ],
    })
  }
}

/** Whatever it says, it is there; but 408 is what a proxy says for one behind it. @see mapping G.6 */
const saysThere = (reply: SipReply): boolean => reply.kind === 'response' && reply.response.status !== 408

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host)
