import type { Ids, Log, Outcome } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import type { OutboundEnvelope } from '@stox/link'
import type { SipRequest } from '@stox/sip'
import type { SubscriptionReply } from '@stox/sip-engine'
import type { Metrics } from '@stox/telemetry'
import type { GruuPolicy } from '@stox/translate'
import { formatBareJid, formatJid, formatStanza } from '@stox/xmpp'
import type { PresenceStanza } from '@stox/xmpp'
import { chooseRoute, inDialog } from './choose-route.ts'
import type { OwnAddress } from './choose-route.ts'
import type { SipSender } from './send-sip.ts'
import { sipEnd } from './watch-entry.ts'
import type { WatchEntry } from './watch-entry.ts'

export interface WatchSendingDeps {
  readonly ids: Ids
  readonly log: Log
  readonly metrics: Pick<Metrics, 'presencePassed'>
  index(): FederationIndex
  readonly gruu: GruuPolicy
  readonly sip: SipSender
  readonly sipAddress: OwnAddress
  readonly link: { send(envelope: OutboundEnvelope): Promise<Outcome> }
  /** Presence of a SIP user, with what his devices take. */
  readonly withCaps: (presence: PresenceStanza) => PresenceStanza
}

/** A presence stanza that cannot leave in this time is told again later. */
const STANZA_EXPIRES_MS = 15_000

export async function sendPresence(deps: WatchSendingDeps, presence: PresenceStanza): Promise<Outcome> {
  const { from, to, type } = presence
  deps.metrics.presencePassed('sip-to-xmpp', type)
  const outcome = await deps.link.send({
    correlationId: deps.ids.token(),
    localDomain: from.domain,
    remoteDomain: to.domain,
    from: formatBareJid(from),
    to: formatBareJid(to),
    stanzaXml: formatStanza(deps.withCaps(presence)),
    expiresInMs: STANZA_EXPIRES_MS,
  })
  deps.log.debug('presence', { from: formatJid(from), to: formatJid(to), type, outcome: outcome.kind })
  return outcome
}

/** `nextHop` undefined: by the route of the SIP user's domain. */
export async function sendInWatch(
  deps: WatchSendingDeps,
  entry: WatchEntry,
  request: SipRequest,
  nextHop: string | undefined,
): Promise<SubscriptionReply> {
  const { domain } = sipEnd(entry)
  const route = chooseRoute(deps.index(), domain, deps.gruu, deps.sipAddress)
  const towards = nextHop ?? route?.uri
  if (towards === undefined) return { kind: 'failed', cause: 'no-target', detail: `no route to ${domain}` }
  const reply = await deps.sip.send(request, towards, nextHop === undefined ? route?.options : inDialog(route))
  deps.log.debug('presence-request', {
    id: entry.id,
    method: request.method,
    result: reply.kind === 'response' ? reply.response.status : reply.cause,
  })
  return reply
}
