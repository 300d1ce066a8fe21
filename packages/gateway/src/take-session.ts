import type { Ids, Log, Outcome } from '@stox/kernel'
import { decideOutbound, refusalOf } from '@stox/federation'
import type { FederationIndex } from '@stox/federation'
import { KEYBOARD_ACTIVITY_TYPE, newSipResponse, parseKeyboardActivity, parseMediaType } from '@stox/sip'
import type { IsComposing, SipRequest, SipResponse } from '@stox/sip'
import { failureToSip, firstWordsOf } from '@stox/translate'
import type { SipFailure, SipParties } from '@stox/translate'
import type { IncomingSipRequest } from '@stox/transport'
import { formatBareJid, parseDomain } from '@stox/xmpp'
import { brokeDown, misaddressed } from './bounce.ts'
import type { ChatSessions } from './chat-sessions.ts'
import type { SipRoute } from './choose-route.ts'
import { partiesFor, refuseRequest } from './deliver-to-xmpp.ts'
import type { NewWorkDoor } from './new-work-door.ts'

export interface TakeSessionDeps {
  readonly ids: Ids
  readonly log: Log
  readonly door: NewWorkDoor
  readonly sessions: Pick<ChatSessions, 'begins' | 'open' | 'judgeOffer' | 'isFull'>
  index(): FederationIndex
  route(domain: string): SipRoute | undefined
  /** Passes words on, and answers them. */
  words(incoming: IncomingSipRequest, parties: SipParties): Promise<Outcome>
  typing(parties: SipParties, composing: IsComposing): Promise<Outcome>
}

/** In how many seconds an INVITE may come again, when there is no room for it now. @see RFC 3261 §21.5.4 */
export function busyForSessionS(
  deps: Pick<TakeSessionDeps, 'door' | 'sessions'>,
  request: SipRequest,
): number | undefined {
  if (request.method !== 'INVITE' || request.core.to.params.has('tag')) return undefined
  const domain = parseDomain(request.core.from.uri.host)
  const isFull = domain.ok && deps.sessions.isFull(domain.value)
  return deps.door.open && !isFull ? undefined : deps.door.appointmentS()
}

/** An INVITE of a SIP user to an XMPP user, who hears nothing of it: XMPP has no set-up of sessions. @see RFC 7573 §5 */
export async function takeInvite(deps: TakeSessionDeps, incoming: IncomingSipRequest): Promise<void> {
  const leave = [deps.door.enter()]
  const settled = (): void => leave.splice(0).forEach((end) => end())
  const failure = await open(deps, incoming, { leave, settled }).catch((error: unknown) => brokeDown(error))
  if (failure === undefined) return
  settled()
  const { status, reason, headers } = failureToSip(failure)
  incoming.respond(newSipResponse(incoming.request, status, reason, { toTag: deps.ids.token(), headers }))
  deps.log.info('session-refused', { callId: incoming.request.core.callId, status, detail: failure.detail })
}

/** Why it is not opened; undefined when all is said. */
async function open(
  deps: TakeSessionDeps,
  incoming: IncomingSipRequest,
  { leave, settled }: { readonly leave: (() => void)[]; settled(): void },
): Promise<SipFailure | undefined> {
  const { request } = incoming
  const index = deps.index()
  const known = partiesFor(index, request)
  if (!known.ok) return known.failure
  const parties = known.value
  const { from, to } = parties
  const refusal = refuseRequest(index, request, parties)
  if (refusal !== undefined) return refusal
  const decision = decideOutbound(index, { fromDomain: from.domain, toDomain: to.domain, kind: 'message' })
  if (!decision.allowed) return refusalOf(decision)
  const route = deps.route(from.domain)
  if (route === undefined) return misaddressed(`${from.domain} is not ours`)
  const wrong = deps.sessions.judgeOffer(request, parties, route)
  if (wrong !== undefined) return wrong
  leave.push(deps.sessions.begins(parties))

  const words = firstWordsOf(request)
  if (words !== undefined) {
    const answer = await deliverFirst(deps, incoming, parties, words)
    if (answer !== undefined) {
      settled()
      incoming.respond(answer)
      return undefined
    }
    // Nobody waits for it any more; that the words were passed on cannot be taken back.
    if (incoming.isCancelled?.() === true) {
      settled()
      return undefined
    }
  }
  // Whoever sees that his first words were taken does not say them again. @see mapping D.14 item 8
  return deps.sessions.open(incoming, parties, route, {
    supported: words === undefined ? '' : 'ms-text-format',
    settled,
  })
}

/** The refusal of the whole, when they cannot be passed on: so he learns of it. */
async function deliverFirst(
  { words: pass }: TakeSessionDeps,
  incoming: IncomingSipRequest,
  parties: SipParties,
  { contentType, body }: { readonly contentType: string; readonly body: Uint8Array },
): Promise<SipResponse | undefined> {
  const { request } = incoming
  let answer: SipResponse | undefined
  const message: SipRequest = { ...request, body, headers: request.headers.with('Content-Type', contentType) }
  const respond = (response: SipResponse): void => void (answer = response)
  const outcome = await pass({ ...incoming, request: message, respond }, parties)
  return outcome.kind === 'bounced' ? answer : undefined
}

/** What is said in a session: words and states go on, anything else has no meaning here. */
export function saidInSession(deps: TakeSessionDeps, incoming: IncomingSipRequest, parties: SipParties): void {
  const { request, respond } = incoming
  if (request.method === 'MESSAGE') return void deps.words(incoming, parties)
  const type = parseMediaType(request.headers.get('Content-Type') ?? '')
  const state = request.body.length === 0 ? undefined : parseKeyboardActivity(request.body)
  const isKnown = request.body.length === 0 || (type.ok && type.value.type === KEYBOARD_ACTIVITY_TYPE)
  respond(newSipResponse(request, isKnown ? 200 : 415, undefined, isKnown ? {} : { headers: ACCEPT_ACTIVITY }))
  if (isKnown && state !== undefined)
    deps.typing(parties, { state }).catch((error: unknown) => {
      deps.log.warn('typing-failed', { from: formatBareJid(parties.from), detail: brokeDown(error).detail })
    })
}

const ACCEPT_ACTIVITY = [['Accept', KEYBOARD_ACTIVITY_TYPE]] as const
