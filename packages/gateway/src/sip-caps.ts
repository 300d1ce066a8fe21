import { createHash } from 'node:crypto'
import { RecentMap } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import { capsNode, capsVer, ns, presenceWithCaps } from '@stox/xmpp'
import type { DiscoInfo, Jid, PresenceStanza } from '@stox/xmpp'
import { passesReports } from './pass-reports.ts'
import { passesTyping } from './pass-typing.ts'
import type { SipAbilities } from './sip-abilities.ts'

/** Names the software. @see XEP-0115 §4 */
const NODE = 'urn:stox:gateway'
/** There are as many as there are combinations of features. */
const MOST_VERS = 64

const sha1Base64 = (text: string): string => createHash('sha1').update(text).digest('base64')

export interface SipCapsDeps {
  readonly abilities: SipAbilities
  index(): FederationIndex
}

/** What the devices of SIP users take, as others ask for it and as their presence says it. @see XEP-0030, XEP-0115, mapping C.14 */
export class SipCaps {
  readonly #deps: SipCapsDeps
  readonly #vers = new RecentMap<string, string>(MOST_VERS)
  readonly #infos = new RecentMap<string, DiscoInfo>(MOST_VERS)

  constructor(deps: SipCapsDeps) {
    this.#deps = deps
  }

  /** For an XMPP user. */
  infoOf(device: Jid, asker: Jid): DiscoInfo {
    const { abilities } = this.#deps
    const index = this.#deps.index()
    const rules = index.localDomain(device.domain)?.messages
    const passes = (feature: string, does: boolean): readonly string[] => (does ? [feature] : [])
    const reports = passesReports(index, asker.domain) && abilities.takes(device, 'cpim', rules?.reports ?? 'never')
    return {
      identities: [{ category: 'client', type: 'phone' }],
      features: [
        ns.NS_DISCO_INFO,
        ns.NS_PING,
        ...passes(
          ns.NS_CHAT_STATES,
          passesTyping(index, device.domain, asker.domain) && abilities.takes(device, 'composing', 'always'),
        ),
        ...passes(ns.NS_RECEIPTS, reports),
        ...passes(ns.NS_CHAT_MARKERS, reports),
        ...passes(ns.NS_XHTML_IM, abilities.takes(device, 'html', rules?.html ?? 'never')),
      ],
    }
  }

  /** What was meant by a node that stood in presence, as long as it is known; it may have changed since. @see XEP-0115 §6.2 */
  infoOfNode(node: string): DiscoInfo | undefined {
    return this.#infos.get(node)
  }

  /** Presence of a SIP user, with what he takes; only who is there takes something. @see XEP-0115 §5 */
  withCaps(presence: PresenceStanza): PresenceStanza {
    if (presence.type !== 'available') return presence
    const info = this.infoOf(presence.from, presence.to)
    const key = info.features.join(' ')
    let ver = this.#vers.get(key)
    if (ver === undefined) {
      ver = capsVer(info, sha1Base64) ?? ''
      this.#vers.set(key, ver)
    }
    const caps = { hash: 'sha-1', node: NODE, ver }
    if (this.#infos.get(capsNode(caps)) === undefined) this.#infos.set(capsNode(caps), info)
    return presenceWithCaps(presence, caps)
  }
}
