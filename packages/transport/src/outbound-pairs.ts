import type { Clock, Ids, Result, Timers } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import type { Proof, StreamEffect, StreamFailure } from '@stox/xmpp-engine'
import { DialGate } from './dial-gate.ts'
import type { Dialed } from './dial-stream.ts'
import { OutboundPair } from './outbound-pair.ts'
import type { DialFailure } from './xmpp-dialer.ts'
import type { FailedStream, PartnerRules, XmppEndpointLimits } from './xmpp-endpoint-types.ts'
import type { Stream } from './xmpp-stream.ts'
import { carrierOf } from './xmpp-stream.ts'

export interface OutboundPairsDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly limits: XmppEndpointLimits
  streams(): Iterable<Stream>
  rulesFor(local: DomainName, remote: DomainName): PartnerRules | undefined
  dial(local: DomainName, remote: DomainName): Promise<Result<Dialed, DialFailure>>
  open(dialed: Dialed, pair: OutboundPair, onEffect: (stream: Stream, effect: StreamEffect) => void): void
  onAny(stream: Stream, effect: StreamEffect): void
  up(stream: Stream, local: DomainName, remote: DomainName, provenBy: Proof): void
  failed(stream: FailedStream, failure: StreamFailure): void
}

/** Attempts to connect to one partner, of which all but one hang. */
const MOST_OF_PARTNER = 8

/** All pairs of domains between which something of ours goes, and the streams that carry it. */
export class OutboundPairs {
  readonly #deps: OutboundPairsDeps
  readonly #gate: DialGate
  readonly #pairs = new Map<string, OutboundPair>()

  constructor(deps: OutboundPairsDeps) {
    this.#deps = deps
    this.#gate = new DialGate(deps.timers, deps.limits.dialsAtOnce)
  }

  get all(): Iterable<OutboundPair> {
    return this.#pairs.values()
  }

  /** Where something has gone, or wanted to. */
  known(local: DomainName, remote: DomainName): OutboundPair | undefined {
    return this.#pairs.get(keyOf(local, remote))
  }

  for(local: DomainName, remote: DomainName): OutboundPair {
    const key = keyOf(local, remote)
    const known = this.#pairs.get(key)
    if (known !== undefined) return known
    const { clock, timers, ids, limits } = this.#deps
    const { queueEntries, queueBytes, backOffFirstMs, backOffCapMs } = limits
    const pair = new OutboundPair({
      local,
      remote,
      clock,
      timers,
      ids,
      queueEntries,
      queueBytes,
      backOffFirstMs,
      backOffCapMs,
      dial: (mine) => this.#connect(mine),
    })
    this.#pairs.set(key, pair)
    return pair
  }

  #connect(pair: OutboundPair): void {
    const { local, remote } = pair
    if (this.#goesBack(pair)) return
    const rules = this.#deps.rulesFor(local, remote)
    const partner = rules?.partner
    // What hangs leaves half of the partner's connections.
    const atMost = Math.min(MOST_OF_PARTNER, Math.floor((rules?.connectionLimit ?? 0) / 2))
    const start = (leave: () => void): void => {
      if (this.#goesBack(pair)) {
        leave()
        return
      }
      void this.#deps.dial(local, remote).then((dialed) => {
        if (dialed.ok) {
          this.#open(pair, dialed.value, leave)
          return
        }
        leave()
        const { address, port } = dialed.failure.at ?? {}
        const stream: FailedStream = {
          direction: 'out',
          partner,
          local,
          remote,
          remoteAddress: address,
          remotePort: port,
          wasEstablished: false,
        }
        this.#deps.failed(stream, dialed.failure)
        pair.onEnded(dialed.failure)
      })
    }
    this.#gate.enter({ partner: partner ?? remote, domain: remote, hasFailed: pair.hasFailed, atMost, start })
  }

  #open(pair: OutboundPair, dialed: Dialed, leave: () => void): void {
    const { local, remote } = pair
    const onEffect = (stream: Stream, effect: StreamEffect): void => {
      if (effect.kind === 'ready' || effect.kind === 'ended') leave()
      this.#deps.onAny(stream, effect)
      if (effect.kind !== 'ready') return
      stream.isBidi = effect.isBidi
      this.#deps.up(stream, local, remote, effect.provenBy)
      this.#carry(stream, pair, effect.limits?.maxBytes)
    }
    this.#deps.open(dialed, pair, onEffect)
  }

  #carry(stream: Stream, pair: OutboundPair, maxBytes?: number): void {
    stream.carried = pair
    stream.carrier = carrierOf(stream, pair.remote, maxBytes)
    pair.onReady(stream.carrier)
  }

  /**
   * On a stream of the partner's, when it is both ways: for the pair that has proven itself on it first, so that what is
   * not acknowledged has one owner. @see XEP-0288 §4
   */
  #goesBack(pair: OutboundPair): boolean {
    for (const stream of this.#deps.streams()) {
      const [first] = stream.pairs
      if (stream.direction !== 'in' || !stream.isBidi || stream.isShut || first === undefined) continue
      if (first.local !== pair.local || first.remote !== pair.remote) continue
      this.#carry(stream, pair, stream.mostBack)
      return true
    }
    return false
  }
}

const keyOf = (local: DomainName, remote: DomainName): string => `${local} ${remote}`
