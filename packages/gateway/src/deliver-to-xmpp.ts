import { RecentMap } from '@stox/kernel'
import type { Clock, Hashes, Ids, Outcome } from '@stox/kernel'
import { decideOutbound, refusalOf } from '@stox/federation'
import type { FederationIndex } from '@stox/federation'
import type { OutboundEnvelope } from '@stox/link'
import { newSipResponse } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { bareJid, formatBareJid, formatStanza, parseDomain } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { failureToSip, messageToXmpp, partiesOfRequest, textOfMessage } from '@stox/translate'
import type { SipFailure, SipParties } from '@stox/translate'
import type { IncomingSipRequest } from '@stox/transport'
import { absorbed, bounced, brokeDown, delivered, misaddressed } from './bounce.ts'
import type { Conversations } from './conversations.ts'
import { endMessage } from './end-of-message.ts'
import type { EndDeps, MessageStory } from './end-of-message.ts'

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
  /** The one resource of this SIP user that this contact is shown, if it is one. @see mapping C.13 */
  shownResource(sipUser: Jid, xmppUser: Jid): string | undefined
}

/** A copy that came another way gets the same answer, not a second stanza: 64·T1 + 5 s. @see mapping C.3 */
const REPEAT_MS = 37_000
const MOST_REPEATS = 120_000

/** What became of requests lately, by the id of the stanza they are. */
export class Repeats {
  readonly #clock: Clock
  readonly #known = new RecentMap<string, { readonly atMs: number; readonly outcome: Promise<Outcome> }>(MOST_REPEATS)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  outcomeOf(id: string): Promise<Outcome> | undefined {
    const known = this.#known.get(id)
    return known !== undefined && this.#clock.monotonicMs() - known.atMs < REPEAT_MS ? known.outcome : undefined
  }

  note(id: string, outcome: Promise<Outcome>): void {
    this.#known.set(id, { atMs: this.#clock.monotonicMs(), outcome })
  }
}

/** The journey of a MESSAGE to an XMPP user: its final response waits for the edge's outcome. Never rejects. */
export async function deliverToXmpp(deps: DeliverToXmppDeps, incoming: IncomingSipRequest): Promise<Outcome> {
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
  const end = await journeyToXmpp(deps, request, story).catch((error: unknown) => ({
    outcome: bounced(brokeDown(error)),
    repeat: false,
  }))
  const status = respond(deps, incoming, end.outcome)
  const told = end.outcome.kind === 'delivered' ? delivered(status) : end.outcome
  endMessage(deps, story, end.repeat ? absorbed('duplicate') : told)
  return told
}

interface JourneyEnd {
  readonly outcome: Outcome
  /** The outcome is that of an earlier copy. */
  readonly repeat: boolean
}
const ends = (outcome: Outcome): JourneyEnd => ({ outcome, repeat: false })

async function journeyToXmpp(deps: DeliverToXmppDeps, request: SipRequest, story: MessageStory): Promise<JourneyEnd> {
  const parties = partiesOfRequest(request)
  if (!parties.ok) return ends(bounced(parties.failure))
  const { from, to } = parties.value
  story.from = formatBareJid(from)
  story.to = formatBareJid(to)

  const index = deps.index()
  story.partner = index.partnerOf(to.domain)?.domain ?? to.domain
  const refusal = refuseRequest(index, request, parties.value)
  if (refusal !== undefined) return ends(bounced(refusal))

  const limit = index.localDomain(from.domain)?.maxMessageBytes ?? 0
  if (request.body.length > limit) return ends(bounced(tooLarge(request.body.length, limit)))
  const verdict = textOfMessage(request, deps.hashes, deps.clock.wallMs())
  if (!verdict.ok) return ends(bounced(verdict.failure))
  if (verdict.value.kind === 'absorb') return ends(absorbed(verdict.value.reason))

  const decision = decideOutbound(index, { fromDomain: from.domain, toDomain: to.domain, kind: 'message' })
  if (!decision.allowed) return ends(bounced(refusalOf(decision)))

  const content = { ...verdict.value.content, thread: deps.conversations.threadOf(verdict.value.content.thread) }
  story.stanzaId = content.id
  const repeated = deps.repeats.outcomeOf(content.id)
  if (repeated !== undefined) return { outcome: await repeated, repeat: true }

  const type = deps.conversations.typeFor(from, to)
  const message = messageToXmpp(sendersView(deps, parties.value), content, type, domainOf(from))
  // A `gr` in From is a resource that this SIP domain has taught us.
  deps.conversations.noteResource(from)
  const outcome = deps.link.send({
    correlationId: story.correlationId,
    localDomain: from.domain,
    remoteDomain: to.domain,
    from: story.from,
    to: story.to,
    stanzaXml: formatStanza(message),
    expiresInMs: deps.giveUpMs,
  })
  deps.repeats.note(content.id, outcome)
  return ends(await outcome)
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
  // A relay into another network answers 202; some servers want 200. No Contact, no body. @see RFC 3428 §7
  const domain = parseDomain(request.core.from.uri.host)
  const status = (domain.ok ? deps.index().localDomain(domain.value)?.acceptedStatus : undefined) ?? 202
  incoming.respond(newSipResponse(request, status, undefined, { toTag }))
  return status
}
