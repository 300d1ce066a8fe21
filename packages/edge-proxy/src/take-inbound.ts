import { decideInbound, refusalOf, type FederationIndex } from '@stox/federation'
import type { Failure, Ids, Log, Outcome } from '@stox/kernel'
import type { InboundEnvelope } from '@stox/link'
import type { SendOutcome, StanzaContext } from '@stox/transport'
import { errorReply, formatBareJid, formatJid, formatStanza, type DomainName, type Stanza } from '@stox/xmpp'
import { replyToIq } from '@stox/xmpp-engine'
import { noteEnd, type EndDeps } from './stanza-end.ts'

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
 * A stanza from a domain that has proven itself, from here to its one outcome. The edge keeps it until then, and until
 * an answer of ours is on a stream; the stream that it came on is held back while too many are kept, so that who takes
 * no answers is not read either.
 */
export async function takeInbound(deps: InboundDeps, stanza: Stanza, context: StanzaContext): Promise<void> {
  const correlationId = deps.ids.token()
  const startedMs = deps.clock.monotonicMs()
  const outcome = endHere(deps, stanza) ?? (await deps.offer(envelopeOf(deps, stanza, context, correlationId)))
  const { kind, type, from, to, id } = stanza
  noteEnd(
    deps,
    {
      correlationId,
      direction: 'xmpp-to-sip',
      kind,
      type,
      from: formatJid(from),
      to: formatJid(to),
      id,
      startedMs,
    },
    outcome,
  )
  const reply = replyTo(stanza, outcome)
  if (reply !== undefined) await sendAnswer(deps, reply)
}

/** There is no error to an error. */
function replyTo(stanza: Stanza, outcome: Outcome): Stanza | undefined {
  if (outcome.kind === 'bounced') return errorReply(stanza, outcome.failure)
  return stanza.kind === 'iq' ? replyToIq(stanza) : undefined
}

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
  return stanza.kind === 'iq' ? ANSWERED_HERE : undefined
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
const bounced = (failure: Failure): Outcome => ({ kind: 'bounced', failure })
