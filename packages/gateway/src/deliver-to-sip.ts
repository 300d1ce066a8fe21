import { utf8Length } from '@stox/kernel'
import type { Clock, Failure, Outcome } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import { PARTNER_TYPE_GATES, decideInbound, refusalOf } from '@stox/federation'
import type { InboundEnvelope } from '@stox/link'
import { contactOf, parseRetryAfter, parseWarnings } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { bareJid, formatBareJid } from '@stox/xmpp'
import type { Jid, MessageStanza } from '@stox/xmpp'
import { judgeMessage, messageToSip, sipAddressToJid, sipStatusToFailure, sipTroubleToFailure } from '@stox/translate'
import type { GruuPolicy, SipAnswerHints } from '@stox/translate'
import type { SipReply } from '@stox/transport'
import { absorbed, bounced, brokeDown, delivered, tooManyWaiting } from './bounce.ts'
import { chooseRoute, noRouteTo } from './choose-route.ts'
import type { SipRoute } from './choose-route.ts'
import type { Conversations } from './conversations.ts'
import { endMessage } from './end-of-message.ts'
import type { EndDeps, MessageStory } from './end-of-message.ts'
import type { PairQueues } from './pair-queues.ts'
import type { SipSender } from './send-sip.ts'

export interface DeliverToSipDeps extends EndDeps {
  readonly clock: Clock
  /** The model is live. */
  index(): FederationIndex
  readonly gruu: GruuPolicy
  readonly sip: SipSender
  readonly queues: PairQueues<Outcome>
  readonly conversations: Conversations
  /** Whether the local user has added the remote one: known from the subscriptions. */
  isAuthorizedBy(local: Jid, remote: Jid): boolean
}

/** The journey of a message from an XMPP user to a SIP user; the edge holds the stanza until it is over. */
export async function deliverToSip(
  deps: DeliverToSipDeps,
  envelope: InboundEnvelope,
  message: MessageStanza,
): Promise<Outcome> {
  const story: MessageStory = {
    correlationId: envelope.correlationId,
    direction: 'xmpp-to-sip',
    kind: 'message',
    startedAtMs: deps.clock.wallMs(),
    startedMonotonicMs: deps.clock.monotonicMs(),
    from: formatBareJid(message.from),
    to: formatBareJid(message.to),
    partner: deps.index().partnerOf(message.from.domain)?.domain ?? message.from.domain,
    edge: envelope.edge,
    stanzaId: message.id ?? null,
    callId: null,
  }
  const outcome = await journeyToSip(deps, envelope, message, story).catch((error: unknown) =>
    bounced(brokeDown(error)),
  )
  // A headline never makes an error. @see mapping C.4
  const told = outcome.kind === 'bounced' && message.type === 'headline' ? absorbed('headline-failed') : outcome
  endMessage(deps, story, told)
  return told
}

/** Of most partners nobody asks, and most messages are spared the look. */
function needsConsent(index: FederationIndex, domain: string): boolean {
  const partner = index.partnerOf(domain)
  return partner !== undefined && !PARTNER_TYPE_GATES[partner.partnerType].strangersMayStart
}

async function journeyToSip(
  deps: DeliverToSipDeps,
  envelope: InboundEnvelope,
  message: MessageStanza,
  story: MessageStory,
): Promise<Outcome> {
  const verdict = judgeMessage(message)
  if (verdict.kind === 'absorb') return absorbed(verdict.reason)

  const index = deps.index()
  const decision = decideInbound(index, {
    fromDomain: message.from.domain,
    toDomain: message.to.domain,
    kind: 'message',
    authorizedByLocalUser: needsConsent(index, message.from.domain)
      ? deps.isAuthorizedBy(message.to, message.from)
      : undefined,
  })
  if (!decision.allowed) return bounced(refusalOf(decision))
  if (verdict.kind === 'bounce') return bounced(verdict.failure)

  const route = chooseRoute(index, message.to.domain, deps.gruu)
  if (route === undefined) return bounced(noRouteTo(message.to.domain))

  deps.conversations.noteFromXmpp(message.from, message.to, message.type)
  // Only a resource that the SIP side taught us goes there: a proxy answers 404 for a `gr` it does not know. @see RFC 5627 §6.1
  const to = deps.conversations.isFresh(message.to) ? message.to : bareJid(message.to)
  const call = deps.conversations.callFor(message.from, to, message.thread, envelope.correlationId)
  story.callId = call.callId
  const request = messageToSip({ ...message, to }, verdict.body, call, route.rules)
  if (!request.ok) return bounced(request.failure)

  const pair = `${story.from} ${request.value.uri}`
  const turn = deps.queues.enter(pair, utf8Length(verdict.body.text), () =>
    askSip(deps, pair, request.value, route).catch((error: unknown) => bounced(brokeDown(error))),
  )
  return turn ?? bounced(tooManyWaiting)
}

/** The transaction, and what its end means. */
async function askSip(deps: DeliverToSipDeps, pair: string, request: SipRequest, route: SipRoute): Promise<Outcome> {
  const reply = await deps.sip.send(request, route.uri, { congestionSafe: route.rules.congestionSafe })
  if (reply.kind === 'response' && reply.response.status < 300) return delivered(reply.response.status)
  const outcome = bounced(failureOf(reply))
  // Those behind it would wait as long for the same silence.
  if (reply.kind === 'failed' && reply.cause === 'timeout') deps.queues.failWaiting(pair, outcome)
  return outcome
}

export function failureOf(reply: SipReply): Failure {
  if (reply.kind === 'failed') return sipTroubleToFailure(reply.cause, reply.detail)
  const { status, reason, headers } = reply.response
  const contact = status < 400 ? contactOf(headers) : undefined
  const alternate = contact === undefined ? undefined : sipAddressToJid(contact)
  const hints: SipAnswerHints = {
    reason,
    warning: parseWarnings(headers)[0]?.text,
    retryAfterS: parseRetryAfter(headers.get('Retry-After') ?? ''),
    alternate: alternate?.ok === true ? `xmpp:${formatBareJid(alternate.value)}` : undefined,
  }
  return sipStatusToFailure(status, hints)
}
