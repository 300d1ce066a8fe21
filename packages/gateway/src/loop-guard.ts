import { RecentMap } from '@stox/kernel'
import type { Clock } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import type { SipFailure, SipParties } from '@stox/translate'
import { formatBareJid } from '@stox/xmpp'

const WINDOW_MS = 10_000
const MOST_ALIKE = 5
const MOST_REMEMBERED = 10_000

/**
 * XMPP counts no hops: what goes round over another gateway comes again and again, as a new request each time.
 * DEVIATION from mapping G.8, which asks the same of all messages: only those that a gateway such as this has written
 * are counted, for a person may well say "ok" six times in ten seconds.
 */
export class LoopGuard {
  readonly #clock: Clock
  readonly #seen = new RecentMap<string, { sinceMs: number; count: number }>(MOST_REMEMBERED)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Undefined: it does not go round. */
  refusalFor(request: SipRequest, { from, to }: SipParties, text: string): SipFailure | undefined {
    if (request.headers.get('User-Agent')?.startsWith('stox') !== true) return undefined
    const key = `${formatBareJid(from)} ${formatBareJid(to)} ${text.length} ${text.slice(0, 64)}`
    const nowMs = this.#clock.monotonicMs()
    const seen = this.#seen.get(key)
    if (seen === undefined || nowMs - seen.sinceMs > WINDOW_MS) {
      this.#seen.set(key, { sinceMs: nowMs, count: 1 })
      return undefined
    }
    seen.count += 1
    return seen.count > MOST_ALIKE ? GOES_ROUND : undefined
  }
}

const GOES_ROUND: SipFailure = {
  fault: 'us',
  retry: 'never',
  condition: 'not-acceptable',
  status: 482,
  text: 'This message goes round between gateways',
  detail: `more than ${MOST_ALIKE} alike in ${WINDOW_MS / 1000} s from a gateway: are two domains routed to each other?`,
}
