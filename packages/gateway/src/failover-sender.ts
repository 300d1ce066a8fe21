import type { Clock, Timers } from '@stox/kernel'
import { formatSipMessage, parseRetryAfter } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import type { SipEndpoint, SipReply, SipTarget } from '@stox/transport'
import type { ServerLocator } from './locate-servers.ts'
import type { SendOptions, SipAcknowledger, SipSender } from './send-sip.ts'
import { serverKey } from './server-health.ts'
import type { ServerHealth } from './server-health.ts'

/** A server that has said nothing for so long is asked whether it is there, where there is another one. */
const SILENT_MS = 8000
/** A try elsewhere must still end within the transaction of whoever waits. @see RFC 3261 §17.1.2.2 */
const NO_NEW_TRY_AFTER_MS = 20_000
/** With the Via that the endpoint adds, some 150 bytes, it must not come over 1300. @see RFC 3261 §18.1.1 */
const MOST_BY_UDP_BYTES = 1150

export interface FailoverDeps {
  readonly endpoint: Pick<SipEndpoint, 'request'> & Partial<Pick<SipEndpoint, 'acknowledge'>>
  readonly locator: ServerLocator
  readonly health: ServerHealth
  readonly clock: Clock
  readonly timers: Timers
  /** Whether a server answers at all, found out within seconds; true where it may not be asked. */
  isThere(target: SipTarget, domain: string): Promise<boolean>
}

/** Tries the servers of a route in turn. @see RFC 3263 §4.3 */
export class FailoverSender implements SipSender, SipAcknowledger {
  readonly #deps: FailoverDeps

  constructor(deps: FailoverDeps) {
    this.#deps = deps
  }

  async send(request: SipRequest, towards: string, options: SendOptions = {}): Promise<SipReply> {
    const { endpoint, locator, clock } = this.#deps
    const { domain, backups = [] } = options
    const known = backups.length === 0 ? locator.known(towards, domain) : undefined
    const located =
      known === undefined ? await locator.locateAll([towards, ...backups], domain) : { ok: true as const, value: known }
    if (!located.ok) return { kind: 'failed', cause: 'no-target', detail: located.failure.detail }

    const startedMs = clock.monotonicMs()
    const candidates = this.#candidates(located.value)
    if (candidates.length === 0) return this.#allRest(located.value)
    let last: SipReply | undefined
    const ordered = inOrder(candidates, request, options)
    for (const [at, target] of ordered.entries()) {
      if (last !== undefined && clock.monotonicMs() - startedMs > NO_NEW_TRY_AFTER_MS) break
      const asked = endpoint.request(request, target, options)
      last = await (at === ordered.length - 1 ? asked : this.#whileThere(asked, target, options))
      if (!this.#shouldTryNext(last, target)) return last
    }
    return last ?? { kind: 'failed', cause: 'no-target', detail: `no server for ${towards}` }
  }

  /** To the first of the servers that are there: an ACK is repeated only when the 2xx is. */
  async acknowledge(ack: SipRequest, towards: string, { domain }: SendOptions = {}): Promise<void> {
    const { endpoint, locator } = this.#deps
    const known = locator.known(towards, domain)
    const located =
      known === undefined ? await locator.locateAll([towards], domain) : { ok: true as const, value: known }
    const target = located.ok ? (this.#candidates(located.value)[0] ?? located.value[0]) : undefined
    if (target !== undefined) endpoint.acknowledge?.(ack, target)
  }

  /**
   * What is asked, or that its server is silent: Timer F alone would leave no time for another one. That somebody behind
   * it does not answer is no fault of the server: it says so itself. @see RFC 3263 §4.3
   */
  #whileThere(asked: Promise<SipReply>, target: SipTarget, { domain = '', accepted }: SendOptions): Promise<SipReply> {
    const { timers, isThere } = this.#deps
    return new Promise((resolve) => {
      let isLeft = false
      const timer = timers.arm(SILENT_MS, () => {
        void isThere(target, domain).then((there) => {
          if (there) return
          isLeft = true
          resolve({ kind: 'failed', cause: 'timeout', detail: `${serverKey(target)} is silent` })
        })
      })
      void asked.then((reply) => {
        timer.cancel()
        // Accepted after all: it is to hear that nobody needs it. @see RFC 3261 §13.2.2.4
        if (isLeft && reply.kind === 'response' && reply.response.status < 300) accepted?.(reply.response)
        resolve(reply)
      })
    })
  }

  /** Whether one of the servers is not known to be silent or down; true where we know nothing. */
  hasGood(towards: string, { domain, backups = [] }: SendOptions): boolean {
    const { locator, health } = this.#deps
    return [towards, ...backups].some((route) => {
      const known = locator.known(route, domain)
      return known === undefined || known.some((target) => health.stateOf(target) === 'good')
    })
  }

  /** The good ones; without any, the first of those that we only doubt, for we may be wrong about it. */
  #candidates(targets: readonly SipTarget[]): readonly SipTarget[] {
    const { health } = this.#deps
    const good = targets.filter((target) => health.stateOf(target) === 'good')
    if (good.length > 0) return good
    const doubtful = targets.find((target) => health.stateOf(target) === 'doubtful')
    return doubtful === undefined ? [] : [doubtful]
  }

  #allRest(targets: readonly SipTarget[]): SipReply {
    const [first] = targets
    if (first === undefined) return { kind: 'failed', cause: 'no-target', detail: 'no server' }
    const leftS = Math.ceil(Math.min(...targets.map((target) => this.#deps.health.restMs(target))) / 1000)
    const detail = `${serverKey(first)} has answered 503 and wants no requests for another ${leftS} s`
    return { kind: 'failed', cause: 'overload', detail }
  }

  /** Transport failure, 503, or silence without any sign of life. */
  #shouldTryNext(reply: SipReply, target: SipTarget): boolean {
    const { health } = this.#deps
    if (reply.kind === 'failed') {
      if (reply.cause === 'overload' || reply.cause === 'no-target' || reply.provisional === true) return false
      health.failed(target)
      return true
    }
    health.answered(target)
    if (reply.response.status !== 503) return false
    const afterS = parseRetryAfter(reply.response.headers.get('Retry-After') ?? '')
    if (afterS !== undefined && afterS > 0) health.asked(target, afterS)
    return true
  }
}

/** What is too long for UDP goes to a server that takes it by TCP or TLS first, where the domain has both. @see RFC 3261 §18.1.1 */
function inOrder(
  targets: readonly SipTarget[],
  request: SipRequest,
  { congestionSafe = false }: SendOptions,
): readonly SipTarget[] {
  const [first] = targets
  if (targets.length < 2 || congestionSafe || first?.transport !== 'udp') return targets
  const streams = targets.filter(({ transport }) => transport !== 'udp')
  if (streams.length === 0 || formatSipMessage(request).length <= MOST_BY_UDP_BYTES) return targets
  return [...streams, ...targets.filter(({ transport }) => transport === 'udp')]
}
