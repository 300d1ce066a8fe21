import type { SipRequest } from '@stox/sip'
import type { Metrics } from '@stox/telemetry'
import type { SipReply, SipRequestOptions } from '@stox/transport'

export interface SendOptions extends SipRequestOptions {
  /** The domain of ours on whose behalf: with TLS the server may prove this one instead. */
  readonly domain?: string
  /** Tried in turn after the servers of the first. */
  readonly backups?: readonly string[]
}

/** Sends a request towards a URI or a route, trying its servers in turn. Never rejects. */
export interface SipSender {
  send(request: SipRequest, towards: string, options?: SendOptions): Promise<SipReply>
}

/** Sends the ACK to a 2xx, to which nothing is said. @see RFC 3261 §13.2.2.4 */
export interface SipAcknowledger {
  acknowledge(ack: SipRequest, towards: string, options?: SendOptions): Promise<void>
}

/** Counts how client transactions end. */
export class CountingSender implements SipSender {
  readonly #sender: SipSender
  readonly #metrics: Pick<Metrics, 'sipTransactionEnded'>

  constructor(sender: SipSender, metrics: Pick<Metrics, 'sipTransactionEnded'>) {
    this.#sender = sender
    this.#metrics = metrics
  }

  async send(request: SipRequest, towards: string, options?: SendOptions): Promise<SipReply> {
    const reply = await this.#sender.send(request, towards, options)
    const end = reply.kind === 'response' ? reply.response.status : reply.cause === 'timeout' ? 'timeout' : 'transport'
    this.#metrics.sipTransactionEnded('client', request.method, end)
    return reply
  }
}
