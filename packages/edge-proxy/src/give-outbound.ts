import { decideOutbound, refusalOf, type FederationIndex } from '@stox/federation'
import { fail, ok, type Failure, type Outcome, type Result } from '@stox/kernel'
import type { OutboundEnvelope } from '@stox/link'
import type { SendOutcome } from '@stox/transport'
import { formatBareJid, formatJid, parseStanzaText, textOfStanza, type DomainName, type Stanza } from '@stox/xmpp'
import { noteEnd, type EndDeps } from './stanza-end.ts'

export interface OutboundDeps extends EndDeps {
  /** As of now: a new replica counts at once. */
  index(): FederationIndex
  /** Out to a partner: resolves once the stanza is on an authenticated stream, or with why it is not. */
  send(
    local: DomainName,
    remote: DomainName,
    xml: string,
    options: { readonly maxWaitMs: number },
  ): Promise<SendOutcome>
  refused(kind: string, detail: string): void
}

/** 202: on its way. The gateway turns it into what its SIP peer likes to see. */
const ACCEPTED: Outcome = { kind: 'delivered', status: 202 }

/**
 * A stanza of a gateway, from here to its one outcome; read as one would a stranger's. Until it is handed to its stream
 * nothing waits, so that stanzas leave in the order in which they came.
 */
export function giveOutbound(deps: OutboundDeps, envelope: OutboundEnvelope): Promise<Outcome> {
  const startedMs = deps.clock.monotonicMs()
  const stanza = checkOutbound(deps, envelope)
  const { correlationId, from, to } = envelope
  const { kind, type, id } = stanza.ok ? stanza.value : UNREAD
  const end = (outcome: Outcome): Outcome => {
    noteEnd(deps, { correlationId, direction: 'sip-to-xmpp', kind, type, from, to, id, startedMs }, outcome)
    return outcome
  }
  if (!stanza.ok) return Promise.resolve(end({ kind: 'bounced', failure: stanza.failure }))
  return sendOut(deps, stanza.value, envelope).then((sent) =>
    end(sent.kind === 'sent' ? ACCEPTED : { kind: 'bounced', failure: sent.failure }),
  )
}

const UNREAD = { kind: 'unknown', type: 'unknown', id: undefined } as const

function checkOutbound(deps: OutboundDeps, envelope: OutboundEnvelope): Result<Stanza, Failure> {
  const { stanzaXml, from, to, localDomain, remoteDomain } = envelope
  const parsed = parseStanzaText(stanzaXml, { maxStanzaBytes: MAX_STANZA_BYTES })
  if (!parsed.ok) return refuse(deps, `${parsed.failure.condition}: ${parsed.failure.detail}`)
  const stanza = parsed.value
  if (stanza.from.domain !== localDomain || stanza.to.domain !== remoteDomain) {
    return refuse(
      deps,
      `from ${formatJid(stanza.from)} to ${formatJid(stanza.to)} on ${localDomain} to ${remoteDomain}`,
    )
  }
  if (formatBareJid(stanza.from) !== from || formatBareJid(stanza.to) !== to) {
    return refuse(deps, `from ${formatJid(stanza.from)} to ${formatJid(stanza.to)} as from ${from} to ${to}`)
  }
  const question = { fromDomain: stanza.from.domain, toDomain: stanza.to.domain, kind: stanza.kind }
  const decision = decideOutbound(deps.index(), question)
  return decision.allowed ? ok(stanza) : fail(refusalOf(decision))
}

/** More than any partner's record allows; the record's own limit is checked where the stanza is sent. */
const MAX_STANZA_BYTES = 16_777_216

function sendOut(deps: OutboundDeps, stanza: Stanza, envelope: OutboundEnvelope): Promise<SendOutcome> {
  const text = textOfStanza(stanza, envelope.stanzaXml)
  return deps.send(stanza.from.domain, stanza.to.domain, text, { maxWaitMs: envelope.expiresInMs })
}

/** A gateway of ours has sent nonsense: its fault and ours, not the sender's. */
function refuse(deps: OutboundDeps, detail: string): Result<never, Failure> {
  deps.refused('link-stanza', detail)
  return fail({ fault: 'us', retry: 'never', condition: 'internal-server-error', status: 500, detail })
}
