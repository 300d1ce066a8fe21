import type { SipResponse } from '@stox/sip'
import type { Metrics } from '@stox/telemetry'
import type { IncomingSipRequest } from '@stox/transport'

/** Counts how the server transaction ends. */
export function countingAnswer(
  incoming: IncomingSipRequest,
  metrics: Pick<Metrics, 'sipTransactionEnded'>,
): IncomingSipRequest {
  const { request, flow, isCancelled } = incoming
  const respond = (response: SipResponse): void => {
    metrics.sipTransactionEnded('server', request.method, response.status)
    incoming.respond(response)
  }
  if (isCancelled === undefined) return { request, flow, respond }
  // A 2xx to INVITE is said more than once.
  let isSaid = false
  const once = (response: SipResponse): void => {
    if (isSaid) return incoming.respond(response)
    isSaid = true
    respond(response)
  }
  return { request, flow, respond: once, isCancelled }
}
