import { BRANCH_COOKIE } from '@stox/sip'
import type { SipRequest, SipResponse, Via } from '@stox/sip'

/** `ACK` to a refusal belongs to the INVITE it refuses. @see RFC 3261 §17.2.3 */
const matchedMethod = (method: string): string => (method === 'ACK' ? 'INVITE' : method)

/**
 * What a retransmission of a request has in common with it, and nothing else has. Sent-by counts, since the branch is
 * only unique at the client that chose it. @see RFC 3261 §17.2.3
 */
export function serverTransactionKey(request: SipRequest, method = matchedMethod(request.method)): string | undefined {
  const via = request.core.vias[0]
  if (via === undefined) return undefined
  const branch = via.params.get('branch')
  if (branch !== undefined && branch.startsWith(BRANCH_COOKIE)) return `${branch} ${sentBy(via)} ${method}`
  return rfc2543Key(request, via, method)
}

/** COMPAT RFC 2543 clients, whose branch is no identity: Request-URI, tags, Call-ID, CSeq and top Via together are. */
function rfc2543Key(request: SipRequest, via: Via, method: string): string {
  const { from, to, callId, cseq } = request.core
  // The ACK to a refusal carries the To tag of that refusal, which the INVITE had not.
  const toTag = method === 'INVITE' ? '' : (to.params.get('tag') ?? '')
  const branch = via.params.get('branch') ?? ''
  return JSON.stringify([
    request.uri,
    from.params.get('tag') ?? '',
    toTag,
    callId,
    cseq.number,
    method,
    via.transport,
    sentBy(via),
    branch,
  ])
}

/** Our branches are unique by themselves; the method tells a CANCEL's response apart. @see RFC 3261 §17.1.3 */
export function clientTransactionKey(branch: string, method: string): string {
  return `${branch} ${method}`
}

export function clientTransactionKeyOf(response: SipResponse): string | undefined {
  const branch = response.core.vias[0]?.params.get('branch')
  return branch === undefined ? undefined : clientTransactionKey(branch, response.core.cseq.method)
}

/**
 * What copies of one request that came by several ways have in common; undefined within a dialog, where no request
 * forks. The transaction key tells such copies apart, this joins them. @see RFC 3261 §8.2.2.2
 */
export function mergeKey(request: SipRequest): string | undefined {
  const { from, to, callId, cseq } = request.core
  if (to.params.has('tag')) return undefined
  return `${from.params.get('tag') ?? ''} ${cseq.number} ${cseq.method} ${callId}`
}

const sentBy = (via: Via): string => (via.port === undefined ? via.host : `${via.host}:${via.port}`)
