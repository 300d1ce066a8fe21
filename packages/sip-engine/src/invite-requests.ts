import { newSipRequest, withVia } from '@stox/sip'
import type { NameAddr, SipHeaderEntry, SipRequest, SipResponse } from '@stox/sip'

/** The ACK to a refusal: the INVITE's own transaction, with the To of the refusal. @see RFC 3261 §17.1.1.3 */
export const ackOfRefusal = (invite: SipRequest, refusal: SipResponse): SipRequest =>
  sibling(invite, 'ACK', refusal.core.to)

/** @see RFC 3261 §9.1 */
export const cancelOf = (invite: SipRequest): SipRequest => sibling(invite, 'CANCEL', invite.core.to)

/** Goes the way of the INVITE, with its branch. */
function sibling(invite: SipRequest, method: 'ACK' | 'CANCEL', to: NameAddr): SipRequest {
  const [via] = invite.core.vias
  if (via === undefined) throw new RangeError('an INVITE that was never sent')
  const request = newSipRequest({
    method,
    uri: invite.uri,
    from: invite.core.from,
    to,
    callId: invite.core.callId,
    cseq: invite.core.cseq.number,
    headers: invite.headers.list('Route').map((route): SipHeaderEntry => ['Route', route]),
  })
  return withVia(request, via)
}
