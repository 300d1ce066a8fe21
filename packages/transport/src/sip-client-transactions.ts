import { PassingMap, RecentBytes, unreachable } from '@stox/kernel'
import type { Ids, Timer, Timers } from '@stox/kernel'
import type { SipResponse } from '@stox/sip'
import {
  advanceNonInviteClient,
  clientTransactionKey,
  clientTransactionKeyOf,
  startNonInviteClient,
  T4_MS,
} from '@stox/sip-engine'
import type {
  Carrier,
  NonInviteClientInput,
  NonInviteClientState,
  NonInviteClientStep,
  NonInviteClientTimer,
} from '@stox/sip-engine'
import type { SipReply } from './sip-endpoint-types.ts'

const MOST_KEY_BYTES = 16 * 1024 * 1024

/** A request on the wire: how to send it (again), and whom to tell how it ended. */
export interface ClientWire {
  readonly branch: string
  readonly method: string
  readonly carrier: Carrier
  /** Called once on a stream, several times where messages get lost. */
  transmit(): void
  done(reply: SipReply): void
}

interface Transaction {
  readonly key: string
  state: NonInviteClientState
  /** Let go of when it is over. */
  wire: ClientWire | undefined
  provisional: boolean
  readonly timers: { [Name in NonInviteClientTimer]?: Timer | undefined }
}

/** The requests that wait for an answer, or for late copies of it. @see RFC 3261 §17.1 */
export class ClientTransactions {
  readonly #timers: Timers
  readonly #max: number
  readonly #byKey = new PassingMap<string, Transaction>()
  readonly #answered: RecentBytes
  #retransmitted = 0
  #absorbed = 0

  constructor(timers: Timers, ids: Ids, max: number) {
    this.#timers = timers
    this.#max = max
    const life = { timers, forMs: T4_MS }
    this.#answered = new RecentBytes({ ids, life, most: max, mostBytes: MOST_KEY_BYTES })
  }

  /** Those that wait for late copies are in it. */
  get size(): number {
    return this.#byKey.size + this.#answered.size
  }

  get retransmitted(): number {
    return this.#retransmitted
  }

  get absorbed(): number {
    return this.#absorbed
  }

  /** False when the table is full. */
  start(wire: ClientWire): boolean {
    if (this.#byKey.size >= this.#max) return false
    const key = clientTransactionKey(wire.branch, wire.method)
    const step = startNonInviteClient(wire.carrier)
    const transaction: Transaction = { key, state: step.state, wire, provisional: false, timers: {} }
    this.#byKey.set(key, transaction)
    this.#follow(transaction, step, undefined)
    return true
  }

  /** False when nobody waits for this response. */
  take(response: SipResponse): boolean {
    const key = clientTransactionKeyOf(response)
    if (key === undefined) return false
    const transaction = this.#byKey.get(key)
    if (transaction === undefined) {
      const isLate = this.#answered.has(key)
      if (isLate) this.#absorbed += 1
      return isLate
    }
    this.#input(transaction, { kind: 'response', status: response.status }, { kind: 'response', response })
    return true
  }

  /** The request could not be sent. @see RFC 3261 §17.1.4 */
  fail(wire: ClientWire, detail: string): void {
    const transaction = this.#byKey.get(clientTransactionKey(wire.branch, wire.method))
    if (transaction?.wire !== wire) return
    this.#input(transaction, { kind: 'transport-error' }, { kind: 'failed', cause: 'transport', detail })
  }

  close(): void {
    this.#answered.close()
    for (const transaction of this.#byKey.values()) {
      const { wire } = transaction
      this.#forget(transaction)
      wire?.done({ kind: 'failed', cause: 'transport', detail: 'shutting down' })
    }
  }

  #input(transaction: Transaction, input: NonInviteClientInput, reply: SipReply | undefined): void {
    this.#follow(transaction, advanceNonInviteClient(transaction.state, input), reply)
  }

  #follow(transaction: Transaction, step: NonInviteClientStep, reply: SipReply | undefined): void {
    const wasStarted = transaction.timers.F !== undefined
    transaction.state = step.state
    if (step.state.name === 'terminated') this.#byKey.delete(transaction.key)
    const { wire } = transaction
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-request':
          if (wasStarted) this.#retransmitted += 1
          wire?.transmit()
          break
        case 'arm-timer': {
          const { timer } = effect
          // Nothing but its key is needed to know late copies.
          if (timer === 'K') {
            this.#byKey.delete(transaction.key)
            this.#answered.set(transaction.key)
            break
          }
          transaction.timers[timer] = this.#timers.arm(effect.afterMs, () =>
            this.#input(transaction, { kind: 'timer', timer }, undefined),
          )
          break
        }
        case 'cancel-timer':
          transaction.timers[effect.timer]?.cancel()
          transaction.timers[effect.timer] = undefined
          break
        case 'report-provisional':
          transaction.provisional = true
          break
        case 'report-final':
        case 'report-failure':
          transaction.wire = undefined
          wire?.done(reply ?? timedOut(transaction.provisional))
          break
        default:
          unreachable(effect)
      }
    }
  }

  #forget(transaction: Transaction): void {
    this.#byKey.delete(transaction.key)
    transaction.wire = undefined
    transaction.state = { name: 'terminated' }
    for (const timer of Object.values(transaction.timers)) timer?.cancel()
  }
}

const timedOut = (provisional: boolean): SipReply => ({
  kind: 'failed',
  cause: 'timeout',
  detail: provisional ? 'no final response within 32 s' : 'no response within 32 s',
  provisional,
})
