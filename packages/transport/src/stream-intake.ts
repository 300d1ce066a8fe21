import type { Clock } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import { FairTurns } from './fair-turns.ts'
import { PartnerRates } from './partner-rates.ts'
import type { PartnerRules, XmppEndpointLimits } from './xmpp-endpoint-types.ts'
import type { Stream } from './xmpp-stream.ts'

/** What a partner has sent and what is not dealt with, and the streams of it that are not read from meanwhile. */
interface InHand {
  stanzas: number
  bytes: number
  readonly held: Set<Pick<Stream, 'connection'>>
}

/** How much of what comes is taken: a partner's turn, its rate, and what it may have under way. */
export class StreamIntake {
  readonly #turns = new FairTurns()
  readonly #rates: PartnerRates
  readonly #inHand = new Map<string, InHand>()
  readonly #limits: Pick<XmppEndpointLimits, 'stanzasInHand' | 'bytesInHand'>
  readonly #rulesFor: (local: DomainName, remote: DomainName) => PartnerRules | undefined

  constructor(
    clock: Clock,
    limits: Pick<XmppEndpointLimits, 'stanzasInHand' | 'bytesInHand'>,
    rulesFor: (local: DomainName, remote: DomainName) => PartnerRules | undefined,
  ) {
    this.#rates = new PartnerRates(clock)
    this.#limits = limits
    this.#rulesFor = rulesFor
  }

  forgetRates(): void {
    this.#rates.forgetAll()
  }

  /** Behind the partner's turn, and beyond the rate of its record, reading pauses. */
  onRead(stream: Stream, bytes: number): void {
    const [pair] = stream.pairs
    const rules = pair && this.#rulesFor(pair.local, pair.remote)
    if (rules === undefined) return
    this.#turns.onRead(rules.partner, stream.connection, bytes)
    const { stanzasIn } = stream.connection
    const stanzas = stanzasIn - stream.stanzasPaid
    stream.stanzasPaid = stanzasIn
    stream.connection.slowDown(this.#rates.spend(rules, stanzas, bytes))
  }

  /**
   * Reading stops at the limit, of all streams of the partner together, and goes on when half of it is free again: so
   * many stanzas of one partner, and no more, can be before those of another on the way to a gateway.
   */
  hold(stream: Stream, stanzas: number, bytes: number): void {
    stream.stanzasInHand += stanzas
    const key = stream.place.partner ?? stream.id
    const inHand = this.#inHand.get(key) ?? { stanzas: 0, bytes: 0, held: new Set() }
    inHand.stanzas += stanzas
    inHand.bytes += bytes
    const { stanzasInHand, bytesInHand } = this.#limits
    const fullness = Math.max(inHand.stanzas / stanzasInHand, inHand.bytes / bytesInHand)
    if (fullness >= 1 && !inHand.held.has(stream)) {
      inHand.held.add(stream)
      stream.connection.hold(true)
    } else if (fullness <= 0.5 && inHand.held.size > 0) {
      for (const held of inHand.held) held.connection.hold(false)
      inHand.held.clear()
    }
    if (inHand.stanzas === 0) this.#inHand.delete(key)
    else this.#inHand.set(key, inHand)
  }
}
