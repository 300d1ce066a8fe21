import type { Ids, Outcome } from '@stox/kernel'
import type { OutboundEnvelope } from '@stox/link'
import type { FederationIndex } from '@stox/federation'
import {
  asksForVcard,
  bareJid,
  discoInfoElement,
  formatBareJid,
  formatStanza,
  iqResult,
  isPing,
  ns,
  parseDiscoInfo,
  vcardElement,
} from '@stox/xmpp'
import type { DiscoInfo, IqStanza, Jid } from '@stox/xmpp'
import { absorbed, bounced, noSuchItem, noSuchService } from './bounce.ts'
import type { DisplayNames } from './display-names.ts'
import type { SipCaps } from './sip-caps.ts'

export interface AnswerIqDeps {
  readonly ids: Ids
  readonly caps: SipCaps
  readonly names: DisplayNames
  /** The model is live. */
  index(): FederationIndex
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
  if (iq.type === 'get' && iq.payload !== undefined && asksForVcard(iq.payload))
    return isThere ? answerVcard(deps, iq) : bounced(noSuchItem)
  if (!isThere || iq.type !== 'get' || iq.payload === undefined) return bounced(noSuchService)
  if (isPing(iq.payload)) return answer(deps, iqResult(iq))
  const asked = parseDiscoInfo(iq.payload)
  const info = asked === undefined ? undefined : infoFor(deps.caps, iq, asked.node)
  if (info === undefined) return bounced(noSuchService)
  return answer(deps, iqResult(iq, discoInfoElement({ ...info, node: asked?.node })))
}

/** The name that he goes by, where others may know it. @see XEP-0054 §3.1 */
async function answerVcard(deps: AnswerIqDeps, iq: IqStanza): Promise<Outcome> {
  const mayKnow = deps.index().localDomain(iq.to.domain)?.presence.vcards === true
  const name = mayKnow ? deps.names.of(iq.to) : undefined
  return name === undefined
    ? bounced(noSuchItem)
    : answer(deps, iqResult(iq, vcardElement({ FN: name, NICKNAME: name })))
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
