import type { Clock, Result } from '@stox/kernel'
import type { DialbackVerdict, DomainName } from '@stox/xmpp'
import type { StreamEffect, StreamFailure, StreamPurpose } from '@stox/xmpp-engine'
import { verdictOfFailure } from '@stox/xmpp-engine'
import { networkOf } from './admission.ts'
import type { Dialed } from './dial-stream.ts'
import { TokenBuckets } from './token-buckets.ts'
import type { XmppEndpointLimits } from './xmpp-endpoint-types.ts'
import type { Stream } from './xmpp-stream.ts'

type VerifierLimits = Pick<
  XmppEndpointLimits,
  'verificationsAtOnce' | 'verificationsPerSecond' | 'verificationsPerSecondPerAddress'
>

export interface KeyVerifierDeps {
  readonly clock: Clock
  readonly limits: VerifierLimits
  dial(
    local: DomainName,
    remote: DomainName,
    purpose: StreamPurpose,
    forStranger: boolean,
  ): Promise<Result<Dialed, StreamFailure>>
  open(
    dialed: Dialed,
    pair: { readonly local: DomainName; readonly remote: DomainName },
    onEffect: (stream: Stream, effect: StreamEffect) => void,
  ): void
  onAny(stream: Stream, effect: StreamEffect): void
  failed(stream: Stream, failure: StreamFailure): void
}

/** Tokens of a full bucket, in seconds. */
const BURST_S = 6
const TOO_MANY: DialbackVerdict = {
  type: 'error',
  condition: 'resource-constraint',
  text: 'too many keys are being verified',
}

/**
 * Asks authoritative servers whether a key is right: on another connection, never the one on which the key came. Each
 * costs us names looked up and a connection, so that strangers have a budget, each network its own and all together; a
 * key that was right costs nothing. @see XEP-0220 §2.1.2
 */
export class KeyVerifier {
  readonly #deps: KeyVerifierDeps
  readonly #perAddress: TokenBuckets
  readonly #ofStrangers: TokenBuckets
  #strangersUnderWay = 0

  constructor(deps: KeyVerifierDeps) {
    this.#deps = deps
    const { verificationsPerSecond, verificationsPerSecondPerAddress } = deps.limits
    this.#perAddress = new TokenBuckets(deps.clock, verificationsPerSecondPerAddress, BURST_S)
    this.#ofStrangers = new TokenBuckets(deps.clock, verificationsPerSecond, BURST_S)
  }

  verify(asking: Stream, effect: Extract<StreamEffect, { kind: 'verify' }>): void {
    const { local, remote, streamId, key } = effect
    const isStranger = !asking.place.isKnown && asking.pairs.length === 0
    const network = networkOf(asking.connection.remoteAddress)
    let isAnswered = false
    const answer = (verdict: DialbackVerdict, encrypted: boolean): void => {
      if (isAnswered) return
      isAnswered = true
      if (isStranger) this.#strangersUnderWay -= 1
      if (verdict.type === 'valid') this.#giveBack(network, isStranger)
      asking.connection.input({ kind: 'dialback-verdict', local, remote, verdict, encrypted })
    }
    /** Told as the failure of the stream that it was for, whose own end says nothing more. */
    const fails = (failure: StreamFailure): void => {
      if (!isAnswered && asking.pairs.length === 0) {
        this.#deps.failed(asking, { ...failure, detail: `while its dialback key was verified: ${failure.detail}` })
        asking.isTold = true
      }
      answer(verdictOfFailure(failure), false)
    }
    if (!this.#take(network, isStranger)) {
      asking.connection.input({ kind: 'dialback-verdict', local, remote, verdict: TOO_MANY, encrypted: false })
      return
    }
    if (isStranger) this.#strangersUnderWay += 1
    void this.#deps.dial(local, remote, { kind: 'verify', streamId, key }, isStranger).then((dialed) => {
      if (!dialed.ok) {
        fails(dialed.failure)
        return
      }
      this.#deps.open(dialed.value, { local, remote }, (stream, each) => {
        if (each.kind === 'verdict') answer(each.verdict, each.encrypted)
        else if (each.kind === 'ended') fails(each.failure ?? HUNG_UP)
        this.#deps.onAny(stream, each)
      })
    })
  }

  #take(network: string, isStranger: boolean): boolean {
    if (!isStranger) return this.#perAddress.take(network, KNOWN_PRICE)
    const { verificationsAtOnce } = this.#deps.limits
    if (this.#strangersUnderWay >= verificationsAtOnce || !this.#ofStrangers.has('')) return false
    return this.#perAddress.take(network) && this.#ofStrangers.take('')
  }

  #giveBack(network: string, isStranger: boolean): void {
    this.#perAddress.giveBack(network, isStranger ? 1 : KNOWN_PRICE)
    if (isStranger) this.#ofStrangers.giveBack('')
  }
}

/** Where a partner is known, strangers may waste more before they are in its way. */
const KNOWN_PRICE = 0.2

/** It ended as it should, and without an answer. */
const HUNG_UP: StreamFailure = { kind: 'closed', reason: 'hung-up', detail: 'closed without an answer about the key' }
