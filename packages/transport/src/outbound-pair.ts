import type { Clock, Ids, Timer, Timers } from '@stox/kernel'
import { BoundedQueue, utf8Length } from '@stox/kernel'
import type { DomainName, StreamCondition } from '@stox/xmpp'
import type { StreamFailure } from '@stox/xmpp-engine'
import { failureOf } from '@stox/xmpp-engine'
import type { OutboundStanza, StanzaCarrier } from './outbound-stanza.ts'
import type { SendOutcome } from './xmpp-endpoint-types.ts'

export interface OutboundPairOptions {
  readonly local: DomainName
  readonly remote: DomainName
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly queueEntries: number
  readonly queueBytes: number
  readonly backOffFirstMs: number
  readonly backOffCapMs: number
  /** Starts an attempt, which tells its end by `onReady` and `onEnded`; `onEnded` may come without `onReady`, never twice. */
  dial(pair: OutboundPair): void
}

type PairState =
  | { readonly name: 'idle' }
  | { readonly name: 'dialing' }
  | { readonly name: 'up'; readonly stream: StanzaCarrier; readonly sinceMs: number }
  /** The stream takes no more, and the peer may still acknowledge what it has taken. */
  | { readonly name: 'ending'; readonly stream: StanzaCarrier; readonly because: StreamFailure | undefined }
  | { readonly name: 'backing-off'; readonly untilMs: number; readonly because: StreamFailure; readonly timer: Timer }
  | { readonly name: 'closed'; readonly because: StreamFailure; readonly stream: StanzaCarrier | undefined }

/** A stream that lived so long was a good one: the next failure is a first one. */
const GOOD_AFTER_MS = 10_000
/** What a broken stream may not have brought is sent again so long after it was first written, and once. @see mapping F.7 */
const REPEATED_WITHIN_MS = 30_000
/** The peer will be there again soon: who waits has one more attempt. @see mapping B.3 */
const PASSING: ReadonlySet<StreamCondition> = new Set(['system-shutdown', 'reset', 'connection-timeout', 'conflict'])
const UNCONFIRMED: StreamFailure = { kind: 'closed', detail: 'the stream ended before the peer had acknowledged it' }

const isPassing = (failure: StreamFailure): boolean => failure.kind === 'peer-error' && PASSING.has(failure.condition)

/**
 * What goes from one of our domains to one of a partner's: one stream, re-used, and before it a queue with bounds on
 * entries, bytes and age. A failed attempt is told to all who wait, unless it may well go better at once; the next ones wait for the next attempt or, when it
 * comes too late for them, hear at once why the last one failed. What a stream with stream management had taken when it
 * broke, and the peer had not acknowledged, goes first on the next one: it may arrive twice, and is not lost.
 */
export class OutboundPair {
  readonly local: DomainName
  readonly remote: DomainName
  readonly #options: OutboundPairOptions
  #state: PairState = { name: 'idle' }
  readonly #queue: BoundedQueue<OutboundStanza>
  /** Before the queue: as many as one stream keeps, at most. */
  #again: OutboundStanza[] = []
  #expiry: { readonly atMs: number; readonly timer: Timer } | undefined
  #failedAttempts = 0

  constructor(options: OutboundPairOptions) {
    this.#options = options
    this.local = options.local
    this.remote = options.remote
    this.#queue = new BoundedQueue(options.queueEntries, options.queueBytes)
  }

  /** The last attempt came to nothing. */
  get hasFailed(): boolean {
    return this.#failedAttempts > 0
  }

  get waiting(): number {
    return this.#again.length + this.#queue.length
  }

  /** Nothing waits, neither for a stream nor for the peer's word. */
  get isIdle(): boolean {
    const state = this.#state
    return this.waiting === 0 && (!('stream' in state) || (state.stream?.open ?? 0) === 0)
  }

  send(xml: string, maxWaitMs: number): Promise<SendOutcome> {
    return new Promise((settle) => {
      const state = this.#state
      const untilMs = this.#nowMs() + maxWaitMs
      if (state.name === 'closed') settle(this.#failed(state.because))
      else if (state.name === 'backing-off' && untilMs <= state.untilMs) settle(this.#failed(state.because))
      else {
        const stanza: OutboundStanza = { xml, untilMs, writtenAtMs: Number.NaN, isRepeat: false, settle }
        if (state.name === 'up' && this.waiting === 0 && !state.stream.isFull) this.#write(state.stream, stanza)
        else this.#enqueue(stanza)
      }
    })
  }

  /** The stream may carry stanzas. */
  onReady(stream: StanzaCarrier): void {
    if (this.#state.name !== 'dialing') return
    this.#state = { name: 'up', stream, sinceMs: this.#nowMs() }
    this.onRoom()
  }

  /** There is room on the stream, or the peer has acknowledged something. */
  onRoom(): void {
    if (this.#state.name === 'ending' && this.#state.stream.open === 0) this.#goOn(this.#state.because)
    while (this.#state.name === 'up' && !this.#state.stream.isFull) {
      const next = this.#again.shift() ?? this.#queue.shift()
      if (next === undefined) break
      this.#write(this.#state.stream, next)
    }
  }

  /** The stream, or the attempt to have one, is over: it takes no more. */
  onEnded(failure: StreamFailure | undefined): void {
    const state = this.#state
    if (state.name === 'dialing') {
      if (failure !== undefined && (this.hasFailed || !isPassing(failure))) this.#failAll(failure)
      this.#goOn(failure)
    } else if (state.name === 'up') {
      if (this.#nowMs() - state.sinceMs >= GOOD_AFTER_MS) this.#failedAttempts = 0
      // A stream that stood and broke is worth another attempt to those who wait. @see mapping B.3
      if (state.stream.open === 0) this.#goOn(failure)
      else this.#state = { name: 'ending', stream: state.stream, because: failure }
    }
  }

  /** Nothing comes from the stream any more. */
  onGone(stream: StanzaCarrier | undefined): void {
    const state = this.#state
    if (!('stream' in state) || state.stream === undefined || state.stream !== stream) return
    if (state.name === 'closed') {
      for (const { settle } of stream.leftovers()) settle(this.#failed(state.because))
    } else if (state.name === 'ending') {
      this.#repeat(stream.leftovers(), state.because ?? UNCONFIRMED)
      this.#goOn(state.because)
    }
  }

  /** What failed may work now: the rules have changed, or the peer has come to us. */
  forgive(): void {
    if (this.#state.name !== 'backing-off') return
    this.#state.timer.cancel()
    this.#failedAttempts = 0
    this.#state = { name: 'idle' }
    if (this.waiting > 0) this.#dial()
  }

  close(because: StreamFailure): void {
    const state = this.#state
    if (state.name === 'backing-off') state.timer.cancel()
    this.#state = { name: 'closed', because, stream: 'stream' in state ? state.stream : undefined }
    this.#failAll(because)
  }

  /** The next stream: at once, or after a while where the last one failed. */
  #goOn(failure: StreamFailure | undefined): void {
    this.#state = { name: 'idle' }
    if (failure !== undefined) this.#backOff(failure)
    else if (this.waiting > 0) this.#dial()
  }

  #repeat(stanzas: readonly OutboundStanza[], because: StreamFailure): void {
    for (const stanza of stanzas) {
      const untilMs = Math.min(stanza.untilMs, stanza.writtenAtMs + REPEATED_WITHIN_MS)
      if (stanza.isRepeat || untilMs <= this.#nowMs()) stanza.settle(this.#failed(because))
      else {
        Object.assign(stanza, { isRepeat: true, untilMs })
        this.#again.push(stanza)
        this.#expireBy(untilMs)
      }
    }
  }

  #enqueue(entry: OutboundStanza): void {
    if (!this.#queue.push(entry, utf8Length(entry.xml))) {
      const detail = `${this.#queue.length} stanzas wait for ${this.remote}`
      entry.settle(this.#failed({ kind: 'queue-full', detail }))
      return
    }
    this.#expireBy(entry.untilMs)
    if (this.#state.name === 'idle') this.#dial()
  }

  #dial(): void {
    this.#state = { name: 'dialing' }
    this.#options.dial(this)
  }

  #write(stream: StanzaCarrier, stanza: OutboundStanza): void {
    const { xml } = stanza
    const { maxBytes } = stream
    // The length in bytes is asked for only where it can matter.
    if (xml.length * 3 > maxBytes && utf8Length(xml) > maxBytes) {
      stanza.settle(this.#failed({ kind: 'too-big', detail: `${this.remote} takes no more than ${maxBytes} bytes` }))
      return
    }
    stanza.writtenAtMs = this.#nowMs()
    stream.write(stanza)
  }

  /** Twice as long each time, up to a cap, and never the same for all. @see RFC 6120 §3.3 */
  #backOff(failure: StreamFailure): void {
    const { backOffFirstMs, backOffCapMs, ids } = this.#options
    const fullMs = Math.min(backOffCapMs, backOffFirstMs * 2 ** Math.min(this.#failedAttempts, 30))
    const afterMs = fullMs * (0.5 + 0.5 * ids.fraction())
    this.#failedAttempts += 1
    const timer = this.#options.timers.arm(afterMs, () => {
      if (this.#state.name !== 'backing-off') return
      this.#goOn(undefined)
    })
    this.#state = { name: 'backing-off', untilMs: this.#nowMs() + afterMs, because: failure, timer }
  }

  #expireBy(untilMs: number): void {
    if (this.#expiry !== undefined && this.#expiry.atMs <= untilMs) return
    this.#expiry?.timer.cancel()
    const timer = this.#options.timers.arm(untilMs - this.#nowMs(), () => this.#expire())
    this.#expiry = { atMs: untilMs, timer }
  }

  #expire(): void {
    this.#expiry = undefined
    const nowMs = this.#nowMs()
    const state = this.#state
    const because: StreamFailure =
      state.name === 'backing-off' ? state.because : { kind: 'expired', detail: `no stream in time (${state.name})` }
    let nextMs = Number.POSITIVE_INFINITY
    const isInTime = (stanza: OutboundStanza): boolean => {
      if (stanza.untilMs <= nowMs) stanza.settle(this.#failed(because))
      else nextMs = Math.min(nextMs, stanza.untilMs)
      return stanza.untilMs > nowMs
    }
    this.#again = this.#again.filter(isInTime)
    for (const stanza of this.#queue.drain().filter(isInTime)) this.#queue.push(stanza, utf8Length(stanza.xml))
    if (nextMs !== Number.POSITIVE_INFINITY) this.#expireBy(nextMs)
  }

  #failAll(failure: StreamFailure): void {
    this.#expiry?.timer.cancel()
    this.#expiry = undefined
    for (const { settle } of [...this.#again.splice(0), ...this.#queue.drain()]) settle(this.#failed(failure))
  }

  #failed(failure: StreamFailure): SendOutcome {
    return { kind: 'failed', failure: failureOf(failure, this.remote) }
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}
