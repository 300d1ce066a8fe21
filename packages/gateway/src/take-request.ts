import type { FederationIndex } from '@stox/federation'
import { newSipResponse, parseSipUri } from '@stox/sip'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import type { Ids } from '@stox/kernel'
import { ACCEPTED_TYPES, ALLOWED_METHODS, sipUriToJid } from '@stox/translate'
import type { IncomingSipRequest } from '@stox/transport'
import { refuse } from './refuse.ts'

export interface TakeRequestDeps {
  readonly ids: Ids
  index(): FederationIndex
  message(incoming: IncomingSipRequest): void
  subscribe(incoming: IncomingSipRequest): void
  notify(incoming: IncomingSipRequest): void
}

/** What the SIP side hands us; retransmissions, merged and broken requests were kept away. */
export function takeRequest(deps: TakeRequestDeps, incoming: IncomingSipRequest): void {
  switch (incoming.request.method) {
    case 'MESSAGE':
      // MESSAGE makes no dialog, and sessions are not offered. @see RFC 3428 §4
      if (incoming.request.core.to.params.has('tag')) return refuse(deps, incoming, 481)
      return deps.message(incoming)
    case 'SUBSCRIBE':
      return deps.subscribe(incoming)
    case 'NOTIFY':
      return deps.notify(incoming)
    case 'OPTIONS':
      return answerOptions(deps, incoming)
    default:
      return refuse(deps, incoming, 405, [['Allow', ALLOWED_METHODS]])
  }
}

/** To ourselves, or to an XMPP user: as a MESSAGE would be answered, without sending anything. @see mapping G.7 */
function answerOptions(deps: TakeRequestDeps, incoming: IncomingSipRequest): void {
  const known = isServed(deps.index(), incoming.request)
  const toTag = deps.ids.token()
  if (!known) return incoming.respond(newSipResponse(incoming.request, 404, undefined, { toTag }))
  const headers: SipHeaderEntry[] = [
    ['Allow', ALLOWED_METHODS],
    ['Accept', `${ACCEPTED_TYPES}, application/pidf+xml`],
    ['Accept-Encoding', 'identity'],
    ['Accept-Language', '*'],
    ['Allow-Events', 'presence'],
    ['Supported', ''],
  ]
  incoming.respond(newSipResponse(incoming.request, 200, undefined, { toTag, headers }))
}

function isServed(index: FederationIndex, request: SipRequest): boolean {
  const uri = parseSipUri(request.uri)
  if (!uri.ok) return false
  if (uri.value.user === undefined) return true
  const jid = sipUriToJid(uri.value)
  return jid.ok && index.partnerOf(jid.value.domain) !== undefined
}
