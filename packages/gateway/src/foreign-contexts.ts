import type { Clock, Hashes, Ids, Log } from '@stox/kernel'
import type { FederationIndex, ServedDomain } from '@stox/federation'
import { WATCHERINFO_TYPE } from '@stox/sip'
import type { PublicationOrder, PublishedDocument, SubscriptionOrder } from '@stox/sip-engine'
import { jidToSipText } from '@stox/translate'
import type { GruuPolicy } from '@stox/translate'
import { bareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { chooseRoute } from './choose-route.ts'
import type { OwnAddress, SipRoute } from './choose-route.ts'
import { contactUriOf } from './contact-uri.ts'
import type { ForeignSite } from './foreign-site.ts'
import type { ForeignUserContext } from './foreign-user.ts'
import { publishedDocument, shownUnapproved } from './published-document.ts'
import { domainsAt } from './publishing-domains.ts'
import type { EntryOf } from './watch-entry.ts'

export interface ForeignContextsDeps {
  readonly clock: Clock
  readonly ids: Ids
  readonly hashes: Hashes
  readonly log: Log
  index(): FederationIndex
  readonly gruu: GruuPolicy
  readonly sipAddress: OwnAddress
  readonly expiresS: number
  readonly intervalMs: number
  isApproved(watcher: Jid, contact: Jid): boolean
}

/** What a foreign user may ask of the rest of the gateway: what he shows, and to whom. */
export class ForeignContexts {
  readonly #deps: ForeignContextsDeps

  constructor(deps: ForeignContextsDeps) {
    this.#deps = deps
  }

  of(site: ForeignSite): ForeignUserContext {
    const { clock, ids } = this.#deps
    return { nowMs: clock.wallMs(), ids, document: () => this.#document(site), order: () => this.#order(site) }
  }

  /** What he shows to those whom he has approved, and nothing while others would see it. @see docs/adr/0010 */
  #document(site: ForeignSite): PublishedDocument {
    const approved = [...site.watches.values()].filter(
      (entry): entry is EntryOf<'sip-watches-xmpp'> =>
        entry.direction === 'sip-watches-xmpp' && entry.authorization === 'active',
    )
    this.#noteWithheld(site, approved.length === 0 ? undefined : this.#shownUnapproved(site))
    if (site.withheldFrom !== undefined) return { kind: 'nothing' }
    if (approved.some(({ awaitsResumption }) => awaitsResumption)) return { kind: 'unknown' }
    const { hashes, clock } = this.#deps
    const gruu = this.routeOf(site)?.rules.gruu ?? this.#deps.gruu
    const watches = approved.map(({ watch }) => watch)
    return publishedDocument(site.jid, watches, { hashes, nowMs: clock.wallMs(), gruu })
  }

  #shownUnapproved(site: ForeignSite): string | undefined {
    const index = this.#deps.index()
    const shows = (local: ServedDomain): boolean => local.presence.unapproved === 'show'
    const allShow = domainsAt(index, site.user.route).every(shows)
    return shownUnapproved(
      site.user.watchers.watchers,
      (watcher) => this.#deps.isApproved(watcher, site.jid),
      (domain) => {
        const local = domain === undefined ? undefined : index.localDomain(domain)
        return local?.presence.mode === 'publish' ? shows(local) : allShow
      },
    )
  }

  #noteWithheld(site: ForeignSite, from: string | undefined): void {
    if (from !== undefined && from !== site.withheldFrom) {
      const { user } = site.user
      const detail = `the SIP server lets ${from} see ${user}, who has not approved; see presence.unapproved`
      this.#deps.log.warn('presence-withheld', { user, from, detail })
    }
    site.withheldFrom = from
  }

  publicationOrder(user: Jid): PublicationOrder {
    const address = jidToSipText(bareJid(user))
    return {
      event: 'presence',
      requestUri: address,
      address: `<${address}>`,
      expiresS: this.#deps.expiresS,
      minIntervalMs: this.#deps.intervalMs,
      headers: [['User-Agent', 'stox']],
    }
  }

  /** He asks who watches him: of nobody else would a server take it. @see RFC 3857 §4.6 */
  #order(site: ForeignSite): SubscriptionOrder {
    const address = jidToSipText(site.jid)
    return {
      event: 'presence.winfo',
      accept: WATCHERINFO_TYPE,
      from: `<${address}>`,
      to: `<${address}>`,
      requestUri: address,
      contact: contactUriOf(site.jid, this.routeOf(site)?.transport ?? 'udp', this.#deps.sipAddress),
      expiresS: this.#deps.expiresS,
      headers: [['User-Agent', 'stox']],
    }
  }

  routeOf(site: ForeignSite): SipRoute | undefined {
    const index = this.#deps.index()
    const [local] = domainsAt(index, site.user.route)
    if (local === undefined) return undefined
    return chooseRoute(index, local.domain, this.#deps.gruu, this.#deps.sipAddress)
  }
}
