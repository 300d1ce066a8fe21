import type { Clock, Failure, Ids, Result } from '@stox/kernel'
import { RecentMap, fail, ok } from '@stox/kernel'
import { locateSip } from '@stox/transport'
import type { SipDnsResolver, SipTarget, SipTransport } from '@stox/transport'
import { serverKey } from './server-health.ts'

/** Names are looked up again after so long; a single-flight cache below honours their own times. */
const LOCATED_FOR_MS = 30_000
const MOST_ROUTES = 10_000

interface Located {
  readonly targets: readonly SipTarget[]
  readonly untilMs: number
}

export interface LocateServersDeps {
  readonly resolver: SipDnsResolver
  readonly clock: Clock
  readonly ids: Ids
  /** What we speak, best first. */
  readonly transports: readonly SipTransport[]
}

/** The servers of a route, remembered for a while. */
export class ServerLocator {
  readonly #deps: LocateServersDeps
  /** By the domain of ours on whose behalf: two look-ups cost less than a key made of two texts. */
  readonly #located = new Map<string, RecentMap<string, Located>>()

  constructor(deps: LocateServersDeps) {
    this.#deps = deps
  }

  /** What is known already, without waiting. */
  known(towards: string, domain = ''): readonly SipTarget[] | undefined {
    const located = this.#located.get(domain)?.get(towards)
    return located !== undefined && located.untilMs > this.#deps.clock.monotonicMs() ? located.targets : undefined
  }

  async locate(towards: string, domain = ''): Promise<Result<readonly SipTarget[], Failure>> {
    const known = this.known(towards, domain)
    if (known !== undefined) return ok(known)
    const { resolver, ids, transports, clock } = this.#deps
    const names = domain === '' ? [] : [domain]
    const found = await locateSip(towards, resolver, { ids, transports, names })
    if (found.ok) {
      const untilMs = clock.monotonicMs() + LOCATED_FOR_MS
      this.#remember(domain).set(towards, { targets: found.value, untilMs })
    }
    return found
  }

  /** Those of all routes, each once, in order; a route that leads nowhere leaves the others. */
  async locateAll(routes: readonly string[], domain?: string): Promise<Result<readonly SipTarget[], Failure>> {
    const found = await Promise.all(routes.map((route) => this.locate(route, domain)))
    const targets = new Map<string, SipTarget>()
    for (const target of found.flatMap((one) => (one.ok ? one.value : [])))
      if (!targets.has(serverKey(target))) targets.set(serverKey(target), target)
    const failure = found.find((one) => !one.ok)
    return targets.size === 0 && failure?.ok === false ? fail(failure.failure) : ok([...targets.values()])
  }

  #remember(domain: string): RecentMap<string, Located> {
    let routes = this.#located.get(domain)
    if (routes === undefined) {
      routes = new RecentMap(MOST_ROUTES)
      this.#located.set(domain, routes)
    }
    return routes
  }
}
