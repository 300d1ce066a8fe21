import { NamedTimers, unreachable } from '@stox/kernel'
import type { Timers } from '@stox/kernel'
import { formatSipMessage, newSipResponse } from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import { advanceInviteServer, mergeKey, startInviteServer } from '@stox/sip-engine'
import type {
  Carrier,
  InviteServerInput,
  InviteServerState,
  InviteServerStep,
  InviteServerTimer,
} from '@stox/sip-engine'
import type { ServerWire } from './sip-server-transactions.ts'

interface Transaction {
  readonly key: string
  readonly request: SipRequest
  readonly wire: ServerWire
  readonly mergeKey: string | undefined
  state: InviteServerState
  /** The final response as it was sent first. */
  answer: Uint8Array | undefined
  status: number
  cancelled: boolean
  readonly timers: NamedTimers<InviteServerTimer>
}

export interface OpenedInvite {
  /** The first call answers. After a 2xx each later one repeats it, until the ACK; after a refusal they do nothing. */
  answer(response: SipResponse): void
  isCancelled(): boolean
}

/** The INVITEs we have taken, or refuse. @see RFC 3261 §17.2.1 */
export class InviteServers {
  readonly #timers: Timers
  readonly #byKey = new Map<string, Transaction>()
  readonly #byMergeKey = new Map<string, Transaction>()
  #absorbed = 0

  constructor(timers: Timers) {
    this.#timers = timers
  }

  get size(): number {
    return this.#byKey.size
  }

  get absorbed(): number {
    return this.#absorbed
  }

  has(key: string): boolean {
    return this.#byKey.has(key)
  }

  /** True when the INVITE is a copy of one we have: it has got what it deserves. */
  absorb(key: string): boolean {
    const transaction = this.#byKey.get(key)
    if (transaction === undefined) return false
    this.#absorbed += 1
    this.#input(transaction, { kind: 'retransmission' })
    return true
  }

  /** False when the ACK is none for a refusal of ours. */
  acknowledge(key: string): boolean {
    const transaction = this.#byKey.get(key)
    if (transaction === undefined) return false
    this.#input(transaction, { kind: 'ack' })
    return true
  }

  /** @see RFC 3261 §8.2.2.2 */
  isMerged(request: SipRequest): boolean {
    const other = this.#byMergeKey.get(mergeKey(request) ?? '')
    return other !== undefined && other.status < 300
  }

  /** Whether there was something to cancel: then it is refused by 487. @see RFC 3261 §9.2 */
  cancel(key: string): boolean {
    const transaction = this.#byKey.get(key)
    if (transaction === undefined || transaction.answer !== undefined) return false
    transaction.cancelled = true
    this.#answer(transaction, newSipResponse(transaction.request, 487, undefined, { toTag: TOO_LATE_TAG }))
    return true
  }

  open(key: string, request: SipRequest, carrier: Carrier, wire: ServerWire): OpenedInvite {
    const step = startInviteServer(carrier)
    const merging = mergeKey(request)
    const transaction: Transaction = {
      ...{ key, request, wire, state: step.state, mergeKey: merging },
      ...{ answer: undefined, status: 0, cancelled: false, timers: new NamedTimers<InviteServerTimer>() },
    }
    this.#byKey.set(key, transaction)
    if (merging !== undefined) this.#byMergeKey.set(merging, transaction)
    this.#follow(transaction, step)
    return {
      answer: (response) => this.#answer(transaction, response),
      isCancelled: () => transaction.cancelled,
    }
  }

  close(): void {
    for (const transaction of this.#byKey.values()) {
      transaction.state = { name: 'terminated' }
      transaction.timers.cancelAll()
    }
    this.#byKey.clear()
    this.#byMergeKey.clear()
  }

  #answer(transaction: Transaction, response: SipResponse): void {
    if (response.status < 200) return
    if (transaction.answer !== undefined) return this.#input(transaction, { kind: 'again' })
    transaction.answer = formatSipMessage(response)
    transaction.status = response.status
    this.#input(transaction, { kind: 'answer', status: response.status })
  }

  #input(transaction: Transaction, input: InviteServerInput): void {
    this.#follow(transaction, advanceInviteServer(transaction.state, input))
  }

  #follow(transaction: Transaction, step: InviteServerStep): void {
    const { wire, timers } = transaction
    transaction.state = step.state
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-trying':
          wire.transmit(formatSipMessage(newSipResponse(transaction.request, 100)))
          break
        case 'send-final':
          if (transaction.answer !== undefined) wire.transmit(transaction.answer)
          break
        case 'arm-timer': {
          const { timer } = effect
          timers.arm(this.#timers, timer, effect.afterMs, () => this.#input(transaction, { kind: 'timer', timer }))
          break
        }
        case 'cancel-timer':
          timers.cancel(effect.timer)
          break
        case 'report-unanswered':
          wire.unanswered()
          this.#answer(transaction, newSipResponse(transaction.request, 500, undefined, { toTag: TOO_LATE_TAG }))
          break
        default:
          unreachable(effect)
      }
    }
    if (step.state.name === 'terminated') this.#forget(transaction)
  }

  #forget(transaction: Transaction): void {
    this.#byKey.delete(transaction.key)
    if (transaction.mergeKey !== undefined && this.#byMergeKey.get(transaction.mergeKey) === transaction)
      this.#byMergeKey.delete(transaction.mergeKey)
  }
}

/** Of refusals that nobody but this table makes: no dialog has it. */
const TOO_LATE_TAG = 'ended'
