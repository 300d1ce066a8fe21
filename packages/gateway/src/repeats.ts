import { PassingMap, RecentBytes, lossyUtf8Text, utf8Bytes } from '@stox/kernel'
import type { Clock, Ids, Outcome } from '@stox/kernel'
import { formatJid, parseJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import type { ReportsAsked } from '@stox/translate'
import { bounced, brokeDown } from './bounce.ts'

/** A copy that came another way gets the same answer, not a second stanza: 64·T1 + 5 s. @see mapping C.3 */
const REPEAT_MS = 37_000
/** Three quarters of them are what comes in that time at 7,000/s. */
const MOST_REPEATS = 350_000
const MOST_REPEAT_BYTES = 128 * 1024 * 1024

/** A message of a SIP user that became a stanza. */
export interface SentToXmpp {
  readonly from: Jid
  readonly to: Jid
  readonly callId: string
  readonly asks: ReportsAsked | undefined
  readonly outcome: Promise<Outcome>
}

interface Known {
  readonly sent: SentToXmpp
  readonly atMs: number
  /** What its sender has been told since: each once. */
  told: readonly string[]
  /** Undefined while it is under way. */
  readonly ended: Outcome | undefined
}

/** A message that has ended, as it is kept: in JSON. */
type Ended = readonly [
  from: string,
  to: string,
  callId: string,
  atMs: number,
  outcome: Outcome,
  told: readonly string[],
  asks: ReportsAsked | null,
]

const NOTHING: readonly string[] = []

/** What became of requests lately, by the id of the stanza they are. */
export class Repeats {
  readonly #clock: Clock
  readonly #underWay = new PassingMap<string, Known>()
  readonly #ended: RecentBytes

  constructor(clock: Clock, ids: Ids) {
    this.#clock = clock
    this.#ended = new RecentBytes({ ids, most: MOST_REPEATS, mostBytes: MOST_REPEAT_BYTES })
  }

  outcomeOf(id: string): Promise<Outcome> | undefined {
    const known = this.#find(id)
    return known !== undefined && this.#clock.monotonicMs() - known.atMs < REPEAT_MS ? known.sent.outcome : undefined
  }

  note(id: string, sent: SentToXmpp): void {
    const known: Known = { sent, atMs: this.#clock.monotonicMs(), told: NOTHING, ended: undefined }
    this.#underWay.set(id, known)
    const settle = (outcome: Outcome): void => {
      // The id may have come again.
      if (this.#underWay.get(id) !== known) return
      this.#underWay.delete(id)
      this.#keep(id, known, outcome)
    }
    sent.outcome.then(settle, (error: unknown) => settle(bounced(brokeDown(error))))
  }

  peek(id: string): SentToXmpp | undefined {
    return this.#find(id)?.sent
  }

  /** The message to which this is said, the first time that it is said; undefined ever after, and for what we never sent. */
  tellOnce(id: string, what: string): SentToXmpp | undefined {
    const known = this.#find(id)
    if (known === undefined || known.told.includes(what)) return undefined
    known.told = [...known.told, what]
    if (known.ended !== undefined) this.#keep(id, known, known.ended)
    return known.sent
  }

  #find(id: string): Known | undefined {
    const underWay = this.#underWay.get(id)
    if (underWay !== undefined) return underWay
    const bytes = this.#ended.get(id)
    return bytes === undefined ? undefined : unpack(JSON.parse(lossyUtf8Text(bytes)) as Ended)
  }

  #keep(id: string, { sent: { from, to, callId, asks }, atMs, told }: Known, outcome: Outcome): void {
    const ended: Ended = [formatJid(from), formatJid(to), callId, atMs, outcome, told, asks ?? null]
    this.#ended.set(id, utf8Bytes(JSON.stringify(ended)))
  }
}

function unpack([from, to, callId, atMs, ended, told, asks]: Ended): Known | undefined {
  const [sender, recipient] = [parseJid(from), parseJid(to)]
  if (!sender.ok || !recipient.ok) return undefined
  const outcome = Promise.resolve(ended)
  return {
    sent: { from: sender.value, to: recipient.value, callId, asks: asks ?? undefined, outcome },
    atMs,
    told,
    ended,
  }
}
