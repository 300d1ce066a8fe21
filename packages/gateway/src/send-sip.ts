import { RecentMap } from '@stox/kernel'
import { parseRetryAfter } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import type { Clock, Ids } from '@stox/kernel'
import { locateSip } from '@stox/transport'
import type { SipDnsResolver, SipEndpoint, SipReply, SipTarget } from '@stox/transport'
import type { Metrics } from '@stox/telemetry'

/** Sends a request towards a URI or a route, trying its servers in turn. Never rejects. */
export interface SipSender {
  send(request: SipRequest, towards: string, options?: { readonly congestionSafe?: boolean }): Promise<SipReply>
}

/** A server that failed rests for so long. @see mapping G.6 */
const REST_MS = 30_000
const LONGEST_REST_S = 300
/** Names are looked up again after so long; a single-flight cache below honours their own times. */
const LOCATED_FOR_MS = 30_000
const MOST_ROUTES = 10_000
/** A try elsewhere must still end within the transaction of whoever waits. @see RFC 3261 §17.1.2.2 */
const NO_NEW_TRY_AFTER_MS = 20_000

interface Located {
  readonly targets: readonly SipTarget[]
  readonly untilMs: number
}

const keyOf = (target: SipTarget): string => `${target.transport}:${target.host}:${target.port}`

/** @see RFC 3263 §4.3 */
export class FailoverSender implements SipSender {
  readonly #endpoint: Pick<SipEndpoint, 'request'>
  readonly #resolver: SipDnsResolver
  readonly #clock: Clock
  readonly #ids: Ids
  readonly #located = new RecentMap<string, Located>(MOST_ROUTES)
  readonly #resting = new RecentMap<string, number>(MOST_ROUTES)

  constructor(deps: {
    readonly endpoint: Pick<SipEndpoint, 'request'>
    readonly resolver: SipDnsResolver
    readonly clock: Clock
    readonly ids: Ids
  }) {
    this.#endpoint = deps.endpoint
    this.#resolver = deps.resolver
    this.#clock = deps.clock
    this.#ids = deps.ids
  }

  async send(
    request: SipRequest,
    towards: string,
    options: { readonly congestionSafe?: boolean } = {},
  ): Promise<SipReply> {
    const located = this.#fresh(towards) ?? (await this.#locate(towards))
    if (typeof located === 'string') return { kind: 'failed', cause: 'no-target', detail: located }
    const startedMs = this.#clock.monotonicMs()
    const awake = located.filter((target) => !this.#rests(target))
    // When all of them rest, the first is tried anyway: we may be wrong about it.
    let last: SipReply | undefined
    for (const target of awake.length > 0 ? awake : located.slice(0, 1)) {
      if (last !== undefined && this.#clock.monotonicMs() - startedMs > NO_NEW_TRY_AFTER_MS) break
      last = await this.#endpoint.request(request, target, options)
      if (!this.#shouldTryNext(last, target, located.length)) return last
    }
    return last ?? { kind: 'failed', cause: 'no-target', detail: `no server for ${towards}` }
  }

  #fresh(towards: string): readonly SipTarget[] | undefined {
    const known = this.#located.get(towards)
    return known !== undefined && known.untilMs > this.#clock.monotonicMs() ? known.targets : undefined
  }

  async #locate(towards: string): Promise<readonly SipTarget[] | string> {
    const found = await locateSip(towards, this.#resolver, { ids: this.#ids })
    if (!found.ok) return found.failure.detail
    this.#located.set(towards, { targets: found.value, untilMs: this.#clock.monotonicMs() + LOCATED_FOR_MS })
    return found.value
  }

  #rests(target: SipTarget): boolean {
    const untilMs = this.#resting.get(keyOf(target))
    if (untilMs === undefined) return false
    if (untilMs > this.#clock.monotonicMs()) return true
    this.#resting.delete(keyOf(target))
    return false
  }

  /** Transport failure, 503, or silence without any sign of life. */
  #shouldTryNext(reply: SipReply, target: SipTarget, servers: number): boolean {
    if (reply.kind === 'failed') {
      if (reply.cause === 'overload' || reply.cause === 'no-target' || reply.provisional === true) return false
      this.#rest(target, REST_MS, servers)
      return true
    }
    if (reply.response.status !== 503) return false
    const afterS = parseRetryAfter(reply.response.headers.get('Retry-After') ?? '')
    if (afterS !== undefined) this.#rest(target, Math.min(afterS, LONGEST_REST_S) * 1000, servers)
    return true
  }

  /** With one server there is nothing to prefer. */
  #rest(target: SipTarget, forMs: number, servers: number): void {
    if (servers > 1) this.#resting.set(keyOf(target), this.#clock.monotonicMs() + forMs)
  }
}

/** Counts how client transactions end. */
export class CountingSender implements SipSender {
  readonly #sender: SipSender
  readonly #metrics: Pick<Metrics, 'sipTransactionEnded'>

  constructor(sender: SipSender, metrics: Pick<Metrics, 'sipTransactionEnded'>) {
    this.#sender = sender
    this.#metrics = metrics
  }

  async send(request: SipRequest, towards: string, options?: { readonly congestionSafe?: boolean }): Promise<SipReply> {
    const reply = await this.#sender.send(request, towards, options)
    const end = reply.kind === 'response' ? reply.response.status : reply.cause === 'timeout' ? 'timeout' : 'transport'
    this.#metrics.sipTransactionEnded('client', request.method, end)
    return reply
  }
}
