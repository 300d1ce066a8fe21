import { ok, unreachable } from '@stox/kernel'
import type { Clock, Hashes, Ids, Outcome } from '@stox/kernel'
import { decideOutbound, refusalOf } from '@stox/federation'
import type { FederationIndex, LocalDomain } from '@stox/federation'
import type { OutboundEnvelope } from '@stox/link'
import { newSipResponse } from '@stox/sip'
import type { IsComposing, SipRequest } from '@stox/sip'
import { bareJid, formatBareJid, formatStanza, parseDomain, replyElement } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { extensionsFor, failureToSip, messageToXmpp, partiesOfRequest, textOfMessage } from '@stox/translate'
import type { SipFailure, SipParties, SipText } from '@stox/translate'
import type { IncomingSipRequest } from '@stox/transport'
import { absorbed, bounced, brokeDown, delivered, misaddressed } from './bounce.ts'
import type { Conversations } from './conversations.ts'
import { endMessage } from './end-of-message.ts'
import type { EndDeps, MessageStory } from './end-of-message.ts'
import type { DisplayNames } from './display-names.ts'
import type { HoldDowns } from './hold-downs.ts'
import type { LoopGuard } from './loop-guard.ts'
import type { OlderMessages } from './older-messages.ts'
import type { OpaqueGruus } from './opaque-gruus.ts'
import { passesReports, reportFromSip } from './pass-reports.ts'
import type { AskedOfSip } from './pass-reports.ts'
import { passesTyping } from './pass-typing.ts'
import type { Typing } from './pass-typing.ts'
import type { Repeats } from './repeats.ts'
import type { SipAbilities } from './sip-abilities.ts'

export interface DeliverToXmppDeps extends EndDeps {
  readonly clock: Clock
  readonly ids: Ids
  readonly hashes: Hashes
  index(): FederationIndex
  /** Gives a stanza to an edge; resolves with the outcome, at the latest when the envelope expires. */
  readonly link: { send(envelope: OutboundEnvelope): Promise<Outcome> }
  /** Well below 32 s, when the sender's transaction ends. @see RFC 4320 §4.2 */
  readonly giveUpMs: number
  readonly conversations: Conversations
  readonly repeats: Repeats
  readonly typing: Typing
  readonly asked: AskedOfSip
  readonly older: OlderMessages
  readonly loops: LoopGuard
  readonly held: HoldDowns
  /** Set where resources travel as tokens. */
  readonly opaqueGruus: OpaqueGruus | undefined
  readonly abilities: SipAbilities
  readonly names: DisplayNames
  /** The one resource of this SIP user that this contact is shown, if it is one. @see mapping C.13 */
  shownResource(sipUser: Jid, xmppUser: Jid): string | undefined
}

/**
 * The journey of a MESSAGE to an XMPP user: its final response waits for the edge's outcome. Within a session it is the
 * session that says who writes to whom. Never rejects.
 */
export async function deliverToXmpp(
  deps: DeliverToXmppDeps,
  incoming: IncomingSipRequest,
  session?: SipParties,
): Promise<Outcome> {
  const { request } = incoming
  const story: MessageStory = {
    correlationId: deps.ids.token(),
    direction: 'sip-to-xmpp',
    kind: 'message',
    startedAtMs: deps.clock.wallMs(),
    startedMonotonicMs: deps.clock.monotonicMs(),
    from: request.core.from.uri.host,
    to: request.uri,
    partner: '',
    edge: '',
    stanzaId: null,
    callId: request.core.callId,
  }
  const end = await journeyToXmpp(deps, request, story, session).catch((error: unknown) =>
    ends(bounced(brokeDown(error))),
  )
  const status = respond(deps, incoming, end.outcome)
  const told = end.outcome.kind === 'delivered' ? delivered(status) : end.outcome
  // That somebody types is no message: the journal would hold little else.
  if (end.kind !== 'state') endMessage(deps, story, end.kind === 'repeat' ? absorbed('duplicate') : told)
  return told
}

interface JourneyEnd {
  readonly outcome: Outcome
  /** A repeat ends as the copy before it. */
  readonly kind: 'message' | 'repeat' | 'state'
}
const ends = (outcome: Outcome, kind: JourneyEnd['kind'] = 'message'): JourneyEnd => ({ outcome, kind })

async function journeyToXmpp(
  deps: DeliverToXmppDeps,
  request: SipRequest,
  story: MessageStory,
  session: SipParties | undefined,
): Promise<JourneyEnd> {
  const parties = session === undefined ? partiesFor(deps.index(), request) : ok(session)
  if (!parties.ok) return ends(bounced(parties.failure))
  const { from } = parties.value
  const to = deps.opaqueGruus === undefined ? parties.value.to : deps.opaqueGruus.resolve(parties.value.to)
  story.from = formatBareJid(from)
  story.to = formatBareJid(to)

  const index = deps.index()
  story.partner = index.partnerOf(to.domain)?.domain ?? to.domain
  const refusal = refuseRequest(index, request, parties.value)
  if (refusal !== undefined) return ends(bounced(refusal))

  const rules = index.localDomain(from.domain)
  if (rules === undefined) return ends(bounced(misaddressed(`${from.domain} is not ours`)))
  const limit = rules.maxMessageBytes
  if (request.body.length > limit) return ends(bounced(tooLarge(request.body.length, limit)))
  const verdict = textOfMessage(request, from, deps.hashes, deps.clock.wallMs())
  if (!verdict.ok) return ends(bounced(verdict.failure))
  if (verdict.value.kind === 'absorb') return ends(absorbed(verdict.value.reason))

  const decision = decideOutbound(index, { fromDomain: from.domain, toDomain: to.domain, kind: 'message' })
  if (!decision.allowed) return ends(bounced(refusalOf(decision)))

  const view = sendersView(deps, { from, to })
  switch (verdict.value.kind) {
    case 'composing': {
      deps.abilities.note(from, 'composing', true)
      const passes = passesTyping(index, from.domain, to.domain)
      return ends(passes ? await deps.typing.fromSip(view, verdict.value.composing) : absorbed('no-content'), 'state')
    }
    case 'report': {
      deps.abilities.note(from, 'cpim', true)
      const envelope = await reportFromSip(deps, parties.value, verdict.value.report, deps.giveUpMs)
      return ends(envelope === undefined ? absorbed('no-content') : await deps.link.send(envelope))
    }
    case 'text': {
      const content = withOwnId(deps, { from, to }, verdict.value.content)
      story.stanzaId = content.id
      const repeated = deps.repeats.outcomeOf(content.id)
      if (repeated !== undefined) return ends(await repeated, 'repeat')
      const round = deps.loops.refusalFor(request, parties.value, content.text)
      if (round !== undefined) {
        deps.log.warn('sip-loop', { status: round.status, to: request.uri, callId: request.core.callId })
        return ends(bounced(round))
      }
      noteWords(deps, from, to, content)
      if (rules.presence.vcards) deps.names.note(from, request.core.from.displayName)
      // A session is a chat. @see RFC 7573 §5
      const stanzaType = session === undefined ? rules.messages.stanzaType : 'chat'
      const { stickyThread } = rules.messages
      const outcome = sendWords(deps, { stanzaType, stickyThread }, { from, to, view }, content, story)
      deps.repeats.note(content.id, { from, to, callId: request.core.callId, asks: content.asks, outcome })
      return ends(await outcome)
    }
    default:
      return unreachable(verdict.value)
  }
}

export const partiesFor = (index: FederationIndex, request: SipRequest): ReturnType<typeof partiesOfRequest> =>
  partiesOfRequest(request, (domain) => index.localDomain(domain)?.assertedIdentity === true)

/** That a SIP user types, as he says within a session. */
export async function typingToXmpp(
  deps: DeliverToXmppDeps,
  { from, to }: SipParties,
  composing: IsComposing,
): Promise<Outcome> {
  const index = deps.index()
  const { allowed } = decideOutbound(index, { fromDomain: from.domain, toDomain: to.domain, kind: 'message' })
  if (!allowed || !passesTyping(index, from.domain, to.domain)) return absorbed('no-content')
  return deps.typing.fromSip(sendersView(deps, { from, to }), composing)
}

/** What he asks to hear of it is told by its id: an answer finds him also after a restart. */
const withOwnId = ({ older }: DeliverToXmppDeps, parties: SipParties, content: SipText): SipText =>
  content.asks === undefined ? content : { ...content, id: older.idFor(content.id, content.asks, parties) }

/** What words of a SIP user teach, whatever becomes of them. */
function noteWords(deps: DeliverToXmppDeps, from: Jid, to: Jid, content: SipText): void {
  if (content.html !== undefined) deps.abilities.note(from, 'html', true)
  if (content.cpim) deps.abilities.note(from, 'cpim', true)
  if (content.alternatives) deps.abilities.note(from, 'alternatives', true)
  deps.typing.wordsFromSip(from, to)
  deps.held.release(from)
  // A `gr` in From is a resource that this SIP domain has taught us.
  deps.conversations.noteResource(from)
}

/** What a message answers: the thread that the two had in that call, and the stanza. @see XEP-0461, mapping C.3 */
interface Answered {
  readonly thread: string | undefined
  readonly id: string | undefined
}

async function answeredBy(deps: DeliverToXmppDeps, callId: string, parties: SipParties): Promise<Answered> {
  return {
    thread: deps.conversations.threadInCall(callId, parties.from, parties.to),
    id: await deps.older.stanzaInCall(callId, parties),
  }
}

async function sendWords(
  deps: DeliverToXmppDeps,
  { stanzaType, stickyThread }: Pick<LocalDomain['messages'], 'stanzaType' | 'stickyThread'>,
  { from, to, view }: SipParties & { readonly view: SipParties },
  content: SipText,
  story: MessageStory,
): Promise<Outcome> {
  const index = deps.index()
  const pair = deps.conversations.noteFromSip(from, to)
  const { inReplyTo } = content
  const answered = inReplyTo === undefined ? undefined : await answeredBy(deps, inReplyTo, { from, to })
  const type = stanzaType === 'chat' || (stanzaType === 'mirror' && pair.chats) ? 'chat' : 'normal'
  const thread =
    answered?.thread ??
    (stickyThread ? deps.conversations.threadOfPair(from, to) : undefined) ??
    deps.conversations.threadOf(content.thread)
  const more = extensionsFor(content, {
    // Also with the first words of a chat, to show that states are understood. @see XEP-0085 §5.1
    state: type === 'chat' && pair.tellsStates !== false && passesTyping(index, from.domain, to.domain),
    reports: content.asks !== undefined && passesReports(index, to.domain),
  })
  const all = answered?.id === undefined ? more : [...more, replyElement(bareJid(to), answered.id)]
  return deps.link.send({
    correlationId: story.correlationId,
    localDomain: from.domain,
    remoteDomain: to.domain,
    from: story.from,
    to: story.to,
    stanzaXml: formatStanza(messageToXmpp(view, { ...content, thread }, type, domainOf(from), all)),
    expiresInMs: deps.giveUpMs,
  })
}

/** What is wrong with a request before its body is looked at. @see RFC 3261 §8.2, mapping C.3 */
export function refuseRequest(
  index: FederationIndex,
  request: SipRequest,
  parties: SipParties,
): SipFailure | undefined {
  // Only for our own domains does a peer speak. @see mapping C.3
  if (!index.isLocal(parties.from.domain) || parties.from.local === undefined)
    return misaddressed(`From is not a user of ours: ${formatBareJid(parties.from)}`)
  const { maxForwards } = request.core
  // The step to XMPP is a hop as well, and nobody counts after it. @see mapping G.8
  if (maxForwards !== undefined && maxForwards <= 1)
    return {
      fault: 'sender',
      retry: 'never',
      condition: 'not-acceptable',
      status: 483,
      text: 'Too many hops',
      detail: 'Max-Forwards used up',
    }
  return undefined
}

/** A stanza of any size could be refused by a server on the way, which ends the stream for everybody. @see mapping C.6 */
const tooLarge = (bytes: number, limit: number): SipFailure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: 'policy-violation',
  status: 513,
  text: `The message is too long: ${bytes} bytes, at most ${limit} are passed on`,
  detail: `body of ${bytes} bytes, limit ${limit}`,
})

/** Bare or full. @see mapping C.13 */
function sendersView(deps: DeliverToXmppDeps, { from, to }: SipParties): SipParties {
  const shown = from.resource ?? deps.shownResource(from, to)
  return {
    from: shown === undefined ? from : { ...from, resource: shown },
    to: to.resource !== undefined && deps.conversations.isFresh(to) ? to : bareJid(to),
  }
}

const domainOf = (jid: Jid): Jid => ({ local: undefined, domain: jid.domain, resource: undefined })

/** One outcome, one final response. */
function respond(deps: DeliverToXmppDeps, incoming: IncomingSipRequest, outcome: Outcome): number {
  const { request } = incoming
  const toTag = deps.ids.token().slice(0, 16)
  if (outcome.kind === 'bounced') {
    const answer = failureToSip(outcome.failure)
    incoming.respond(newSipResponse(request, answer.status, answer.reason, { toTag, headers: answer.headers }))
    return answer.status
  }
  const status = acceptedStatus(deps, request, outcome)
  incoming.respond(newSipResponse(request, status, undefined, { toTag }))
  return status
}

/** A relay into another network answers 202; some servers want 200. No Contact, no body. @see RFC 3428 §7 */
function acceptedStatus(deps: DeliverToXmppDeps, request: SipRequest, outcome: Outcome): number {
  // What was too old goes nowhere: it is not accepted for later, it is done with. @see mapping C.3
  if (outcome.kind === 'absorbed' && outcome.reason === 'expired') return 200
  const domain = parseDomain(request.core.from.uri.host)
  return (domain.ok ? deps.index().localDomain(domain.value)?.acceptedStatus : undefined) ?? 202
}
