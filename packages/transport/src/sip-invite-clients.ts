import { NamedTimers, unreachable } from '@stox/kernel'
import type { Timers } from '@stox/kernel'
import { formatSipMessage } from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import {
  ackOfRefusal,
  advanceInviteClient,
  cancelOf,
  clientTransactionKey,
  clientTransactionKeyOf,
  startInviteClient,
} from '@stox/sip-engine'
import type {
  Carrier,
  InviteClientInput,
  InviteClientState,
  InviteClientStep,
  InviteClientTimer,
} from '@stox/sip-engine'
import type { ClientTransactions } from './sip-client-transactions.ts'
import type { SipReply } from './sip-endpoint-types.ts'

/** An INVITE on the wire: how to send it and what belongs to it, and whom to tell how it ended. */
export interface InviteWire {
  /** As it is sent: with its Via. */
  readonly invite: SipRequest
  readonly branch: string
  readonly carrier: Carrier
  readonly patienceMs: number
  transmit(bytes: Uint8Array): void
  done(reply: SipReply): void
  /** One more 2xx after the first: to be acknowledged like it. @see RFC 3261 §13.2.2.4 */
  accepted(response: SipResponse): void
}

interface Transaction {
  readonly key: string
  readonly wire: InviteWire
  readonly bytes: Uint8Array
  state: InviteClientState
  /** The last response that is of any use to an effect. */
  response: SipResponse | undefined
  provisional: boolean
  isDone: boolean
  readonly timers: NamedTimers<InviteClientTimer>
}

/** The INVITEs that wait for an answer, or for copies of it. @see RFC 3261 §17.1.1 */
export class InviteClients {
  readonly #timers: Timers
  readonly #max: number
  readonly #others: Pick<ClientTransactions, 'start'>
  readonly #byKey = new Map<string, Transaction>()

  /** `others`: where a CANCEL is a request like any other. */
  constructor(timers: Timers, max: number, others: Pick<ClientTransactions, 'start'>) {
    this.#timers = timers
    this.#max = max
    this.#others = others
  }

  get size(): number {
    return this.#byKey.size
  }

  /** False when the table is full. */
  start(wire: InviteWire): boolean {
    if (this.#byKey.size >= this.#max) return false
    const key = clientTransactionKey(wire.branch, 'INVITE')
    const step = startInviteClient(wire.carrier, wire.patienceMs)
    const bytes = formatSipMessage(wire.invite)
    const own = {
      key,
      wire,
      bytes,
      response: undefined,
      provisional: false,
      isDone: false,
      timers: new NamedTimers<InviteClientTimer>(),
    }
    const transaction: Transaction = { ...own, state: step.state }
    this.#byKey.set(key, transaction)
    this.#follow(transaction, step)
    return true
  }

  /** False when nobody waits for this response. */
  take(response: SipResponse): boolean {
    const transaction = this.#byKey.get(clientTransactionKeyOf(response) ?? '')
    if (transaction === undefined) return false
    transaction.response = response
    this.#input(transaction, { kind: 'response', status: response.status })
    return true
  }

  /** The request could not be sent. @see RFC 3261 §17.1.4 */
  fail(branch: string, detail: string): void {
    const transaction = this.#byKey.get(clientTransactionKey(branch, 'INVITE'))
    if (transaction !== undefined) this.#input(transaction, { kind: 'transport-error' }, detail)
  }

  close(): void {
    for (const transaction of this.#byKey.values()) {
      transaction.state = { name: 'terminated' }
      transaction.timers.cancelAll()
      this.#end(transaction, { kind: 'failed', cause: 'transport', detail: 'shutting down' })
    }
    this.#byKey.clear()
  }

  #input(transaction: Transaction, input: InviteClientInput, detail = ''): void {
    this.#follow(transaction, advanceInviteClient(transaction.state, input), detail)
  }

  #follow(transaction: Transaction, step: InviteClientStep, detail = ''): void {
    const { wire, response, timers } = transaction
    transaction.state = step.state
    if (step.state.name === 'terminated') this.#byKey.delete(transaction.key)
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-request':
          wire.transmit(transaction.bytes)
          break
        case 'send-ack':
          if (response !== undefined) wire.transmit(formatSipMessage(ackOfRefusal(wire.invite, response)))
          break
        case 'send-cancel':
          this.#cancel(wire)
          break
        case 'arm-timer': {
          const { timer } = effect
          timers.arm(this.#timers, timer, effect.afterMs, () => this.#input(transaction, { kind: 'timer', timer }))
          break
        }
        case 'cancel-timer':
          timers.cancel(effect.timer)
          break
        case 'report-provisional':
          transaction.provisional = true
          break
        case 'report-final':
          if (response !== undefined) this.#end(transaction, { kind: 'response', response })
          break
        case 'report-accepted':
          if (response !== undefined) wire.accepted(response)
          break
        case 'report-failure':
          this.#end(transaction, failure(effect.cause, detail, transaction.provisional))
          break
        default:
          unreachable(effect)
      }
    }
  }

  #cancel(wire: InviteWire): void {
    const bytes = formatSipMessage(cancelOf(wire.invite))
    this.#others.start({
      branch: wire.branch,
      method: 'CANCEL',
      carrier: wire.carrier,
      transmit: () => wire.transmit(bytes),
      done: () => undefined, // what counts is how the INVITE ends
    })
  }

  #end(transaction: Transaction, reply: SipReply): void {
    if (transaction.isDone) return
    transaction.isDone = true
    transaction.wire.done(reply)
  }
}

function failure(cause: 'timeout' | 'transport', detail: string, provisional: boolean): SipReply {
  if (cause === 'transport') return { kind: 'failed', cause, detail }
  const what = provisional ? 'no final response to INVITE, nor to its CANCEL' : 'no response to INVITE within 32 s'
  return { kind: 'failed', cause, detail: what, provisional }
}
