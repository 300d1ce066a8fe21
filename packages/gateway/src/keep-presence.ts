import type { Outcome } from '@stox/kernel'
import { decideInbound, decideOutbound, refusalOf } from '@stox/federation'
import type { SipRequest } from '@stox/sip'
import { dialogKeyOf } from '@stox/sip-engine'
import { failureToSip, partiesOfRequest } from '@stox/translate'
import type { SipFailure } from '@stox/translate'
import type { IncomingSipRequest } from '@stox/transport'
import { asksToEnterRoom, formatBareJid } from '@stox/xmpp'
import type { Jid, PresenceStanza } from '@stox/xmpp'
import { absorbed, bounced, brokeDown, noSuchService } from './bounce.ts'
import { contactUriOf } from './contact-uri.ts'
import { refuseRequest } from './deliver-to-xmpp.ts'
import { NewWorkDoor } from './new-work-door.ts'
import { refuse } from './refuse.ts'
import { WatchContexts } from './watch-contexts.ts'
import type { WatchContextsDeps } from './watch-contexts.ts'
import { newEntry } from './watch-entry.ts'
import type { EntryOf, WatchEntry } from './watch-entry.ts'
import { WatchTable } from './watch-table.ts'
import { WatchTurns } from './watch-turns.ts'
import type { WatchTurnsDeps } from './watch-turns.ts'
import { XMPP_WATCH_ID } from './watch-xmpp-state.ts'

export interface KeepPresenceDeps extends WatchTurnsDeps, WatchContextsDeps {
  /** New subscriptions of one side that may be under way. */
  readonly mostNew: number
  /** This process has more to do than it can: what is new has to wait. */
  isLate(): boolean
}

const RETRY_AFTER_S = 60
const tooManyAtOnce = {
  fault: 'us',
  retry: 'later',
  condition: 'resource-constraint',
  errorType: 'wait',
  status: 503,
  text: 'Too many new subscriptions at once',
  detail: 'more new subscriptions than the SIP side answers',
} as const

/** Every presence subscription of both directions: who may have one, which one an event is for, and what they know. */
export class PresenceKeeper {
  readonly #deps: KeepPresenceDeps
  readonly #table = new WatchTable()
  readonly #turns: WatchTurns
  readonly #newFromSip: NewWorkDoor
  readonly #newFromXmpp: NewWorkDoor

  constructor(deps: KeepPresenceDeps) {
    this.#deps = deps
    this.#newFromSip = new NewWorkDoor(deps.clock, deps.mostNew)
    this.#newFromXmpp = new NewWorkDoor(deps.clock, deps.mostNew)
    const contexts = new WatchContexts(deps, this.#table, () => this.#mayAskSip())
    this.#turns = new WatchTurns(deps, this.#table, contexts)
  }

  // --- life

  async load(): Promise<void> {
    await this.#turns.load()
  }

  /** Takes up what the last process left; who has something to say is heard at once. @see mapping D.10 */
  start(): void {
    this.#turns.healing.start()
  }

  close(): void {
    this.#turns.close()
  }

  // --- from the XMPP side

  async takePresence(presence: PresenceStanza): Promise<Outcome> {
    const { from, to, type } = presence
    this.#deps.metrics.presencePassed('xmpp-to-sip', type)
    const decision = decideInbound(this.#deps.index(), {
      fromDomain: from.domain,
      toDomain: to.domain,
      kind: 'presence',
      presenceType: type,
      authorizedByLocalUser: this.isAuthorizedBy(to, from),
    })
    const asks = type === 'subscribe' || type === 'probe'
    // Only who asks is told no: presence that comes unasked is let fall.
    if (!decision.allowed) return asks ? bounced(refusalOf(decision)) : absorbed('presence-kept')
    if (to.local === undefined) return asks ? bounced(noSuchService) : absorbed('presence-kept')

    // There is no room of that name, and its would-be guest is not there for anybody by it. @see RFC 7702 §4, mapping E.2
    if (asksToEnterRoom(presence)) return bounced(noSuchService)
    if (asks || type === 'unsubscribe') return this.#takeWatchersPresence(presence)
    if (type !== 'error') {
      await this.#turns.xmpp(this.#table.find('sip-watches-xmpp', to, from), { kind: 'presence', presence })
      await this.#noteWatcher(from, to, type)
      return absorbed('presence-kept')
    }
    // An error belongs to the direction in which we had sent.
    const direction = presence.id?.startsWith(XMPP_WATCH_ID) === true
    if (direction)
      await this.#turns.xmpp(this.#table.find('sip-watches-xmpp', to, from), { kind: 'presence', presence })
    else await this.#turns.sip(this.#table.find('xmpp-watches-sip', from, to), { kind: 'presence', presence })
    return absorbed('error-stanza')
  }

  /**
   * Whoever is watched in return is seen to come and go: while he is online nowhere, his own watch needs no dialog. Of the
   * others nobody tells, so theirs stay. @see RFC 8048 §5.2.2, mapping D.2
   */
  async #noteWatcher(watcher: Jid, contact: Jid, type: PresenceStanza['type']): Promise<void> {
    const seen = this.#table.find('sip-watches-xmpp', contact, watcher)
    if (seen?.authorization !== 'active') return
    const own = this.#table.find('xmpp-watches-sip', watcher, contact)
    if (type === 'available') await this.#turns.sip(own, { kind: 'watcher-came' })
    else if (type === 'unavailable' && seen.watch.available.length === 0)
      await this.#turns.sip(own, { kind: 'watcher-left' })
  }

  async #takeWatchersPresence(presence: PresenceStanza): Promise<Outcome> {
    const { from, to } = presence
    const known = this.#table.find('xmpp-watches-sip', from, to)
    if (known === undefined && this.#table.isFull(from))
      return bounced({
        fault: 'sender',
        retry: 'later',
        condition: 'resource-constraint',
        status: 480,
        text: 'Too many subscriptions',
        detail: 'subscription limit',
      })
    const entry = known ?? newEntry('xmpp-watches-sip', from, to)
    // What is known is told; nobody is asked about it then.
    const isNew = presence.type !== 'unsubscribe' && !this.#isKnown(entry)
    if (isNew && !this.#mayAskSip()) return bounced(tooManyAtOnce)
    const occasion = isNew ? { end: this.#newFromXmpp.enter() } : {}
    const kept = await this.#turns.sip(entry, { kind: 'presence', presence }, occasion)
    return kept ? absorbed('presence-kept') : bounced(brokeDown('presence'))
  }

  #mayAskSip(): boolean {
    return this.#newFromXmpp.open && !this.#deps.isLate()
  }

  #isKnown(entry: EntryOf<'xmpp-watches-sip'>): boolean {
    return !entry.awaitsResumption && entry.authorization === 'active' && entry.watch.known
  }

  // --- from the SIP side

  /** When a new subscription may come again; undefined: now. Dialogs that live go before it. @see RFC 3261 §21.5.4 */
  busyForS(request: SipRequest): number | undefined {
    if (request.method !== 'SUBSCRIBE' || dialogKeyOf(request) !== undefined) return undefined
    return this.#newFromSip.open && !this.#deps.isLate() ? undefined : this.#newFromSip.appointmentS()
  }

  takeSubscribe(incoming: IncomingSipRequest): void {
    const { request } = incoming
    const key = dialogKeyOf(request)
    if (key !== undefined) {
      const entry = this.#table.byDialog(key)
      if (entry?.direction !== 'sip-watches-xmpp') return refuse(this.#deps, incoming, 481)
      this.#deps.metrics.presencePassed('sip-to-xmpp', 'refresh')
      void this.#turns.xmpp(entry, { kind: 'resubscribe', request, dialog: key }, { incoming })
      return
    }
    const parties = partiesOfRequest(request)
    if (!parties.ok) return this.#refuseWith(incoming, parties.failure)
    const { from, to } = parties.value
    const index = this.#deps.index()
    const refusal = refuseRequest(index, request, parties.value)
    if (refusal !== undefined) return this.#refuseWith(incoming, refusal)
    const decision = decideOutbound(index, { fromDomain: from.domain, toDomain: to.domain, kind: 'presence' })
    if (!decision.allowed) return this.#refuseWith(incoming, refusalOf(decision))
    if (to.local === undefined) return refuse(this.#deps, incoming, 404)

    this.#deps.metrics.presencePassed('sip-to-xmpp', 'subscribe')
    const known = this.#table.find('sip-watches-xmpp', from, to)
    if (known === undefined && this.#table.isFull(from))
      return refuse(this.#deps, incoming, 480, [['Retry-After', String(RETRY_AFTER_S)]])
    const entry = known ?? newEntry('sip-watches-xmpp', from, to)
    const contactUri = contactUriOf(to, incoming.flow.transport, this.#deps.sipAddress)
    const end = this.#newFromSip.enter()
    void this.#turns.xmpp(entry, { kind: 'subscribe', request, contactUri }, { incoming, end })
  }

  /** What the watcher's own SIP server has told: he watches, or does no more. @see RFC 3857 */
  noteListed(watcher: Jid, contact: Jid, listed: boolean): void {
    const known = this.#table.find('sip-watches-xmpp', watcher, contact)
    if (!listed) return void this.#turns.xmpp(known, { kind: 'unlisted' })
    if (known === undefined && this.#table.isFull(watcher))
      return this.#deps.log.warn('subscription-limit', { watcher: formatBareJid(watcher) })
    void this.#turns.xmpp(known ?? newEntry('sip-watches-xmpp', watcher, contact), { kind: 'listed' })
  }

  takeNotify(incoming: IncomingSipRequest): void {
    const key = dialogKeyOf(incoming.request)
    const entry = key === undefined ? undefined : this.#table.byDialog(key)
    // The notifier drops what we do not know. @see RFC 6665 §4.1.3
    if (entry?.direction !== 'xmpp-watches-sip') return refuse(this.#deps, incoming, 481)
    this.#deps.metrics.presencePassed('sip-to-xmpp', 'notify')
    void this.#turns.sip(entry, { kind: 'notify', request: incoming.request }, { incoming })
  }

  #refuseWith(incoming: IncomingSipRequest, failure: SipFailure): void {
    const answer = failureToSip(failure)
    refuse(this.#deps, incoming, answer.status, answer.headers)
  }

  // --- from the link

  /** An edge has come: with it come streams, and what was under way with the last one may be lost. */
  edgeAttached(): void {
    this.#turns.healing.healSoon(undefined)
  }

  streamUp(remoteDomain: string): void {
    this.#turns.healing.healSoon(remoteDomain)
  }

  // --- questions and orders

  /** The local user has added the remote one. @see New-CsXmppAllowedPartner, PublicUnverified */
  isAuthorizedBy(local: Jid, remote: Jid): boolean {
    const entry = this.#table.find('sip-watches-xmpp', local, remote)
    return entry?.authorization === 'pending' || entry?.authorization === 'active'
  }

  /** The XMPP user has let the SIP user in. */
  isApproved(watcher: Jid, contact: Jid): boolean {
    return this.#table.find('sip-watches-xmpp', watcher, contact)?.authorization === 'active'
  }

  /** Undefined: he may see nothing of him, or we do not know. */
  shownResources(sipUser: Jid, xmppUser: Jid): readonly string[] | undefined {
    const entry = this.#table.find('xmpp-watches-sip', xmppUser, sipUser)
    if (entry === undefined || entry.awaitsResumption) return undefined
    const { known, shown } = entry.watch
    return known ? shown.map(({ resource }) => resource) : undefined
  }

  /** The resource of a SIP user that an XMPP user sees, when there is exactly one. @see mapping C.13 */
  shownResource(sipUser: Jid, xmppUser: Jid): string | undefined {
    const shown = this.shownResources(sipUser, xmppUser)
    return shown?.length === 1 && shown[0] !== '' ? shown[0] : undefined
  }

  /** False: there is no such subscription. */
  async refresh(id: string): Promise<boolean> {
    return this.#order(id, { kind: 'refresh' })
  }

  async remove(id: string): Promise<boolean> {
    return this.#order(id, { kind: 'remove' })
  }

  async #order(id: string, event: { readonly kind: 'refresh' | 'remove' }): Promise<boolean> {
    const entry = this.#table.byId(id)
    if (entry === undefined) return false
    return entry.direction === 'xmpp-watches-sip' ? this.#turns.sip(entry, event) : this.#turns.xmpp(entry, event)
  }

  /** Every subscription there is. */
  [Symbol.iterator](): Iterator<WatchEntry> {
    return this.#table[Symbol.iterator]()
  }

  /** For the gauge. */
  counts(): Iterable<{ readonly direction: string; readonly state: string; readonly count: number }> {
    const counts = new Map<string, { direction: string; state: string; count: number }>()
    for (const entry of this.#table) {
      const { direction, state } = entry
      const key = `${direction} ${state}`
      const row = counts.get(key)
      if (row === undefined) counts.set(key, { direction, state, count: 1 })
      else row.count += 1
    }
    return counts.values()
  }
}
