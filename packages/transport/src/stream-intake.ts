import type { Clock } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import { FairTurns } from './fair-turns.ts'
import { PartnerRates } from './partner-rates.ts'
import type { PartnerRules, XmppEndpointLimits } from './xmpp-endpoint-types.ts'
import type { Stream } from './xmpp-stream.ts'

/** How much of what comes is taken: a partner's turn, its rate, and what one stream may have under way. */
export class StreamIntake {
  readonly #turns = new FairTurns()
  readonly #rates: PartnerRates
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

  /** Reading stops at the limit, and goes on when half of it is free again. */
  hold(stream: Stream, stanzas: number, bytes: number): void {
    stream.stanzasInHand += stanzas
    stream.bytesInHand += bytes
    const { stanzasInHand, bytesInHand } = this.#limits
    const fullness = Math.max(stream.stanzasInHand / stanzasInHand, stream.bytesInHand / bytesInHand)
    const isHeld = stream.isHeld ? fullness > 0.5 : fullness >= 1
    if (isHeld === stream.isHeld) return
    stream.isHeld = isHeld
    stream.connection.hold(isHeld)
  }
}
