import { RecentMap, utf8Bytes, utf8Text } from '@stox/kernel'
import type { Clock, Outcome } from '@stox/kernel'
import { formatJid, parseJid } from '@stox/xmpp'
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

/** There may be hundreds of thousands, so each holds little. */
interface Known {
  /** From, to and Call-ID, a line each: pieces of the request, as they come, would keep all of it alive. */
  readonly who: string
  readonly asks: ReportsAsked | undefined
  readonly atMs: number
  /** The outcome itself, once it is there. */
  outcome: Promise<Outcome> | Outcome
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
    return known !== undefined && this.#clock.monotonicMs() - known.atMs < REPEAT_MS
      ? Promise.resolve(known.outcome)
      : undefined
  }

  note(id: string, { from, to, callId, asks, outcome }: SentToXmpp): void {
    const who = ownCopy(`${formatJid(from)}\n${formatJid(to)}\n${callId}`)
    const known: Known = { who, asks, outcome, atMs: this.#clock.monotonicMs(), told: NOTHING }
    this.#known.set(id, known)
    const settle = (ended: Outcome): void => void (known.outcome = ended)
    // Whoever waits for it hears why there is none.
    outcome.then(settle, () => undefined)
  }

  peek(id: string): SentToXmpp | undefined {
    const known = this.#known.get(id)
    return known === undefined ? undefined : unpack(known)
  }

  /** The message to which this is said, the first time that it is said; undefined ever after, and for what we never sent. */
  tellOnce(id: string, what: string): SentToXmpp | undefined {
    const known = this.#known.get(id)
    if (known === undefined || known.told.includes(what)) return undefined
    known.told = [...known.told, what]
    return unpack(known)
  }
}

const ownCopy = (text: string): string => utf8Text(utf8Bytes(text)) ?? text

function unpack({ who, asks, outcome }: Known): SentToXmpp | undefined {
  const [from, to, callId = ''] = who.split('\n')
  const [sender, recipient] = [parseJid(from ?? ''), parseJid(to ?? '')]
  if (!sender.ok || !recipient.ok) return undefined
  return { from: sender.value, to: recipient.value, callId, asks, outcome: Promise.resolve(outcome) }
}
