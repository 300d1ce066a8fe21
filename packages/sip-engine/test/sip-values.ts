import type { Ids } from '@stox/kernel'
import { nameAddr, newSipRequest, newSipResponse, newSipUri } from '@stox/sip'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import type { SubscriptionReply } from '../src/subscription-reply.ts'

/** Tokens that can be told apart, and a chance that is always the middle. */
export function countingIds(fraction = 0.5): Ids {
  let next = 0
  return { token: () => `t${(next += 1)}`, fraction: () => fraction }
}

const juliet = newSipUri({ user: 'juliet', host: 'capulet.example' })
const romeo = newSipUri({ user: 'romeo', host: 'montague.example' })

/** A request from Romeo's side to Juliet's. */
export const fromRomeo = (
  method: string,
  options: {
    readonly callId?: string
    readonly cseq?: number
    readonly fromTag?: string
    readonly toTag?: string
    readonly headers?: readonly SipHeaderEntry[]
    readonly body?: string
  } = {},
): SipRequest =>
  newSipRequest({
    method,
    uri: 'sip:juliet@192.0.2.1:5098',
    from: nameAddr(romeo, undefined, options.fromTag ?? 'romeo-tag'),
    to: nameAddr(juliet, undefined, options.toTag),
    callId: options.callId ?? 'call-1',
    cseq: options.cseq ?? 1,
    headers: options.headers ?? [],
    ...(options.body === undefined ? {} : { contentType: 'application/pidf+xml', body: options.body }),
  })

export const answered = (
  request: SipRequest,
  status: number,
  headers: readonly SipHeaderEntry[] = [],
): SubscriptionReply => ({
  kind: 'response',
  response: newSipResponse(request, status, undefined, { toTag: 'romeo-tag', headers }),
})

export const lost: SubscriptionReply = { kind: 'failed', cause: 'timeout', detail: 'no response within 32 s' }
export const broken: SubscriptionReply = { kind: 'failed', cause: 'transport', detail: 'ECONNREFUSED' }
