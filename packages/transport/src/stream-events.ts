import type { Clock, Timers } from '@stox/kernel'
import type { DomainName, StreamErrorInfo } from '@stox/xmpp'
import { formatStanza } from '@stox/xmpp'
import type { Proof, RefusalKind, StreamEffect, StreamFailure } from '@stox/xmpp-engine'
import { detailOf, isOwnFault } from '@stox/xmpp-engine'
import type { Admission } from './admission.ts'
import { endWithCertificates } from './certificate-end.ts'
import type { FailureNotes } from './failure-notes.ts'
import type { Comer, Penalties } from './penalties.ts'
import type { StreamIntake } from './stream-intake.ts'
import type { StreamPings } from './stream-pings.ts'
import type { StreamRulebook } from './stream-rules.ts'
import type { FailedStream, JudgeCertificate, StreamUp, XmppEndpointOptions } from './xmpp-endpoint-types.ts'
import type { Stream } from './xmpp-stream.ts'

export interface StreamEventsDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly on: XmppEndpointOptions['on']
  readonly judgeCertificate: JudgeCertificate
  readonly rules: StreamRulebook
  readonly admission: Admission
  readonly penalties: Penalties
  readonly intake: StreamIntake
  readonly pings: StreamPings
  readonly failures: FailureNotes
  /** An error stanza, on a stream of ours. */
  answer(local: DomainName, remote: DomainName, stanzaXml: string): void
  verify(stream: Stream, effect: Extract<StreamEffect, { kind: 'verify' }>): void
  /** Who comes to us can be gone to. */
  forgive(local: DomainName, remote: DomainName): void
}

/** What becomes of what streams tell: bookkeeping here, and word of it to the layer above. */
export class StreamEvents {
  readonly #deps: StreamEventsDeps
  readonly #on: XmppEndpointOptions['on']
  /** Stanzas of partners that have no end yet; some of their streams may be gone. */
  #inHand = 0
  #closed = false

  constructor(deps: StreamEventsDeps) {
    this.#deps = deps
    this.#on = deps.on
  }

  get inHand(): number {
    return this.#inHand
  }

  /** Whatever fails from now on fails because we end. */
  close(): void {
    this.#closed = true
  }

  refused(kind: RefusalKind, detail: string, remoteAddress: string, isLast = false): void {
    this.#on.refused({ kind, detail, remoteAddress, isLast })
  }

  onInbound(stream: Stream, effect: StreamEffect): void {
    switch (effect.kind) {
      case 'addressed':
        stream.local = effect.local
        stream.remote = effect.remote
        stream.place.claims = this.#deps.rules.partnerOf(effect.local, effect.remote)
        return
      case 'verify':
        this.#deps.verify(stream, effect)
        return
      case 'vouched':
        this.#deps.admission.forgive(stream.place)
        return
      case 'proven': {
        const { local, peer } = effect
        stream.isBidi = effect.isBidi
        stream.mostBack = effect.limits?.maxBytes
        this.up(stream, local, peer.domain, peer.provenBy)
        // Who comes to us can be gone to.
        this.#deps.forgive(local, peer.domain)
        return
      }
      default:
        this.onAny(stream, effect)
    }
  }

  onAny(stream: Stream, effect: StreamEffect): void {
    const { ledger } = stream
    switch (effect.kind) {
      case 'stanza':
        this.#onStanza(stream, effect)
        return
      case 'answer': {
        const { from, to } = effect.stanza
        this.#deps.answer(from.domain, to.domain, formatStanza(effect.stanza))
        return
      }
      case 'refused':
        this.refused(effect.refusal, effect.detail, stream.connection.remoteAddress, effect.isLast)
        return
      case 'managed':
        if (effect.theirs) ledger.beginTheirs()
        if (effect.ours) ledger.ours.begin()
        return
      case 'unmanaged':
        ledger.ours.stop()
        return
      case 'acknowledged':
        ledger.ours.acknowledge(effect.count)
        return
      case 'asked':
        ledger.wasAsked()
        return
      case 'handled':
        ledger.settle(ledger.take())
        return
      case 'unproven-by-certificate': {
        const { remote, reason } = effect
        stream.unprovenBecause = reason
        this.#on.unprovenByCertificate?.({ streamId: stream.id, remote, reason })
        return
      }
      case 'ping':
        this.#deps.pings.ping(stream)
        return
      case 'shut':
        this.#onShut(stream, undefined)
        return
      case 'ended':
        this.#onEnded(stream, effect.failure)
        return
      case 'hang-up':
        stream.carried?.onGone(stream.carrier)
        return
      default:
    }
  }

  #onEnded(stream: Stream, failure: StreamFailure | undefined): void {
    const isTold = stream.isTold || stream.purpose === 'verify'
    if (failure !== undefined && !isTold) this.failed(stream, failure)
    if (failure !== undefined && stream.direction === 'in') this.#blame(stream, failure)
    this.#down(stream, failure)
    this.#onShut(stream, failure)
  }

  #blame({ place, connection }: Stream, failure: StreamFailure): void {
    // Who did not say who he was before TLS has cost us the handshake that the penalty is to save.
    const hasHidden = isPenalty(failure) && connection.encrypted
    if (!hasHidden && !isOwnFault(failure)) return
    const comer: Comer = { remoteAddress: connection.remoteAddress, claims: hasHidden ? undefined : place.claims }
    this.#deps.penalties.blame(comer, place.partner)
  }

  /** Nothing of ours can be written to it any more. */
  #onShut(stream: Stream, failure: StreamFailure | undefined): void {
    if (stream.isShut) return
    stream.isShut = true
    stream.ledger.ours.finish()
    stream.carried?.onEnded(failure)
  }

  up(stream: Stream, local: DomainName, remote: DomainName, provenBy: Proof): void {
    const { id: streamId, direction, connection } = stream
    const up: StreamUp = { streamId, direction, local, remote, provenBy, tlsVersion: connection.tlsVersion }
    const rules = this.#deps.rules.rulesFor(local, remote)
    stream.pairs.push(up)
    stream.isTold = false
    stream.matrixRow ??= rules?.row
    if (rules !== undefined) this.#deps.admission.prove(stream.place, rules.partner, stream.connection.remoteAddress)
    endWithCertificates(stream, up, this.#deps)
    this.#on.streamUp(up)
  }

  #down(stream: Stream, failure: StreamFailure | undefined): void {
    const reason = failure === undefined ? 'closed' : detailOf(failure)
    const isFailure = failure !== undefined
    for (const up of stream.pairs.splice(0)) this.#on.streamDown({ ...up, reason, isFailure })
  }

  failed(stream: Stream, failure: StreamFailure): void {
    // That we stop is nobody's failure.
    if (failure.kind === 'protocol' && failure.condition === STOPPING.condition) return
    const { direction, place, local, remote, connection, pairs } = stream
    const { remoteAddress, remotePort } = connection
    const partner = place.partner ?? place.claims
    const wasEstablished = pairs.length > 0
    this.note({ direction, partner, local, remote, remoteAddress, remotePort, wasEstablished }, failure)
  }

  note(stream: FailedStream, failure: StreamFailure): void {
    if (this.#closed) return
    const info = this.#deps.failures.note(stream, failure)
    this.#on.streamFailed?.(info)
  }

  #onStanza(stream: Stream, { stanza, peer, bytes }: Extract<StreamEffect, { kind: 'stanza' }>): void {
    const local = stanza.to.domain
    const place = stream.ledger.take()
    if (this.#deps.pings.isAnswer(stanza)) {
      stream.ledger.settle(place)
      return
    }
    const dealtWith = this.#on.stanza(stanza, { streamId: stream.id, local, peer, bytes })
    if (dealtWith !== undefined) {
      this.#inHand += 1
      this.#deps.intake.hold(stream, 1, bytes)
      void dealtWith.then(() => {
        this.#inHand -= 1
        stream.ledger.settle(place)
        this.#deps.intake.hold(stream, -1, -bytes)
      })
    } else stream.ledger.settle(place)
  }
}

const isPenalty = (failure: StreamFailure): boolean => failure.kind === 'protocol' && failure.refusal === 'penalty'

/** While we end our streams; that we do is nobody's failure. */
export const STOPPING: StreamErrorInfo = { condition: 'system-shutdown', text: undefined }
