import type { Clock, Hashes, Ids } from '@stox/kernel'
import { mayShowNote } from '@stox/federation'
import type { FederationIndex } from '@stox/federation'
import { PIDF_TYPE } from '@stox/sip'
import type { SubscribeRules, SubscriptionOrder } from '@stox/sip-engine'
import { jidToSipText } from '@stox/translate'
import type { GruuPolicy } from '@stox/translate'
import { chooseRoute } from './choose-route.ts'
import type { OwnAddress } from './choose-route.ts'
import { contactUriOf } from './contact-uri.ts'
import type { WatchEntry } from './watch-entry.ts'
import type { SipWatchContext } from './watch-sip-state.ts'
import type { WatchTable } from './watch-table.ts'
import type { XmppWatchContext } from './watch-xmpp-state.ts'
import { WrittenPresence } from './written-presence.ts'

export interface WatchContextsDeps {
  readonly clock: Clock
  readonly ids: Ids
  readonly hashes: Hashes
  index(): FederationIndex
  readonly gruu: GruuPolicy
  /** What to write into Contact. */
  readonly sipAddress: OwnAddress
  readonly expiresS: number
  readonly notifyIntervalMs: number
}

/** What a watch may ask of the rest of the gateway in its turn. */
export class WatchContexts {
  readonly #deps: WatchContextsDeps
  readonly #table: WatchTable
  readonly #mayAskSip: () => boolean
  readonly #rules: SubscribeRules
  readonly #documents: WrittenPresence

  constructor(deps: WatchContextsDeps, table: WatchTable, mayAskSip: () => boolean) {
    this.#deps = deps
    this.#table = table
    this.#mayAskSip = mayAskSip
    this.#documents = new WrittenPresence(deps.hashes, deps.gruu)
    this.#rules = {
      events: ['presence'],
      bodyType: PIDF_TYPE,
      minExpiresS: Math.min(60, deps.expiresS),
      maxExpiresS: deps.expiresS,
      defaultExpiresS: deps.expiresS,
      minNotifyIntervalMs: deps.notifyIntervalMs,
    }
  }

  sip(entry: WatchEntry): SipWatchContext {
    const { clock, ids, expiresS } = this.#deps
    const index = this.#deps.index()
    const partner = index.partnerOf(entry.watcher.domain)
    return {
      nowMs: clock.wallMs(),
      ids,
      readsNotes: index.localDomain(entry.contact.domain)?.presence.noteHeuristics === true,
      showsNotes: partner !== undefined && mayShowNote(partner),
      expiresS,
      mayAsk: this.#mayAskSip(),
      order: (wantedS) => this.#orderFor(entry, wantedS),
    }
  }

  #orderFor(entry: WatchEntry, expiresS: number): SubscriptionOrder {
    const { gruu, sipAddress } = this.#deps
    const watcher = jidToSipText(entry.watcher)
    const contact = jidToSipText(entry.contact)
    const route = chooseRoute(this.#deps.index(), entry.contact.domain, gruu, sipAddress)
    return {
      event: 'presence',
      accept: PIDF_TYPE,
      from: `<${watcher}>`,
      to: `<${contact}>`,
      requestUri: contact,
      contact: contactUriOf(entry.watcher, route?.transport ?? 'udp', sipAddress),
      expiresS,
      headers: [['User-Agent', 'stox']],
    }
  }

  xmpp(entry: WatchEntry): XmppWatchContext {
    const { clock, ids } = this.#deps
    return {
      nowMs: clock.wallMs(),
      ids,
      documents: this.#documents,
      rules: this.#rules,
      publishes: this.#deps.index().localDomain(entry.watcher.domain)?.presence.mode === 'publish',
      isShownToContact: () => {
        const other = this.#table.find('xmpp-watches-sip', entry.contact, entry.watcher)
        return other?.authorization === 'active' && !other.awaitsResumption && other.watch.known
      },
    }
  }
}
