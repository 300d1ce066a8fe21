import { PassingMap, unreachable } from '@stox/kernel'
import type { Ids, Timer, Timers } from '@stox/kernel'
import { formatSipMessage, newSipResponse } from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import { TRANSACTION_MS, advanceNonInviteServer, mergeKey, startNonInviteServer } from '@stox/sip-engine'
import type {
  Carrier,
  NonInviteServerInput,
  NonInviteServerState,
  NonInviteServerStep,
  NonInviteServerTimer,
} from '@stox/sip-engine'
import { AnsweredCopies } from './answered-copies.ts'
import type { SipAddress } from './sip-endpoint-types.ts'

type Transmit = (bytes: Uint8Array) => void

/** How to answer a request, and whom to tell when nobody did. */
export interface ServerWire {
  readonly transmit: Transmit
  /** Where that sends to. */
  readonly to: SipAddress
  unanswered(): void
}

interface NonInvite {
  readonly key: string
  /** The final response as it was sent first: a retransmission gets these very bytes. */
  answer: Uint8Array | undefined
  status: number
  readonly wire: ServerWire
  state: NonInviteServerState
  /** Let go of when answered. */
  request: SipRequest | undefined
  readonly mergeKey: string | undefined
  readonly timers: { [Name in NonInviteServerTimer]?: Timer | undefined }
}

export interface ServerTransactionLimits {
  readonly maxServerTransactions: number
  readonly maxUnanswered: number
}

export interface OpenedTransaction {
  /** The first call answers; later ones do nothing. */
  answer(response: SipResponse): void
}

/** The requests we have taken: each is handed up once, and its answer is repeated as often as it is asked for. @see RFC 3261 §17.2 */
export class ServerTransactions {
  readonly #timers: Timers
  readonly #limits: ServerTransactionLimits
  readonly #byKey = new PassingMap<string, NonInvite>()
  readonly #byMergeKey = new PassingMap<string, NonInvite>()
  readonly #answered: AnsweredCopies
  #unanswered = 0
  #absorbed = 0
  #retransmitted = 0

  constructor(timers: Timers, ids: Ids, limits: ServerTransactionLimits) {
    this.#timers = timers
    this.#limits = limits
    // Those under way when it became full are answered, too.
    const most = limits.maxServerTransactions + limits.maxUnanswered
    this.#answered = new AnsweredCopies(timers, ids, { forMs: TRANSACTION_MS, most })
  }

  /** Those that are answered, and wait for copies, are in it. */
  get size(): number {
    return this.#byKey.size + this.#answered.size
  }

  get unanswered(): number {
    return this.#unanswered
  }

  get absorbed(): number {
    return this.#absorbed
  }

  get retransmitted(): number {
    return this.#retransmitted
  }

  get full(): boolean {
    const { maxServerTransactions, maxUnanswered } = this.#limits
    return this.size >= maxServerTransactions || this.#unanswered >= maxUnanswered
  }

  has(key: string): boolean {
    return this.#byKey.has(key) || this.#answered.has(key)
  }

  /** True when the request is a copy of one we have: it has got what it deserves, by `again` if we have answered. */
  absorb(key: string, again: (answer: Uint8Array, to: SipAddress) => void): boolean {
    const transaction = this.#byKey.get(key)
    if (transaction !== undefined) {
      this.#absorbed += 1
      this.#input(transaction, { kind: 'retransmission' })
      return true
    }
    const answered = this.#answered.get(key)
    if (answered === undefined) return false
    this.#absorbed += 1
    this.#retransmitted += 1
    again(answered.answer, answered.to)
    return true
  }

  /**
   * True when the same request has come by another way. One that we refused may be tried again with a new branch, as
   * RFC 3263 asks of the client. @see RFC 3261 §8.2.2.2
   */
  isMerged(request: SipRequest): boolean {
    const key = mergeKey(request)
    if (key === undefined) return false
    const other = this.#byMergeKey.get(key)
    return other === undefined ? this.#answered.isAccepted(key) : other.status < 300
  }

  open(key: string, request: SipRequest, carrier: Carrier, wire: ServerWire): OpenedTransaction {
    const step = startNonInviteServer(carrier)
    const merging = mergeKey(request)
    const transaction: NonInvite = {
      ...{ key, request, wire, state: step.state, mergeKey: merging },
      ...{ answer: undefined, status: 0, timers: {} },
    }
    this.#byKey.set(key, transaction)
    if (merging !== undefined) this.#byMergeKey.set(merging, transaction)
    this.#unanswered += 1
    this.#follow(transaction, step)
    return {
      answer: (response) => {
        if (transaction.answer !== undefined || response.status < 200 || transaction.state.name === 'terminated') return
        transaction.answer = formatSipMessage(response)
        transaction.status = response.status
        this.#input(transaction, { kind: 'answer' })
      },
    }
  }

  close(): void {
    for (const transaction of this.#byKey.values()) {
      transaction.state = { name: 'terminated' }
      for (const timer of Object.values(transaction.timers)) timer?.cancel()
    }
    this.#byKey.clear()
    this.#byMergeKey.clear()
    this.#answered.close()
    this.#unanswered = 0
  }

  #input(transaction: NonInvite, input: NonInviteServerInput): void {
    this.#follow(transaction, advanceNonInviteServer(transaction.state, input))
  }

  #follow(transaction: NonInvite, step: NonInviteServerStep): void {
    transaction.state = step.state
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-trying':
          if (transaction.request !== undefined) {
            transaction.wire.transmit(formatSipMessage(newSipResponse(transaction.request, 100)))
          }
          break
        case 'send-final':
          this.#settle(transaction)
          if (transaction.answer !== undefined) transaction.wire.transmit(transaction.answer)
          break
        case 'arm-timer': {
          const { timer } = effect
          if (timer === 'J') {
            this.#leaveCopies(transaction)
            break
          }
          transaction.timers[timer] = this.#timers.arm(effect.afterMs, () =>
            this.#input(transaction, { kind: 'timer', timer }),
          )
          break
        }
        case 'cancel-timer':
          transaction.timers[effect.timer]?.cancel()
          transaction.timers[effect.timer] = undefined
          break
        case 'report-unanswered':
          this.#settle(transaction)
          transaction.wire.unanswered()
          break
        default:
          unreachable(effect)
      }
    }
    if (step.state.name === 'terminated') this.#forget(transaction)
  }

  /** No longer unanswered. */
  #settle(transaction: NonInvite): void {
    if (transaction.request === undefined) return
    transaction.request = undefined
    this.#unanswered -= 1
  }

  /** Nothing happens to it any more but copies of the request. */
  #leaveCopies(transaction: NonInvite): void {
    const { key, mergeKey: merging, status, answer, wire } = transaction
    this.#forget(transaction)
    if (answer === undefined) return
    this.#answered.add(key, { answer, to: wire.to })
    if (merging !== undefined && status < 300) this.#answered.addAccepted(merging)
  }

  #forget(transaction: NonInvite): void {
    this.#byKey.delete(transaction.key)
    if (transaction.mergeKey === undefined) return
    if (this.#byMergeKey.get(transaction.mergeKey) === transaction) this.#byMergeKey.delete(transaction.mergeKey)
  }
}
