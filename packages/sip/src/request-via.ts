import { listEntryEnd } from './grammar.ts'
import type { SipRequest } from './message.ts'
import { formatVia, withoutBrackets, type Via } from './via.ts'

/** The request with one more Via on top. */
export const withVia = (request: SipRequest, via: Via): SipRequest => ({
  ...request,
  headers: request.headers.prepend('Via', formatVia(via)),
  core: { ...request.core, vias: [via, ...request.core.vias] },
})

/**
 * What a server notes on the top Via before it does anything else: `received` when the request came from elsewhere than
 * it says, or when `rport` asks; the port when `rport` asks. A `received` or `rport` that the sender wrote itself is not
 * believed. Everything below the top Via stays as it is, byte for byte.
 * @see RFC 3261 §18.2.1, RFC 3581 §4, RFC 5118 §4.5
 */
export function withReceived(
  request: SipRequest,
  source: { readonly host: string; readonly port: number },
): SipRequest {
  const [top, ...below] = request.core.vias
  if (top === undefined) return request
  const asksForPort = top.params.has('rport')
  const sourceHost = withoutBrackets(source.host)
  if (!asksForPort && !top.params.has('received') && withoutBrackets(top.host) === sourceHost) return request
  const params = new Map(top.params)
  params.set('received', sourceHost)
  if (asksForPort) params.set('rport', String(source.port))
  const noted: Via = { ...top, params }
  return {
    ...request,
    headers: request.headers.withEdited('Via', (raw) => formatVia(noted) + raw.slice(listEntryEnd(raw, 0))),
    core: { ...request.core, vias: [noted, ...below] },
  }
}
