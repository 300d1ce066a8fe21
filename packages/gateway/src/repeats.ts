import { RecentMap } from '@stox/kernel'
import type { Clock, Outcome } from '@stox/kernel'
import type { Jid } from '@stox/xmpp'
import type { ReportsAsked } from '@stox/translate'

/** A copy that came another way gets the same answer, not a second stanza: 64·T1 + 5 s. @see mapping C.3 */
const REPEAT_MS = 37_000
const MOST_REPEATS = 120_000

/** A message of a SIP user that became a stanza. */
export interface SentToXmpp {
  readonly from: Jid
  readonly to: Jid
  readonly callId: string
  readonly asks: ReportsAsked | undefined
  readonly outcome: Promise<Outcome>
}

interface Known extends SentToXmpp {
  readonly atMs: number
  /** What its sender has been told since: each once. */
  told: readonly string[]
}

const NOTHING: readonly string[] = []

/** What became of requests lately, by the id of the stanza they are. */
export class Repeats {
  readonly #clock: Clock
  readonly #known = new RecentMap<string, Known>(MOST_REPEATS)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  outcomeOf(id: string): Promise<Outcome> | undefined {
    const known = this.#known.get(id)
    return known !== undefined && this.#clock.monotonicMs() - known.atMs < REPEAT_MS ? known.outcome : undefined
  }

  note(id: string, { from, to, callId, asks, outcome }: SentToXmpp): void {
    this.#known.set(id, { from, to, callId, asks, outcome, atMs: this.#clock.monotonicMs(), told: NOTHING })
  }

  peek(id: string): SentToXmpp | undefined {
    return this.#known.get(id)
  }

  /** The message to which this is said, the first time that it is said; undefined ever after, and for what we never sent. */
  tellOnce(id: string, what: string): SentToXmpp | undefined {
    const known = this.#known.get(id)
    if (known === undefined || known.told.includes(what)) return undefined
    known.told = [...known.told, what]
    return known
  }
}
