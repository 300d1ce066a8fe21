import { promises as dns } from 'node:dns'
import { isIP } from 'node:net'
import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import { HostsFile } from './hosts-file.ts'

export interface SrvRecord {
  readonly priority: number
  readonly weight: number
  readonly port: number
  /** '' when the record says `.`: the service is not offered. */
  readonly target: string
}

export interface DnsFailure {
  /** `none`: the name or the record does not exist. `trouble`: no answer, or an error; asking again may help. */
  readonly kind: 'none' | 'trouble'
  readonly detail: string
  /** Trouble of this kind: nobody answered. */
  readonly isSilence?: boolean
}

export interface DnsResolver {
  srv(name: string): Promise<Result<readonly SrvRecord[], DnsFailure>>
  /** IPv4 and IPv6 addresses as text; an address is its own answer. */
  addresses(host: string): Promise<Result<readonly string[], DnsFailure>>
}

export interface NaptrRecord {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly replacement: string
}

/** What SIP asks besides. @see RFC 3263 §4.1 */
export interface SipDnsResolver extends DnsResolver {
  naptr(name: string): Promise<Result<readonly NaptrRecord[], DnsFailure>>
}

export interface NodeDnsResolverOptions {
  /** `address`, `address:port` or `[address]:port`; empty: the system's, with its hosts file. */
  readonly servers?: readonly string[]
  /** Counts only with the system's servers. */
  readonly hostsFile?: string
  readonly timeoutMs?: number
  readonly tries?: number
  /** How long an answer is used again; a record's own time is kept when it is shorter. */
  readonly maxTtlMs?: number
  readonly monotonicMs?: () => number
}

interface Cached {
  readonly answer: Promise<Result<readonly unknown[], DnsFailure>>
  untilMs: number
}

const MAX_ENTRIES = 10_000
const NEGATIVE_TTL_MS = 5_000
/** As c-ares names them. */
const NODATA = 'ENODATA'
const SILENCES = new Set(['ETIMEOUT', 'ECONNREFUSED'])

/** DNS as Node gives it, with one question in flight for a name and a short memory. */
export class NodeDnsResolver implements SipDnsResolver {
  readonly #resolver: dns.Resolver
  readonly #usesSystem: boolean
  readonly #maxTtlMs: number
  readonly #monotonicMs: () => number
  readonly #hosts: HostsFile
  readonly #cache = new Map<string, Cached>()

  constructor(options: NodeDnsResolverOptions = {}) {
    const servers = options.servers ?? []
    this.#resolver = new dns.Resolver({ timeout: options.timeoutMs ?? 2_000, tries: options.tries ?? 2 })
    this.#usesSystem = servers.length === 0
    if (!this.#usesSystem) this.#resolver.setServers(servers)
    this.#maxTtlMs = options.maxTtlMs ?? 30_000
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now())
    this.#hosts = new HostsFile(options.hostsFile ?? '/etc/hosts', this.#monotonicMs)
  }

  srv(name: string): Promise<Result<readonly SrvRecord[], DnsFailure>> {
    return this.#once(`SRV ${name}`, async () => {
      const records = await this.#resolver.resolveSrv(name)
      const values = records.map(({ priority, weight, port, name: target }) => ({ priority, weight, port, target }))
      return { values, ttlMs: this.#maxTtlMs }
    })
  }

  naptr(name: string): Promise<Result<readonly NaptrRecord[], DnsFailure>> {
    return this.#once(`NAPTR ${name}`, async () => {
      const records = await this.#resolver.resolveNaptr(name)
      const values = records.map(({ order, preference, flags, service, replacement }) => {
        return { order, preference, flags, service, replacement }
      })
      return { values, ttlMs: this.#maxTtlMs }
    })
  }

  addresses(host: string): Promise<Result<readonly string[], DnsFailure>> {
    const literal = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
    if (isIP(literal) !== 0) return Promise.resolve(ok([literal]))
    return this.#once(`A ${host}`, () => (this.#usesSystem ? this.#findOut(host) : this.#resolve(host)))
  }

  /**
   * The machine's own names, then DNS, and only for what neither has the system's ways: those take a thread for each
   * question, of which there are four, so that a few dead name servers would hold up all partners.
   */
  async #findOut(host: string): Promise<{ values: readonly string[]; ttlMs: number }> {
    const own = await this.#hosts.addresses(host)
    if (own.length > 0) return { values: own, ttlMs: this.#maxTtlMs }
    try {
      return await this.#resolve(host)
    } catch (reason) {
      if (kindOf(reason) !== 'none') throw reason
      return this.#lookUp(host)
    }
  }

  async #lookUp(host: string): Promise<{ values: readonly string[]; ttlMs: number }> {
    const found = await dns.lookup(host, { all: true })
    return { values: found.map(({ address }) => address), ttlMs: this.#maxTtlMs }
  }

  /** One family is enough; its absence is an answer, its trouble counts only when the other has none either. */
  async #resolve(host: string): Promise<{ values: readonly string[]; ttlMs: number }> {
    const [six, four] = await Promise.allSettled([
      this.#resolver.resolve6(host, { ttl: true }),
      this.#resolver.resolve4(host, { ttl: true }),
    ])
    const records = [
      ...(six.status === 'fulfilled' ? six.value : []),
      ...(four.status === 'fulfilled' ? four.value : []),
    ]
    if (records.length > 0) {
      const ttlMs = Math.min(...records.map(({ ttl }) => ttl * 1000))
      return { values: records.map(({ address }) => address), ttlMs }
    }
    const reasons = [six, four].flatMap((part) => (part.status === 'rejected' ? [part.reason as unknown] : []))
    // An alias of what has no address is an answer without one.
    throw reasons.find((reason) => kindOf(reason) === 'trouble') ?? reasons[0] ?? { code: NODATA }
  }

  /** One question for all who ask at the same time. @see xmpp-stack §5.3 */
  #once<T>(
    question: string,
    ask: () => Promise<{ readonly values: readonly T[]; readonly ttlMs: number }>,
  ): Promise<Result<readonly T[], DnsFailure>> {
    const known = this.#cache.get(question)
    // The question names the type of the record, and so of the answer.
    if (known !== undefined && known.untilMs > this.#monotonicMs())
      return known.answer as Promise<Result<readonly T[], DnsFailure>>
    const entry: Cached = {
      answer: this.#ask(question, ask, (ttlMs) => keepFor(ttlMs)),
      untilMs: Number.POSITIVE_INFINITY,
    }
    const keepFor = (ttlMs: number): void => {
      entry.untilMs = this.#monotonicMs() + ttlMs
    }
    this.#cache.delete(question)
    this.#cache.set(question, entry)
    if (this.#cache.size > MAX_ENTRIES) {
      const oldest = this.#cache.keys().next()
      if (oldest.done !== true) this.#cache.delete(oldest.value)
    }
    return entry.answer as Promise<Result<readonly T[], DnsFailure>>
  }

  async #ask<T>(
    question: string,
    ask: () => Promise<{ readonly values: readonly T[]; readonly ttlMs: number }>,
    keepFor: (ttlMs: number) => void,
  ): Promise<Result<readonly T[], DnsFailure>> {
    try {
      const { values, ttlMs } = await ask()
      keepFor(Math.min(ttlMs, this.#maxTtlMs))
      return ok(values)
    } catch (reason) {
      const kind = kindOf(reason)
      keepFor(kind === 'none' ? NEGATIVE_TTL_MS : 0)
      const code = codeOf(reason)
      return fail({ kind, detail: `${question}: ${code}`, isSilence: SILENCES.has(code) })
    }
  }
}

function codeOf(reason: unknown): string {
  const { code, message } = (reason ?? {}) as { readonly code?: unknown; readonly message?: unknown }
  return String(code ?? message ?? reason)
}

function kindOf(reason: unknown): DnsFailure['kind'] {
  const code = codeOf(reason)
  return code === 'ENOTFOUND' || code === NODATA || code === 'EBADNAME' ? 'none' : 'trouble'
}
