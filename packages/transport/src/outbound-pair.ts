import type { Clock, Ids, Timer, Timers } from '@stox/kernel'
import { BoundedQueue, utf8Length } from '@stox/kernel'
import type { DomainName } from '@stox/xmpp'
import type { StreamFailure } from '@stox/xmpp-engine'
import { failureOf } from '@stox/xmpp-engine'
import type { XmppConnection } from './xmpp-connection.ts'
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

interface Waiting {
  readonly xml: string
  readonly untilMs: number
  readonly settle: (outcome: SendOutcome) => void
}

type PairState =
  | { readonly name: 'idle' }
  | { readonly name: 'dialing' }
  | {
      readonly name: 'up'
      readonly connection: XmppConnection
      readonly streamId: string
      readonly sinceMs: number
      readonly maxBytes: number
    }
  | { readonly name: 'backing-off'; readonly untilMs: number; readonly because: StreamFailure; readonly timer: Timer }
  | { readonly name: 'closed'; readonly because: StreamFailure }

/** A stream that lived so long was a good one: the next failure is a first one. */
const GOOD_AFTER_MS = 10_000

/**
 * What goes from one of our domains to one of a partner's: one stream, re-used, and before it a queue with bounds on
 * entries, bytes and age. A failed attempt is told to all who wait; the next ones wait for the next attempt or, when it
 * comes too late for them, hear at once why the last one failed.
 */
export class OutboundPair {
  readonly local: DomainName
  readonly remote: DomainName
  readonly #options: OutboundPairOptions
  #state: PairState = { name: 'idle' }
  readonly #queue: BoundedQueue<Waiting>
  #expiry: { readonly atMs: number; readonly timer: Timer } | undefined
  #failedAttempts = 0

  constructor(options: OutboundPairOptions) {
    this.#options = options
    this.local = options.local
    this.remote = options.remote
    this.#queue = new BoundedQueue(options.queueEntries, options.queueBytes)
  }

  get waiting(): number {
    return this.#queue.length
  }

  send(xml: string, maxWaitMs: number): Promise<SendOutcome> {
    return new Promise((settle) => {
      const state = this.#state
      const untilMs = this.#nowMs() + maxWaitMs
      if (state.name === 'closed') settle(this.#failed(state.because))
      else if (state.name === 'backing-off' && untilMs <= state.untilMs) settle(this.#failed(state.because))
      else if (state.name === 'up' && this.#queue.length === 0 && !state.connection.isFull)
        this.#write(state, xml, settle)
      else this.#enqueue({ xml, untilMs, settle })
    })
  }

  /** The stream may carry stanzas; `maxBytes`: the longest that the peer takes. @see XEP-0478 §3 */
  onReady(connection: XmppConnection, streamId: string, maxBytes = Number.POSITIVE_INFINITY): void {
    if (this.#state.name !== 'dialing') return
    this.#state = { name: 'up', connection, streamId, sinceMs: this.#nowMs(), maxBytes }
    this.onRoom()
  }

  /** There is room on the stream. */
  onRoom(): void {
    while (this.#state.name === 'up' && !this.#state.connection.isFull) {
      const next = this.#queue.shift()
      if (next === undefined) break
      this.#write(this.#state, next.xml, next.settle)
    }
  }

  /** The stream, or the attempt to have one, is over. */
  onEnded(failure: StreamFailure | undefined): void {
    const state = this.#state
    if (state.name !== 'dialing' && state.name !== 'up') return
    if (state.name === 'up' && this.#nowMs() - state.sinceMs >= GOOD_AFTER_MS) this.#failedAttempts = 0
    this.#state = { name: 'idle' }
    if (failure !== undefined) {
      // A stream that stood and broke is worth another attempt to those who wait. @see mapping B.3
      if (state.name === 'dialing') this.#failAll(failure)
      this.#backOff(failure)
    } else if (this.#queue.length > 0) this.#dial()
  }

  /** What failed may work now: the rules have changed, or the peer has come to us. */
  forgive(): void {
    if (this.#state.name !== 'backing-off') return
    this.#state.timer.cancel()
    this.#failedAttempts = 0
    this.#state = { name: 'idle' }
    if (this.#queue.length > 0) this.#dial()
  }

  close(because: StreamFailure): void {
    if (this.#state.name === 'backing-off') this.#state.timer.cancel()
    this.#state = { name: 'closed', because }
    this.#failAll(because)
  }

  #enqueue(entry: Waiting): void {
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

  #write(state: Extract<PairState, { name: 'up' }>, xml: string, settle: (outcome: SendOutcome) => void): void {
    const { streamId, maxBytes } = state
    // The length in bytes is asked for only where it can matter.
    if (xml.length * 3 > maxBytes && utf8Length(xml) > maxBytes) {
      settle(this.#failed({ kind: 'too-big', detail: `${this.remote} takes no more than ${maxBytes} bytes` }))
      return
    }
    state.connection.writeStanza(xml, (error) => {
      if (error === null || error === undefined) settle({ kind: 'sent', streamId })
      else settle(this.#failed({ kind: 'closed', detail: `lost on the way to the socket: ${error.message}` }))
    })
  }

  /** Twice as long each time, up to a cap, and never the same for all. @see RFC 6120 §3.3 */
  #backOff(failure: StreamFailure): void {
    const { backOffFirstMs, backOffCapMs, ids } = this.#options
    const fullMs = Math.min(backOffCapMs, backOffFirstMs * 2 ** Math.min(this.#failedAttempts, 30))
    const afterMs = fullMs * (0.5 + 0.5 * ids.fraction())
    this.#failedAttempts += 1
    const timer = this.#options.timers.arm(afterMs, () => {
      if (this.#state.name !== 'backing-off') return
      this.#state = { name: 'idle' }
      if (this.#queue.length > 0) this.#dial()
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
    const entries = this.#queue.drain()
    for (const entry of entries) {
      if (entry.untilMs <= nowMs) entry.settle(this.#failed(because))
      else {
        this.#queue.push(entry, utf8Length(entry.xml))
        nextMs = Math.min(nextMs, entry.untilMs)
      }
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#expireBy(nextMs)
  }

  #failAll(failure: StreamFailure): void {
    this.#expiry?.timer.cancel()
    this.#expiry = undefined
    for (const entry of this.#queue.drain()) entry.settle(this.#failed(failure))
  }

  #failed(failure: StreamFailure): SendOutcome {
    return { kind: 'failed', failure: failureOf(failure, this.remote) }
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}
