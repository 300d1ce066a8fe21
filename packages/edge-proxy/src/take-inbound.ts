import { decideInbound, refusalOf, type FederationIndex } from '@stox/federation'
import type { Failure, Ids, Log, Outcome } from '@stox/kernel'
import type { InboundEnvelope } from '@stox/link'
import { SOFTWARE } from '@stox/service'
import type { SendOutcome, StanzaContext } from '@stox/transport'
import {
  errorReply,
  formatBareJid,
  formatJid,
  formatStanza,
  type DomainName,
  type Stanza,
  type StanzaHead,
} from '@stox/xmpp'
import { isForUser, replyToIq } from '@stox/xmpp-engine'
import { noteEnd, type EndDeps, type EndedStanza } from './stanza-end.ts'

export interface InboundDeps extends EndDeps {
  /** For what a partner can cause without end. */
  readonly sparing: Log
  readonly node: string
  readonly ids: Ids
  /** As of now: a new replica counts at once. */
  index(): FederationIndex
  /** Over the link to a gateway; resolves with the outcome. */
  offer(envelope: InboundEnvelope): Promise<Outcome>
  /** Out to a partner. */
  send(
    local: DomainName,
    remote: DomainName,
    xml: string,
    options: { readonly maxWaitMs: number },
  ): Promise<SendOutcome>
}

/** How long an answer of ours may wait for a stream. */
const ANSWER_MAX_WAIT_MS = 30_000

/**
 * A stanza from a domain that has proven itself, from here to its one outcome. The edge keeps it until then, as text and
 * not as a tree, and until an answer of ours is on a stream; the stream that it came on is held back while too many are
 * kept, so that who takes no answers is not read either.
 */
export function takeInbound(deps: InboundDeps, stanza: Stanza, context: StanzaContext): void | Promise<void> {
  const correlationId = deps.ids.token()
  const head = headOf(stanza)
  const startedMs = deps.clock.monotonicMs()
  /** There is no error to an error. */
  const end = (outcome: Outcome, result?: Stanza): void | Promise<void> => {
    noteEnd(deps, inboundEnd(head, correlationId, startedMs), outcome)
    const reply = outcome.kind === 'bounced' ? errorReply(head, outcome.failure) : result
    return reply === undefined ? undefined : sendAnswer(deps, reply)
  }
  const endedHere = endHere(deps, stanza)
  if (endedHere !== undefined) {
    const { contactAddresses: contacts, softwareVersion } = deps.index().model.settings
    const us = { contacts, software: softwareVersion ? SOFTWARE : undefined }
    return end(endedHere, stanza.kind === 'iq' ? replyToIq(stanza, us) : undefined)
  }
  return deps.offer(envelopeOf(deps, stanza, context, correlationId)).then((outcome) => end(outcome))
}

/** All that is asked of a stanza once it has ended. */
const headOf = ({ kind, type, id, from, to }: Stanza): StanzaHead => ({ kind, type, id, from, to })

const inboundEnd = (
  { kind, type, id, from, to }: StanzaHead,
  correlationId: string,
  startedMs: number,
): EndedStanza => ({
  correlationId,
  direction: 'xmpp-to-sip',
  kind,
  type,
  from: formatJid(from),
  to: formatJid(to),
  id,
  startedMs,
})

/** The end of what goes no further than this edge. */
function endHere(deps: InboundDeps, stanza: Stanza): Outcome | undefined {
  const decision = decideInbound(deps.index(), {
    fromDomain: stanza.from.domain,
    toDomain: stanza.to.domain,
    kind: stanza.kind,
    ...(stanza.kind === 'presence' ? { presenceType: stanza.type } : {}),
    // Who has added whom is known to the gateway, which asks again.
    authorizedByLocalUser: undefined,
  })
  if (!decision.allowed) return bounced(refusalOf(decision))
  if (stanza.kind === 'message' && stanza.type === 'groupchat') return bounced(NO_ROOM)
  return stanza.kind === 'iq' && !isForUser(stanza) ? ANSWERED_HERE : undefined
}

const envelopeOf = (
  deps: InboundDeps,
  stanza: Stanza,
  context: StanzaContext,
  correlationId: string,
): InboundEnvelope => ({
  correlationId,
  edge: deps.node,
  streamId: context.streamId,
  localDomain: context.local,
  remoteDomain: context.peer.domain,
  provenBy: context.peer.provenBy,
  from: formatBareJid(stanza.from),
  to: formatBareJid(stanza.to),
  stanzaXml: formatStanza(stanza),
  receivedAtMs: deps.clock.wallMs(),
})

/** Sends our own answer back to where the stanza came from. */
async function sendAnswer(deps: InboundDeps, reply: Stanza): Promise<void> {
  const { from, to } = reply
  const sent = await deps.send(from.domain, to.domain, formatStanza(reply), { maxWaitMs: ANSWER_MAX_WAIT_MS })
  if (sent.kind === 'sent') return
  deps.sparing.warn('answer-not-sent', { from: formatJid(from), to: formatJid(to), detail: sent.failure.detail })
}

const ANSWERED_HERE: Outcome = { kind: 'absorbed', reason: 'answered-here' }

/** A person cannot take part in a room by himself: known here, whether a gateway is there or not. @see RFC 6121 §8.5.2 */
const NO_ROOM: Failure = {
  fault: 'sender',
  retry: 'never',
  condition: 'service-unavailable',
  errorType: 'cancel',
  status: 403,
  text: 'Group chat is not available to this user',
  detail: 'a groupchat message to a user',
}

const bounced = (failure: Failure): Outcome => ({ kind: 'bounced', failure })
