import { utf8Length } from '@stox/kernel'
import type { Clock, Failure, Ids, Outcome } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import { PARTNER_TYPE_GATES, decideInbound, refusalOf } from '@stox/federation'
import type { InboundEnvelope, OutboundEnvelope } from '@stox/link'
import { contactOf, parseRetryAfter, parseWarnings } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { bareJid, formatBareJid, sameBareJid } from '@stox/xmpp'
import type { ChatState, Jid, MessageStanza } from '@stox/xmpp'
import {
  composingToSip,
  judgeMessage,
  messageToSip,
  sipAddressToJid,
  sipStatusToFailure,
  sipTroubleToFailure,
} from '@stox/translate'
import type { GruuPolicy, MessageVerdict, PagerParties, SipAnswerHints, SipCall } from '@stox/translate'
import type { SipReply } from '@stox/transport'
import { absorbed, bounced, brokeDown, delivered, tooManyWaiting } from './bounce.ts'
import type { ChatSessions } from './chat-sessions.ts'
import { chooseRoute, noRouteTo } from './choose-route.ts'
import type { OwnAddress, SipRoute } from './choose-route.ts'
import { pairKey } from './conversations.ts'
import type { Conversations } from './conversations.ts'
import { endMessage } from './end-of-message.ts'
import type { EndDeps, MessageStory } from './end-of-message.ts'
import type { HoldDowns } from './hold-downs.ts'
import type { OlderMessages } from './older-messages.ts'
import { otherWays } from './other-ways.ts'
import type { PairQueues } from './pair-queues.ts'
import { lateErrorFromXmpp, reportFromXmpp } from './pass-reports.ts'
import type { AskedOfSip, ReportDeps } from './pass-reports.ts'
import { passesTyping } from './pass-typing.ts'
import type { Typing } from './pass-typing.ts'
import type { Repeats } from './repeats.ts'
import type { SipSender } from './send-sip.ts'
import type { SipAbilities } from './sip-abilities.ts'

export interface DeliverToSipDeps extends EndDeps {
  readonly clock: Clock
  readonly ids: Ids
  /** The model is live. */
  index(): FederationIndex
  readonly gruu: GruuPolicy
  readonly sipAddress: OwnAddress
  readonly sip: SipSender
  /** For domains whose users write in sessions. */
  readonly sessions?: Pick<ChatSessions, 'ask' | 'tell' | 'end'>
  readonly queues: PairQueues<Outcome>
  readonly conversations: Conversations
  readonly typing: Typing
  readonly abilities: SipAbilities
  readonly repeats: Repeats
  readonly asked: AskedOfSip
  readonly older: OlderMessages
  readonly held: HoldDowns
  /** For what goes back to the XMPP side by itself. */
  readonly link: { send(envelope: OutboundEnvelope): Promise<Outcome> }
  readonly giveUpMs: number
  /** Whether a server of the route is there, as far as we know. */
  hasServer(route: SipRoute): boolean
  /** Whether the local user has added the remote one: known from the subscriptions. */
  isAuthorizedBy(local: Jid, remote: Jid): boolean
}

/** The journey of a message from an XMPP user to a SIP user; the edge holds the stanza until it is over. */
export async function deliverToSip(
  deps: DeliverToSipDeps,
  envelope: InboundEnvelope,
  message: MessageStanza,
): Promise<Outcome> {
  const verdict = judgeMessage(message, deps.index().localDomain(message.to.domain)?.messages)
  // That somebody types is no message: the journal would hold little else, and nobody waits for an error.
  if (verdict.kind === 'state') return stateToSip(deps, message, verdict.state).catch(() => absorbed('no-content'))
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
  let outcome: Outcome
  try {
    outcome = await journeyToSip(deps, envelope, message, verdict, story)
  } catch (error) {
    outcome = bounced(brokeDown(error))
  }
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

function refusalFor(deps: DeliverToSipDeps, index: FederationIndex, message: MessageStanza): Failure | undefined {
  const decision = decideInbound(index, {
    fromDomain: message.from.domain,
    toDomain: message.to.domain,
    kind: 'message',
    authorizedByLocalUser: needsConsent(index, message.from.domain)
      ? deps.isAuthorizedBy(message.to, message.from)
      : undefined,
  })
  return decision.allowed ? undefined : refusalOf(decision)
}

async function journeyToSip(
  deps: DeliverToSipDeps,
  envelope: InboundEnvelope,
  message: MessageStanza,
  verdict: Exclude<MessageVerdict, { readonly kind: 'state' }>,
  story: MessageStory,
): Promise<Outcome> {
  if (verdict.kind === 'absorb') return absorbed(verdict.reason)
  // The local user wrote first: his consent is not asked for.
  if (verdict.kind === 'late-error') return lateErrorFromXmpp(reportDeps(deps), message, verdict.error)

  const index = deps.index()
  const refusal = refusalFor(deps, index, message)
  if (refusal !== undefined) return verdict.kind === 'report' ? absorbed('no-content') : bounced(refusal)
  if (verdict.kind === 'bounce') return bounced(verdict.failure)
  if (verdict.kind === 'report') return reportFromXmpp(reportDeps(deps), message, verdict)

  const route = chooseRoute(index, message.to.domain, deps.gruu, deps.sipAddress)
  if (route === undefined) return bounced(noRouteTo(message.to.domain))

  const held = deps.held.failureFor(story.to, () => deps.hasServer(route))
  if (held !== undefined) return bounced(held)

  const { body, others, extras } = verdict
  // What is no more than an emoji or an invitation says nothing of states, with or without one.
  const tellsStates = message.bodies.length === 0 ? undefined : extras?.state !== undefined
  const pair = pairKey(message.from, message.to)
  deps.conversations.noteFromXmpp(pair, message, tellsStates)
  deps.typing.wordsFromXmpp(message.to, message.from)
  // Only a resource that the SIP side taught us goes there: a proxy answers 404 for a `gr` it does not know. @see RFC 5627 §6.1
  const to = deps.conversations.isFresh(message.to) ? message.to : bareJid(message.to)
  const addressed = to === message.to ? message : { ...message, to }
  const own = deps.conversations.callFor(message.from, to, message.thread, envelope.correlationId)
  const call = verdict.repliesTo === undefined ? own : answering(deps, message, verdict.repliesTo, own)
  story.callId = call.callId
  const request = messageToSip(addressed, body, call, route.rules)

  const send = (one: SipRequest): Promise<Outcome> => askSip(deps, pair, one, route, addressed)
  const way =
    extras === undefined && others === undefined && request.ok
      ? () => send(request.value)
      : otherWays(
          deps,
          {
            correlationId: envelope.correlationId,
            message: addressed,
            body,
            others,
            extras,
            call,
            route,
            plain: request,
          },
          send,
        )
  if (typeof way !== 'function') return bounced(way)
  return await inTurn(deps, pair, utf8Length(body.text), way)
}

/** A reply names the call of the MESSAGE that it answers, while that is known. @see RFC 3261 §20.21, XEP-0461 */
function answering({ repeats }: DeliverToSipDeps, { from, to }: MessageStanza, id: string, call: SipCall): SipCall {
  const known = repeats.peek(id)
  const isTheirs = known !== undefined && sameBareJid(known.from, to) && sameBareJid(known.to, from)
  return isTheirs && known.callId !== '' ? { ...call, inReplyTo: known.callId } : call
}

/** No MESSAGE leaves for somebody while one is pending. @see RFC 3428 §8 */
function inTurn(
  deps: DeliverToSipDeps,
  pair: string,
  bytes: number,
  way: () => Promise<Outcome>,
): Promise<Outcome> | Outcome {
  return deps.queues.enter(pair, bytes, way) ?? bounced(tooManyWaiting)
}

const reportDeps = (deps: DeliverToSipDeps): ReportDeps => ({
  ...deps,
  route: (domain) => chooseRoute(deps.index(), domain, deps.gruu, deps.sipAddress),
  send: async (request, parties, route) => {
    const pair = pairKey(parties.from, parties.to)
    return inTurn(deps, pair, request.body.length, () => askSip(deps, pair, request, route, parties))
  },
})

/** That somebody types, or does no more, for a SIP user who wrote to him lately and has not refused to know. @see mapping C.8 */
async function stateToSip(deps: DeliverToSipDeps, message: MessageStanza, state: ChatState): Promise<Outcome> {
  const { from } = message
  const to = bareJid(message.to)
  const index = deps.index()
  if (refusalFor(deps, index, message) !== undefined || !passesTyping(index, to.domain, from.domain))
    return absorbed('no-content')
  deps.conversations.noteState(from, to)
  const route = chooseRoute(index, to.domain, deps.gruu, deps.sipAddress)
  const pair = pairKey(from, to)
  // Behind the words that went before it. @see RFC 7573 §6.1
  if (state === 'gone' && route?.sessions === true)
    await inTurn(deps, pair, 0, async () => {
      deps.sessions?.end({ from, to }, 'gone')
      return absorbed('no-content')
    })
  if (route === undefined || !deps.abilities.takes(to, 'composing', 'always')) return absorbed('no-content')
  // Outside of a session only in answer to him. @see RFC 3994 §7
  if (!route.sessions && !deps.conversations.isAnswering(from, to)) return absorbed('no-content')
  if (deps.held.failureFor(formatBareJid(to), () => deps.hasServer(route)) !== undefined) return absorbed('no-content')
  const composing = deps.typing.fromXmpp(to, from, state)
  if (composing === undefined) return absorbed('no-content')
  const request = composingToSip({ from, to }, composing, deps.conversations.freshCall(), route.rules)
  if (!request.ok) return absorbed('no-content')
  const outcome = await inTurn(deps, pair, request.value.body.length, async () => {
    // Words that wait behind it say more. @see mapping C.7
    if (deps.queues.hasWaiting(pair)) return absorbed('no-content')
    if (!route.sessions) return askSip(deps, pair, request.value, route, { from, to })
    const reply = await deps.sessions?.tell({ from, to }, composing.state)
    return reply === undefined ? absorbed('no-content') : outcomeOf(reply)
  })
  if (outcome.kind !== 'bounced') return outcome
  if (REFUSES_TYPING.has(outcome.failure.status)) deps.abilities.note(to, 'composing', false)
  return absorbed('no-content')
}

/** The transaction, and what its end means. */
async function askSip(
  deps: DeliverToSipDeps,
  pair: string,
  request: SipRequest,
  route: SipRoute,
  between: PagerParties,
): Promise<Outcome> {
  const reply = await (route.sessions && deps.sessions !== undefined
    ? deps.sessions.ask(request, between, route)
    : deps.sip.send(request, route.uri, route.options))
  const outcome = outcomeOf(reply)
  if (outcome.kind !== 'bounced') return outcome
  const { failure } = outcome
  // A person can do nothing about it, and an administrator must. @see mapping B.2
  if (failure.status === 482 || failure.status === 483)
    deps.log.warn('sip-loop', { status: failure.status, to: request.uri, callId: request.core.callId })
  const user = pair.slice(pair.indexOf(' ') + 1)
  if (isSilence(reply, route)) {
    // Those behind it would wait as long for the same silence.
    deps.queues.failWaiting(pair, outcome)
    deps.held.noteTimeout(user, failure, reply.kind === 'failed' && reply.provisional !== true)
  } else deps.held.note(user, failure)
  return outcome
}

/** No final answer; or a session that nobody took until it was cancelled. */
const isSilence = (reply: SipReply, { sessions }: SipRoute): boolean =>
  reply.kind === 'failed' ? reply.cause === 'timeout' : sessions && reply.response.status === 487

const outcomeOf = (reply: SipReply): Outcome =>
  reply.kind === 'response' && reply.response.status < 300
    ? delivered(reply.response.status)
    : bounced(failureOf(reply))

/** 415 to isComposing, and what INFO is told where it is not known. @see RFC 3994 §4 */
const REFUSES_TYPING: ReadonlySet<number> = new Set([405, 415, 469, 501])

const LONGEST_DIAGNOSTICS = 300

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
  const failure = sipStatusToFailure(status, hints)
  // COMPAT: Lync says there what it means. @see mapping D.14
  const diagnostics = headers.get('ms-diagnostics')?.slice(0, LONGEST_DIAGNOSTICS)
  return diagnostics === undefined
    ? failure
    : { ...failure, detail: `${failure.detail}, ms-diagnostics ${diagnostics}` }
}
