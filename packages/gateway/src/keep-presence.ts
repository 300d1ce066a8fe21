import type { Clock, Hashes, Ids, Log, Outcome, Timers } from '@stox/kernel'
import { decideInbound, decideOutbound, mayShowNote, refusalOf } from '@stox/federation'
import type { FederationIndex } from '@stox/federation'
import type { InboundEnvelope, OutboundEnvelope } from '@stox/link'
import { PIDF_TYPE, newSipResponse } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { dialogKey, dialogKeyOf } from '@stox/sip-engine'
import type { SubscribeRules, SubscriptionOrder } from '@stox/sip-engine'
import type { SubscriptionStore } from '@stox/store'
import type { Metrics } from '@stox/telemetry'
import { failureToSip, jidToSipText, partiesOfRequest } from '@stox/translate'
import type { GruuPolicy, SipFailure } from '@stox/translate'
import type { IncomingSipRequest, SipAddress, SipTransport } from '@stox/transport'
import { asksToEnterRoom, formatBareJid, formatJid, formatStanza } from '@stox/xmpp'
import type { Jid, PresenceStanza } from '@stox/xmpp'
import { absorbed, bounced, brokeDown, noSuchService } from './bounce.ts'
import { chooseRoute, inDialog } from './choose-route.ts'
import { contactUriOf } from './contact-uri.ts'
import { refuseRequest } from './deliver-to-xmpp.ts'
import type { SipSender } from './send-sip.ts'
import type { WatchEffect, WatchStep } from './watch-effects.ts'
import { advanceSipWatch } from './watch-sip.ts'
import type { SipWatchEvent } from './watch-sip.ts'
import type { SipWatch, SipWatchContext } from './watch-sip-state.ts'
import { newEntry, recordOfEntry, sipEnd } from './watch-entry.ts'
import type { EntryOf, WatchEntry } from './watch-entry.ts'
import { NewWorkDoor } from './new-work-door.ts'
import { PresenceHealing } from './presence-healing.ts'
import { WatchTable } from './watch-table.ts'
import { advanceXmppWatch } from './watch-xmpp.ts'
import type { XmppWatchEvent } from './watch-xmpp.ts'
import { XMPP_WATCH_ID } from './watch-xmpp-state.ts'
import type { XmppWatch, XmppWatchContext } from './watch-xmpp-state.ts'
import { WrittenPresence } from './written-presence.ts'

export interface KeepPresenceDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly hashes: Hashes
  readonly log: Log
  readonly metrics: Pick<Metrics, 'presencePassed'>
  readonly store: Pick<SubscriptionStore, 'put' | 'delete' | 'all'>
  index(): FederationIndex
  readonly gruu: GruuPolicy
  readonly sip: SipSender
  /** What to write into Contact. */
  readonly sipAddress: (transport: SipTransport) => SipAddress | undefined
  readonly link: { send(envelope: OutboundEnvelope): Promise<Outcome> }
  /** Presence of a SIP user, with what his devices take. */
  readonly withCaps: (presence: PresenceStanza) => PresenceStanza
  /** Hears of every subscription as it is after a turn; `held`: it is still there. */
  readonly noteWatch: (entry: WatchEntry, held: boolean) => void
  readonly expiresS: number
  readonly notifyIntervalMs: number
  /** New subscriptions of one side that may be under way. */
  readonly mostNew: number
  /** This process has more to do than it can: what is new has to wait. */
  isLate(): boolean
  /** Told once that there are very many subscriptions. */
  noteCrowd(): void
}

/** A presence stanza that cannot leave in this time is told again later. */
const STANZA_EXPIRES_MS = 15_000
const RETRY_AFTER_S = 60
const CROWD = 2000
const tooManyAtOnce = {
  fault: 'us',
  retry: 'later',
  condition: 'resource-constraint',
  errorType: 'wait',
  status: 503,
  text: 'Too many new subscriptions at once',
  detail: 'more new subscriptions than the SIP side answers',
} as const

type TimerFired = Extract<SipWatchEvent & XmppWatchEvent, { kind: 'timer' }>

/** What a turn is due to: where its `respond` effect goes, and who is told when all that it sends has its answer. */
interface Occasion {
  readonly incoming?: IncomingSipRequest
  readonly end?: () => void
}

/**
 * Every presence subscription of both directions: events in, watches advanced, effects done, state kept. All decisions
 * are in `watch-sip` and `watch-xmpp`.
 */
export class PresenceKeeper {
  readonly #deps: KeepPresenceDeps
  readonly #table = new WatchTable()
  readonly #healing: PresenceHealing
  readonly #rules: SubscribeRules
  readonly #documents: WrittenPresence
  readonly #newFromSip: NewWorkDoor
  readonly #newFromXmpp: NewWorkDoor
  #isCrowd = false
  #closed = false

  constructor(deps: KeepPresenceDeps) {
    this.#deps = deps
    this.#documents = new WrittenPresence(deps.hashes, deps.gruu)
    this.#newFromSip = new NewWorkDoor(deps.clock, deps.mostNew)
    this.#newFromXmpp = new NewWorkDoor(deps.clock, deps.mostNew)
    this.#healing = new PresenceHealing(deps, this.#table, (entry, event) => this.#advance(entry, event))
    this.#rules = {
      events: ['presence'],
      bodyType: PIDF_TYPE,
      minExpiresS: Math.min(60, deps.expiresS),
      maxExpiresS: deps.expiresS,
      defaultExpiresS: deps.expiresS,
      minNotifyIntervalMs: deps.notifyIntervalMs,
    }
  }

  // --- life

  /** Before anybody can ask for it: what is not known is answered with 481. */
  async load(): Promise<void> {
    await this.#healing.load()
    this.#countCrowd()
  }

  /** Takes up what the last process left; who has something to say is heard at once. @see mapping D.10 */
  start(): void {
    this.#healing.start()
  }

  #countCrowd(): void {
    if (this.#isCrowd || this.#table.size < CROWD) return
    this.#isCrowd = true
    this.#deps.noteCrowd()
  }

  /** Timers only: what is kept is in the store, and is taken up by the next process. */
  close(): void {
    this.#closed = true
    for (const entry of this.#table) for (const timer of entry.timers.values()) timer.cancel()
    this.#healing.close()
  }

  // --- from the XMPP side

  async takePresence(_envelope: InboundEnvelope, presence: PresenceStanza): Promise<Outcome> {
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
      await this.#advanceXmpp(this.#table.find('sip-watches-xmpp', to, from), { kind: 'presence', presence })
      await this.#noteWatcher(from, to, type)
      return absorbed('presence-kept')
    }
    // An error belongs to the direction in which we had sent.
    const direction = presence.id?.startsWith(XMPP_WATCH_ID) === true
    if (direction)
      await this.#advanceXmpp(this.#table.find('sip-watches-xmpp', to, from), { kind: 'presence', presence })
    else await this.#advanceSip(this.#table.find('xmpp-watches-sip', from, to), { kind: 'presence', presence })
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
    if (type === 'available') await this.#advanceSip(own, { kind: 'watcher-came' })
    else if (type === 'unavailable' && seen.watch.available.length === 0)
      await this.#advanceSip(own, { kind: 'watcher-left' })
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
    const kept = await this.#advanceSip(entry, { kind: 'presence', presence }, occasion)
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
      if (entry?.direction !== 'sip-watches-xmpp') return this.#refuse(incoming, 481)
      this.#deps.metrics.presencePassed('sip-to-xmpp', 'refresh')
      void this.#advanceXmpp(entry, { kind: 'resubscribe', request, dialog: key }, { incoming })
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
    if (to.local === undefined) return this.#refuse(incoming, 404)

    this.#deps.metrics.presencePassed('sip-to-xmpp', 'subscribe')
    const known = this.#table.find('sip-watches-xmpp', from, to)
    if (known === undefined && this.#table.isFull(from))
      return this.#refuse(incoming, 480, [['Retry-After', String(RETRY_AFTER_S)]])
    const entry = known ?? newEntry('sip-watches-xmpp', from, to)
    const contactUri = contactUriOf(to, incoming.flow.transport, this.#deps.sipAddress)
    const end = this.#newFromSip.enter()
    void this.#advanceXmpp(entry, { kind: 'subscribe', request, contactUri }, { incoming, end })
  }

  /** What the watcher's own SIP server has told: he watches, or does no more. @see RFC 3857 */
  noteListed(watcher: Jid, contact: Jid, listed: boolean): void {
    const known = this.#table.find('sip-watches-xmpp', watcher, contact)
    if (!listed) return void this.#advanceXmpp(known, { kind: 'unlisted' })
    if (known === undefined && this.#table.isFull(watcher))
      return this.#deps.log.warn('subscription-limit', { watcher: formatBareJid(watcher) })
    void this.#advanceXmpp(known ?? newEntry('sip-watches-xmpp', watcher, contact), { kind: 'listed' })
  }

  takeNotify(incoming: IncomingSipRequest): void {
    const key = dialogKeyOf(incoming.request)
    const entry = key === undefined ? undefined : this.#table.byDialog(key)
    // The notifier drops what we do not know. @see RFC 6665 §4.1.3
    if (entry?.direction !== 'xmpp-watches-sip') return this.#refuse(incoming, 481)
    this.#deps.metrics.presencePassed('sip-to-xmpp', 'notify')
    void this.#advanceSip(entry, { kind: 'notify', request: incoming.request }, { incoming })
  }

  #refuse(incoming: IncomingSipRequest, status: number, headers: readonly (readonly [string, string])[] = []): void {
    incoming.respond(newSipResponse(incoming.request, status, undefined, { toTag: this.#deps.ids.token(), headers }))
  }

  #refuseWith(incoming: IncomingSipRequest, failure: SipFailure): void {
    const answer = failureToSip(failure)
    this.#refuse(incoming, answer.status, answer.headers)
  }

  // --- from the link

  /** An edge has come: with it come streams, and what was under way with the last one may be lost. */
  edgeAttached(): void {
    this.#healing.healSoon(undefined)
  }

  streamUp(remoteDomain: string): void {
    this.#healing.healSoon(remoteDomain)
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
    return entry.direction === 'xmpp-watches-sip' ? this.#advanceSip(entry, event) : this.#advanceXmpp(entry, event)
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

  // --- turns

  /** What both directions know. */
  #advance(entry: WatchEntry, event: { readonly kind: 'resume' | 'heal' } | TimerFired): void {
    if (this.#closed || !this.#table.holds(entry)) return
    if (entry.direction === 'xmpp-watches-sip') void this.#advanceSip(entry, event)
    else void this.#advanceXmpp(entry, event)
  }

  /** False: we broke down over it. */
  #advanceSip(
    entry: EntryOf<'xmpp-watches-sip'> | undefined,
    event: SipWatchEvent,
    occasion: Occasion = {},
  ): Promise<boolean> {
    if (entry === undefined) return Promise.resolve(true)
    this.#healing.resumeFirst(entry)
    return this.#guarded(entry, event.kind, occasion, () => {
      const before = entry.authorization
      const step = advanceSipWatch(entry.watch, event, this.#sipContext(entry))
      if (step.watch !== undefined) entry.watch = step.watch
      return this.#finish(entry, step, before, occasion)
    })
  }

  #advanceXmpp(
    entry: EntryOf<'sip-watches-xmpp'> | undefined,
    event: XmppWatchEvent,
    occasion: Occasion = {},
  ): Promise<boolean> {
    if (entry === undefined) return Promise.resolve(true)
    const ahead = this.#healing.resumeFirst(entry)
    return this.#guarded(entry, event.kind, occasion, () => {
      const before = entry.authorization
      const input = event.kind === 'presence' ? { ...event, ahead } : event
      const step = advanceXmppWatch(entry.watch, input, this.#xmppContext(entry))
      if (step.watch !== undefined) entry.watch = step.watch
      return this.#finish(entry, step, before, occasion)
    })
  }

  /** One subscription on which we break down, or a disk that is full, must not end the others. */
  async #guarded(
    entry: WatchEntry,
    event: string,
    { incoming, end }: Occasion,
    turn: () => Promise<void>,
  ): Promise<boolean> {
    try {
      await turn()
      return true
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#deps.log.error('presence-broke-down', { id: entry.id, event, detail })
      if (incoming !== undefined) this.#refuse(incoming, 500)
      end?.()
      return false
    }
  }

  /**
   * Keeps what is to be kept, then does what is to be done: nobody is told of an authorization or a dialog that a crash
   * could make us forget. Turns of one subscription keep their order.
   */
  async #finish(
    entry: WatchEntry,
    step: WatchStep<SipWatch | XmppWatch>,
    before: string,
    { incoming, end }: Occasion,
  ): Promise<void> {
    const act = (): void => {
      const sent = step.effects.flatMap((effect) => this.#do(entry, effect, incoming) ?? [])
      // A request that a turn has nothing to say to is not left to die.
      if (incoming !== undefined && step.effects.every(({ kind }) => kind !== 'respond')) this.#refuse(incoming, 481)
      if (end !== undefined) void Promise.all(sent).finally(end)
    }
    const written = this.#kept(entry, step, before)
    if (written === undefined && entry.writing === undefined) return act()
    const done = doneAfter(entry.writing, written, act)
    const writing = done.catch(() => undefined)
    entry.writing = writing
    await done.finally(() => {
      if (entry.writing === writing) entry.writing = undefined
    })
  }

  #kept(entry: WatchEntry, step: WatchStep<SipWatch | XmppWatch>, before: string): Promise<void> | undefined {
    try {
      return this.#keep(entry, step, before)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Undefined: it may wait for its turn with the others. */
  #keep(entry: WatchEntry, step: WatchStep<SipWatch | XmppWatch>, before: string): Promise<void> | undefined {
    const { store, log, clock, noteWatch } = this.#deps
    if (step.watch === undefined) {
      const wasHeld = this.#table.forget(entry)
      noteWatch(entry, false)
      if (!wasHeld) return undefined
      // Whose authorization is gone already, has nothing left but the end of a dialog.
      if (before !== 'none') return store.delete(entry.id, { durable: true })
      store.delete(entry.id)
      return undefined
    }
    const hasOtherDialogs = this.#table.keep(entry)
    this.#countCrowd()
    noteWatch(entry, true)
    const record = recordOfEntry(entry, clock.wallMs())
    const { direction, watcher, contact, authorization, state } = record
    if (authorization !== before) log.info('subscription', { direction, watcher, contact, authorization, state })
    else if (!hasOtherDialogs) {
      store.put(record)
      return undefined
    }
    return store.put(record, { durable: true })
  }

  /** Of what is sent: when it has its answer. */
  #do(entry: WatchEntry, effect: WatchEffect, incoming: IncomingSipRequest | undefined): Promise<void> | undefined {
    switch (effect.kind) {
      case 'send-stanza':
        return this.#sendStanza(entry, effect.presence)
      case 'send-sip':
        return this.#sendSip(entry, effect.request, effect.nextHop)
      case 'respond':
        incoming?.respond(effect.response)
        return undefined
      case 'arm-timer':
        this.#arm(entry, effect.timer, effect.afterMs)
        return undefined
      case 'cancel-timer':
        entry.timers.get(effect.timer)?.cancel()
        entry.timers.delete(effect.timer)
        return undefined
    }
  }

  #arm(entry: WatchEntry, name: string, afterMs: number): void {
    entry.timers.get(name)?.cancel()
    if (this.#closed || !this.#table.holds(entry)) return
    const timer = this.#deps.timers.arm(afterMs, () => {
      entry.timers.delete(name)
      this.#advance(entry, { kind: 'timer', timer: name })
    })
    entry.timers.set(name, timer)
  }

  async #sendStanza(entry: WatchEntry, presence: PresenceStanza): Promise<void> {
    if (this.#closed) return
    this.#deps.metrics.presencePassed('sip-to-xmpp', presence.type)
    const outcome = await this.#deps.link.send({
      correlationId: this.#deps.ids.token(),
      localDomain: presence.from.domain,
      remoteDomain: presence.to.domain,
      from: formatBareJid(presence.from),
      to: formatBareJid(presence.to),
      stanzaXml: formatStanza(this.#deps.withCaps(presence)),
      expiresInMs: STANZA_EXPIRES_MS,
    })
    this.#deps.log.debug('presence', {
      from: formatJid(presence.from),
      to: formatJid(presence.to),
      type: presence.type,
      outcome: outcome.kind,
    })
    if (this.#closed || !this.#table.holds(entry)) return
    if (outcome.kind === 'bounced') {
      const { failure } = outcome
      this.#deps.log.warn('presence-unsent', { id: entry.id, type: presence.type, detail: failure.detail })
      if (entry.direction === 'xmpp-watches-sip') void this.#advanceSip(entry, { kind: 'unsent', presence, failure })
      else void this.#advanceXmpp(entry, { kind: 'unsent', presence, failure })
    } else if (entry.direction === 'sip-watches-xmpp') void this.#advanceXmpp(entry, { kind: 'sent', presence })
  }

  async #sendSip(entry: WatchEntry, request: SipRequest, nextHop: string | undefined): Promise<void> {
    if (this.#closed) return
    const route = chooseRoute(this.#deps.index(), sipEnd(entry).domain, this.#deps.gruu, this.#deps.sipAddress)
    const towards = nextHop ?? route?.uri
    const reply =
      towards === undefined
        ? ({ kind: 'failed', cause: 'no-target', detail: `no route to ${sipEnd(entry).domain}` } as const)
        : await this.#deps.sip.send(request, towards, nextHop === undefined ? route?.options : inDialog(route))
    if (this.#closed || !this.#table.holds(entry)) return
    this.#deps.log.debug('presence-request', {
      id: entry.id,
      method: request.method,
      result: reply.kind === 'response' ? reply.response.status : reply.cause,
    })
    if (entry.direction === 'xmpp-watches-sip')
      void this.#advanceSip(entry, { kind: 'reply', input: { kind: 'reply', request, reply } })
    else {
      const dialog = dialogKey(request.core.callId, request.core.from.params.get('tag') ?? '')
      void this.#advanceXmpp(entry, { kind: 'reply', dialog, request, reply })
    }
  }

  // --- what the watches may ask

  #sipContext(entry: WatchEntry): SipWatchContext {
    const { clock, ids } = this.#deps
    const partner = this.#deps.index().partnerOf(entry.watcher.domain)
    return {
      nowMs: clock.wallMs(),
      ids,
      readsNotes: this.#deps.index().localDomain(entry.contact.domain)?.presence.noteHeuristics === true,
      showsNotes: partner !== undefined && mayShowNote(partner),
      expiresS: this.#deps.expiresS,
      mayAsk: this.#mayAskSip(),
      order: (expiresS) => this.#orderFor(entry, expiresS),
    }
  }

  #orderFor(entry: WatchEntry, expiresS: number): SubscriptionOrder {
    const watcher = jidToSipText(entry.watcher)
    const contact = jidToSipText(entry.contact)
    const route = chooseRoute(this.#deps.index(), entry.contact.domain, this.#deps.gruu, this.#deps.sipAddress)
    return {
      event: 'presence',
      accept: PIDF_TYPE,
      from: `<${watcher}>`,
      to: `<${contact}>`,
      requestUri: contact,
      contact: contactUriOf(entry.watcher, route?.transport ?? 'udp', this.#deps.sipAddress),
      expiresS,
      headers: [['User-Agent', 'stox']],
    }
  }

  #xmppContext(entry: WatchEntry): XmppWatchContext {
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

/** What the disk says comes last: a turn is done whole, or the watch would believe in timers that nobody has armed. */
async function doneAfter(
  before: Promise<void> | undefined,
  written: Promise<void> | undefined,
  act: () => void,
): Promise<void> {
  await before
  try {
    await written
  } finally {
    act()
  }
}
