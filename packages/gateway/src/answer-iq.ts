import type { Ids, Outcome } from '@stox/kernel'
import type { OutboundEnvelope } from '@stox/link'
import {
  bareJid,
  discoInfoElement,
  formatBareJid,
  formatStanza,
  iqResult,
  isPing,
  ns,
  parseDiscoInfo,
} from '@stox/xmpp'
import type { DiscoInfo, IqStanza, Jid } from '@stox/xmpp'
import { absorbed, bounced, noSuchService } from './bounce.ts'
import type { SipCaps } from './sip-caps.ts'

export interface AnswerIqDeps {
  readonly ids: Ids
  readonly caps: SipCaps
  readonly link: { send(envelope: OutboundEnvelope): Promise<Outcome> }
  readonly giveUpMs: number
  /** The resources of a SIP user that an XMPP user sees; undefined when he may see none. */
  shownResources(sipUser: Jid, xmppUser: Jid): readonly string[] | undefined
}

/**
 * What a SIP user would answer: that he is there, and what he takes. Whoever may not see his presence learns no more
 * than of somebody who does not exist. @see mapping C.14, XEP-0030 §8, XEP-0199 §4.4
 */
export async function answerIq(deps: AnswerIqDeps, iq: IqStanza): Promise<Outcome> {
  if (iq.type !== 'get' && iq.type !== 'set') return absorbed('answered-here')
  const shown = deps.shownResources(bareJid(iq.to), iq.from)
  const isThere = shown !== undefined && (iq.to.resource === undefined || shown.includes(iq.to.resource))
  if (!isThere || iq.type !== 'get' || iq.payload === undefined) return bounced(noSuchService)
  if (isPing(iq.payload)) return answer(deps, iqResult(iq))
  const asked = parseDiscoInfo(iq.payload)
  const info = asked === undefined ? undefined : infoFor(deps.caps, iq, asked.node)
  if (info === undefined) return bounced(noSuchService)
  return answer(deps, iqResult(iq, discoInfoElement({ ...info, node: asked?.node })))
}

function infoFor(caps: SipCaps, { from, to }: IqStanza, node: string | undefined): DiscoInfo | undefined {
  if (node !== undefined) return caps.infoOfNode(node)
  return to.resource === undefined ? ACCOUNT : caps.infoOf(to, from)
}

const ACCOUNT: DiscoInfo = {
  identities: [{ category: 'account', type: 'registered' }],
  features: [ns.NS_DISCO_INFO, ns.NS_PING],
}

/** Nobody waits for what becomes of it. */
async function answer({ ids, link, giveUpMs }: AnswerIqDeps, result: IqStanza): Promise<Outcome> {
  await link.send({
    correlationId: ids.token(),
    localDomain: result.from.domain,
    remoteDomain: result.to.domain,
    from: formatBareJid(result.from),
    to: formatBareJid(result.to),
    stanzaXml: formatStanza(result),
    expiresInMs: giveUpMs,
  })
  return absorbed('answered-here')
}
