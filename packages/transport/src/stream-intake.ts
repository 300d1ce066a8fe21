import type { Clock, Timer, Timers } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import { networkOf } from './admission.ts'
import { Company } from './company.ts'
import { FairTurns } from './fair-turns.ts'
import { PartnerRates } from './partner-rates.ts'
import type { Busyness } from './shared-room.ts'
import { SharedRoom } from './shared-room.ts'
import type { PartnerRules, XmppEndpointLimits } from './xmpp-endpoint-types.ts'
import type { Stream } from './xmpp-stream.ts'

const BYTES_ALONE = 16_384
const BYTES_BESIDE = 1_024
/** Of their bytes, before they have proven anything: a partner's cost one. */
const PRICE_OF_STRANGERS = 4

/** What has come lately may be before others; what has waited longer waits for somebody elsewhere, and is in nobody's way. */
const LATELY_MS = 20

interface Load {
  stanzas: number
  bytes: number
}

/** What a partner has sent and what is not dealt with, and the streams of it that are not read from meanwhile. */
interface InHand extends Load {
  readonly held: Set<Pick<Stream, 'connection'>>
  /** Of it, what came since `sinceMs`, and in the time as long before that. */
  lately: Load
  before: Load
  sinceMs: number
  timer: Timer | undefined
}

type IntakeLimits = Pick<XmppEndpointLimits, 'stanzasInHand' | 'bytesInHand' | 'stanzasInHandBeside'>

/** How much of what comes is taken: a partner's turn, its rate, and what it may have under way. */
export class StreamIntake {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #turns = new FairTurns()
  readonly #company: Company
  readonly #room: SharedRoom
  readonly #rates: PartnerRates
  readonly #inHand = new Map<string, InHand>()
  readonly #limits: IntakeLimits
  readonly #rulesFor: (local: DomainName, remote: DomainName) => PartnerRules | undefined

  constructor(
    clock: Clock,
    timers: Timers,
    limits: IntakeLimits,
    rulesFor: (local: DomainName, remote: DomainName) => PartnerRules | undefined,
    busyness: Busyness,
  ) {
    this.#clock = clock
    this.#timers = timers
    this.#company = new Company(clock)
    this.#room = new SharedRoom(clock, busyness, Math.min(1, limits.stanzasInHandBeside / limits.stanzasInHand))
    this.#rates = new PartnerRates(clock)
    this.#limits = limits
    this.#rulesFor = rulesFor
  }

  forgetRates(): void {
    this.#rates.forgetAll()
  }

  /** Beside others a few stanzas, some tenths of a millisecond; alone, what TLS gives in one piece. */
  mostAtOnce({ place: { partner } }: Stream): number {
    return partner !== undefined && this.#company.isAlone(partner) ? BYTES_ALONE : BYTES_BESIDE
  }

  /** Behind the partner's turn reading pauses. */
  onPiece({ connection, place: { partner } }: Stream, bytes: number, ms: number): void {
    if (partner === undefined) {
      // Strangers of one network are one, and have small turns.
      const name = `? ${networkOf(connection.remoteAddress)}`
      return this.#turns.onRead(name, connection, { bytes: bytes * PRICE_OF_STRANGERS, ms, isAlone: false })
    }
    this.#company.seen(partner)
    this.#turns.onRead(partner, connection, { bytes, ms, isAlone: this.#company.isAlone(partner) })
  }

  /** And beyond the rate of its record. */
  onRead(stream: Stream, bytes: number): void {
    const [pair] = stream.pairs
    const rules = pair && this.#rulesFor(pair.local, pair.remote)
    if (rules === undefined) return
    const { stanzasIn } = stream.connection
    const stanzas = stanzasIn - stream.stanzasPaid
    stream.stanzasPaid = stanzasIn
    stream.connection.slowDown(this.#rates.spend(rules, stanzas, bytes))
  }

  /**
   * Reading stops at the limit, of all streams of the partner together, and goes on when half of it is free again: so
   * many stanzas of one partner, and no more, can be before those of another on the way to a gateway; beside others
   * fewer than alone, and of these only what came lately: what waits for a slow SIP server keeps nothing else waiting.
   */
  hold(stream: Stream, stanzas: number, bytes: number): void {
    stream.stanzasInHand += stanzas
    const key = stream.place.partner ?? stream.id
    const inHand = this.#inHandOf(key)
    inHand.stanzas += stanzas
    inHand.bytes += bytes
    if (stanzas > 0) {
      inHand.lately.stanzas += stanzas
      inHand.lately.bytes += bytes
    }
    const all = this.#fullness(inHand)
    const beside = this.#besideOthers(key, inHand)
    if (Math.max(all, beside) >= 1 && !inHand.held.has(stream)) {
      inHand.held.add(stream)
      stream.connection.hold(true)
    }
    if (Math.max(all, beside) <= 0.5) this.#readOn(inHand)
    this.#keep(key, inHand)
  }

  close(): void {
    for (const { timer } of this.#inHand.values()) timer?.cancel()
    this.#inHand.clear()
  }

  #inHandOf(key: string): InHand {
    const nowMs = this.#clock.monotonicMs()
    const known = this.#inHand.get(key)
    if (known === undefined) {
      const nothing = (): Load => ({ stanzas: 0, bytes: 0 })
      return { ...nothing(), held: new Set(), lately: nothing(), before: nothing(), sinceMs: nowMs, timer: undefined }
    }
    const agoMs = nowMs - known.sinceMs
    if (agoMs < LATELY_MS) return known
    known.before = agoMs < 2 * LATELY_MS ? known.lately : { stanzas: 0, bytes: 0 }
    known.lately = { stanzas: 0, bytes: 0 }
    known.sinceMs = nowMs
    return known
  }

  /** 1 is full. */
  #fullness({ stanzas, bytes }: Load): number {
    const { stanzasInHand, bytesInHand } = this.#limits
    return Math.max(stanzas / stanzasInHand, bytes / bytesInHand)
  }

  /** The same of what may be before others. */
  #besideOthers(key: string, inHand: InHand): number {
    if (this.#company.isAlone(key)) return 0
    const { lately, before } = inHand
    const fresh = { stanzas: lately.stanzas + before.stanzas, bytes: lately.bytes + before.bytes }
    return Math.min(this.#fullness(inHand), this.#fullness(fresh)) / this.#room.share
  }

  /** One stream goes on for each stanza that has ended: all at once would bring a piece each. */
  #readOn(inHand: InHand): void {
    for (const stream of inHand.held) {
      inHand.held.delete(stream)
      stream.connection.hold(false)
      // Nothing is left to end, so that nobody would call the next.
      if (inHand.stanzas > 0) return
    }
  }

  #keep(key: string, inHand: InHand): void {
    if (inHand.stanzas === 0 && inHand.held.size === 0) {
      inHand.timer?.cancel()
      this.#inHand.delete(key)
      return
    }
    this.#inHand.set(key, inHand)
    if (inHand.held.size > 0) inHand.timer ??= this.#timers.arm(LATELY_MS, () => this.#lookAgain(key))
  }

  /** Nothing has to end for it: what was new has become old. */
  #lookAgain(key: string): void {
    const inHand = this.#inHandOf(key)
    inHand.timer = undefined
    if (this.#fullness(inHand) < 1 && this.#besideOthers(key, inHand) <= 0.5) this.#readOn(inHand)
    this.#keep(key, inHand)
  }
}
