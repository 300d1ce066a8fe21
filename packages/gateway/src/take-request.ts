import type { FederationIndex } from '@stox/federation'
import { newSipResponse, parseSipUri } from '@stox/sip'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import type { Ids } from '@stox/kernel'
import { ACCEPTED_TYPES, ALLOWED_METHODS, sessionMethods, sipUriToJid } from '@stox/translate'
import type { IncomingSipRequest } from '@stox/transport'
import { refuse } from './refuse.ts'

export interface TakeRequestDeps {
  readonly ids: Ids
  index(): FederationIndex
  message(incoming: IncomingSipRequest): void
  subscribe(incoming: IncomingSipRequest): void
  notify(incoming: IncomingSipRequest): void
  /** Whether the one who asks may open sessions. */
  takesSessions?(request: SipRequest): boolean
  invite?(incoming: IncomingSipRequest): void
  /** False when it is in no session of ours. */
  inSession?(incoming: IncomingSipRequest): boolean
}

/** What the SIP side hands us; retransmissions, merged and broken requests were kept away. */
export function takeRequest(deps: TakeRequestDeps, incoming: IncomingSipRequest): void {
  const { method, core } = incoming.request
  const isInDialog = core.to.params.has('tag')
  switch (method) {
    case 'MESSAGE':
      // It makes no dialog: there is one only where there is a session. @see RFC 3428 §4
      return isInDialog ? takeInSession(deps, incoming) : deps.message(incoming)
    case 'SUBSCRIBE':
      return deps.subscribe(incoming)
    case 'NOTIFY':
      return deps.notify(incoming)
    case 'OPTIONS':
      return answerOptions(deps, incoming)
    default:
      // Where nobody may open sessions the endpoint has answered so already.
      if (deps.invite === undefined) return refuse(deps, incoming, 405, [['Allow', ALLOWED_METHODS]])
      return method === 'INVITE' && !isInDialog ? deps.invite(incoming) : takeInSession(deps, incoming)
  }
}

function takeInSession(deps: TakeRequestDeps, incoming: IncomingSipRequest): void {
  if (deps.inSession?.(incoming) !== true) refuse(deps, incoming, 481)
}

/** To ourselves, or to an XMPP user: as a MESSAGE would be answered, without sending anything. @see mapping G.7 */
function answerOptions(deps: TakeRequestDeps, incoming: IncomingSipRequest): void {
  const known = isServed(deps.index(), incoming.request)
  const toTag = deps.ids.token()
  if (!known) return incoming.respond(newSipResponse(incoming.request, 404, undefined, { toTag }))
  const headers: SipHeaderEntry[] = [
    ['Allow', deps.takesSessions?.(incoming.request) === true ? sessionMethods : ALLOWED_METHODS],
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
