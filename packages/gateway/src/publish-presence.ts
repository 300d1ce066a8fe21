import type { Timers } from '@stox/kernel'
import type { PublicationRow } from '@stox/admin-api'
import { decideOutbound } from '@stox/federation'
import type { SipRequest } from '@stox/sip'
import { dialogKeyOf } from '@stox/sip-engine'
import type { PublicationReport } from '@stox/sip-engine'
import type { PublicationStore } from '@stox/store'
import type { IncomingSipRequest } from '@stox/transport'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { inDialog } from './choose-route.ts'
import { ForeignContexts } from './foreign-contexts.ts'
import type { ForeignContextsDeps } from './foreign-contexts.ts'
import { newForeignSite, stateOfSite } from './foreign-site.ts'
import type { ForeignSite } from './foreign-site.ts'
import { advanceForeignUser, foreignUserKey, newForeignUser } from './foreign-user.ts'
import type { ForeignUser, ForeignUserEffect, ForeignUserEvent } from './foreign-user.ts'
import { PacedTurns, RESUMPTION_PACE } from './paced-turns.ts'
import { watcherJid } from './published-document.ts'
import { publishingDomains } from './publishing-domains.ts'
import { refuse } from './refuse.ts'
import type { SipSender } from './send-sip.ts'
import { ownJid } from './watch-effects.ts'
import { sipEnd, xmppEnd } from './watch-entry.ts'
import type { WatchEntry } from './watch-entry.ts'

export interface PublishPresenceDeps extends ForeignContextsDeps {
  readonly timers: Timers
  readonly store: Pick<PublicationStore, 'put' | 'delete' | 'all'>
  readonly sip: SipSender
  /** The watcher's server says that he has begun to watch, or has ended. */
  noteListed(watcher: Jid, contact: Jid, listed: boolean): void
}

/** His server tells each of those who may see him by himself: all of them are heard before it is published. */
const SETTLE_MS = 50
/** So long a server that is to be left may take for its last answer, which has an etag. */
const LAST_WORDS_MS = 2000

/**
 * For the domains whose SIP server answers for XMPP users itself: publishes there what they show to the users of these
 * domains, and hears from it who wants to see them. Who is to be published follows from the subscriptions that there are.
 * @see RFC 3903, RFC 3857, docs/adr/0010
 */
export class PresencePublisher {
  readonly #deps: PublishPresenceDeps
  readonly #contexts: ForeignContexts
  readonly #sites = new Map<string, ForeignSite>()
  readonly #byDialog = new Map<string, ForeignSite>()
  /** Where each subscription was last noted. */
  readonly #siteOf = new Map<string, ForeignSite>()
  readonly #paced: PacedTurns<ForeignSite>
  #started = false
  /** Many are noted at once. */
  #many = false
  #closing = false
  #closed = false
  /** Requests without an answer. */
  #underWay = 0
  #lastAnswer: (() => void) | undefined

  constructor(deps: PublishPresenceDeps) {
    this.#deps = deps
    this.#contexts = new ForeignContexts(deps)
    this.#paced = new PacedTurns(deps, RESUMPTION_PACE, (site) => this.#settle(site))
  }

  // --- life

  /** Before the subscriptions are taken up: what the last process has published. */
  async load(): Promise<void> {
    for (const { id, data } of await this.#deps.store.all()) {
      const user = this.#readable(id, data)
      if (user === undefined) continue
      const site = newForeignSite(id, user)
      site.awaitsResumption = true
      this.#keep(site)
    }
  }

  /** After the subscriptions are there. What nobody has to do with any more is taken away. */
  start(entries: Iterable<WatchEntry>): void {
    this.#started = true
    this.modelChanged(entries)
    this.#paced.add(this.#sites.values())
    if (this.#sites.size > 0)
      this.#deps.log.info('publications-resumed', { count: this.#sites.size, spreadMs: this.#paced.leftMs })
  }

  /**
   * What is published stays so, and is taken up by the next process: nothing new is sent, and the answers to what was sent
   * are waited for, since without its etag a publication would be doubled.
   */
  async close(): Promise<void> {
    this.#closing = true
    this.#paced.close()
    for (const site of this.#sites.values()) {
      site.settling?.cancel()
      site.timers.cancelAll()
    }
    if (this.#underWay > 0)
      await new Promise<void>((resolve) => {
        const timer = this.#deps.timers.arm(LAST_WORDS_MS, resolve)
        this.#lastAnswer = () => {
          timer.cancel()
          resolve()
        }
      })
    this.#closed = true
  }

  // --- who has to do with whom

  /** A subscription between an XMPP and a SIP user is as it is now; `held`: it is still there. */
  noteWatch(entry: WatchEntry, held: boolean): void {
    if (this.#closing) return
    const id = held ? this.#idFor(entry) : undefined
    const before = this.#siteOf.get(entry.id)
    if (before !== undefined && before.id !== id) {
      before.watches.delete(entry.id)
      this.#siteOf.delete(entry.id)
      this.#changed(before)
    }
    if (id === undefined) return
    const site = this.#sites.get(id) ?? newForeignSite(id, this.#newUser(entry, id))
    this.#sites.set(id, site)
    this.#siteOf.set(entry.id, site)
    site.watches.set(entry.id, entry)
    this.#changed(site)
  }

  /** The federation model has changed: with it, who may be published, and where. */
  modelChanged(entries: Iterable<WatchEntry>): void {
    if (this.#sites.size === 0 && publishingDomains(this.#deps.index()).size === 0) return
    this.#many = true
    for (const entry of entries) this.noteWatch(entry, true)
    this.#many = false
  }

  /** It may have been started anew: what it has forgotten it is told again now, not at the next refresh. */
  serverCameBack(domain: string): void {
    const route = this.#deps.index().localDomain(domain)?.route
    const sites = [...this.#sites.values()].filter(({ user }) => user.route === route)
    for (const site of sites) site.doubtful = true
    this.#paced.add(sites)
  }

  /** By user and server; undefined: not to be published. */
  #idFor(entry: WatchEntry): string | undefined {
    const index = this.#deps.index()
    const local = index.localDomain(sipEnd(entry).domain)
    if (local?.presence.mode !== 'publish') return undefined
    const user = xmppEnd(entry)
    if (user.local === undefined) return undefined
    const asked = { fromDomain: local.domain, toDomain: user.domain, kind: 'presence' } as const
    return decideOutbound(index, asked).allowed ? `${formatBareJid(user)}|${local.route}` : undefined
  }

  #newUser(entry: WatchEntry, id: string): ForeignUser {
    const user = formatBareJid(xmppEnd(entry))
    return newForeignUser(user, id.slice(user.length + 1), this.#contexts.publicationOrder(xmppEnd(entry)))
  }

  #changed(site: ForeignSite): void {
    if (!this.#started || site.settling !== undefined) return
    if (this.#many) return this.#paced.add([site])
    site.settling = this.#deps.timers.arm(SETTLE_MS, () => {
      site.settling = undefined
      this.#settle(site)
    })
  }

  #settle(site: ForeignSite): void {
    this.#paced.drop(site)
    if (site.awaitsResumption) this.#advance(site, { kind: 'resume' })
    site.awaitsResumption = false
    const joins = site.watches.size > 0
    if (joins !== site.joined || site.user.leaving === joins) this.#advance(site, { kind: joins ? 'join' : 'leave' })
    site.joined = joins
    if (site.doubtful) this.#advance(site, { kind: 'refresh' })
    site.doubtful = false
    if (joins) this.#advance(site, { kind: 'changed' })
  }

  // --- from the SIP side

  /** False: it is not about who watches. */
  takeNotify(incoming: IncomingSipRequest): boolean {
    const key = dialogKeyOf(incoming.request)
    const site = key === undefined ? undefined : this.#byDialog.get(key)
    if (site === undefined) return false
    this.#advance(site, { kind: 'notify', request: incoming.request }, incoming)
    return true
  }

  *rows(): Iterable<PublicationRow> {
    for (const site of this.#sites.values()) {
      const { user, route, publication, watchers } = site.user
      yield {
        ...{ id: site.id, user, route, state: stateOfSite(site), withheldFrom: site.withheldFrom ?? null },
        expiresAtMs: publication.expiresAtMs,
        watchers: watchers.watchers,
      }
    }
  }

  /** For the gauge. */
  counts(): Iterable<{ readonly state: string; readonly count: number }> {
    const counts = new Map<string, number>()
    for (const site of this.#sites.values()) counts.set(stateOfSite(site), (counts.get(stateOfSite(site)) ?? 0) + 1)
    return [...counts].map(([state, count]) => ({ state, count }))
  }

  // --- turns

  #advance(site: ForeignSite, event: ForeignUserEvent, incoming?: IncomingSipRequest): void {
    if (this.#closed || !this.#holds(site)) return
    try {
      const step = advanceForeignUser(site.user, event, this.#contexts.of(site))
      const answered = step.effects.some((effect) => effect.kind === 'respond')
      if (step.user === undefined) this.#forget(site)
      else {
        site.user = step.user
        this.#keep(site)
      }
      for (const effect of step.effects) this.#do(site, effect, incoming)
      if (incoming !== undefined && !answered) refuse(this.#deps, incoming, 481)
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#deps.log.error('presence-broke-down', { id: site.id, event: event.kind, detail })
      if (incoming !== undefined) refuse(this.#deps, incoming, 500)
    }
  }

  #holds(site: ForeignSite): boolean {
    return this.#sites.get(site.id) === site
  }

  /** An etag is on the disk before anything else happens: without it the publication would be doubled after a crash. */
  #keep(site: ForeignSite): void {
    this.#sites.set(site.id, site)
    const key = foreignUserKey(site.user)
    if (key !== site.key && site.key !== undefined) this.#byDialog.delete(site.key)
    if (key !== undefined) this.#byDialog.set(key, site)
    site.key = key
    if (!this.#started) return
    const { store, clock, log } = this.#deps
    const record = { id: site.id, data: JSON.stringify(site.user), updatedAtMs: clock.wallMs() }
    const { etag } = site.user.publication
    if (etag === site.etag) return store.put(record)
    site.etag = etag
    store.put(record, { durable: true }).catch((error: unknown) => {
      log.error('publication-unwritten', { id: site.id, detail: String(error) })
    })
  }

  #forget(site: ForeignSite): void {
    site.settling?.cancel()
    site.timers.cancelAll()
    if (site.key !== undefined) this.#byDialog.delete(site.key)
    this.#sites.delete(site.id)
    this.#deps.store.delete(site.id)
  }

  #do(site: ForeignSite, effect: ForeignUserEffect, incoming: IncomingSipRequest | undefined): void {
    switch (effect.kind) {
      case 'send-sip':
        void this.#send(site, effect.request, effect.nextHop)
        return
      case 'respond':
        incoming?.respond(effect.response)
        return
      case 'arm-timer':
        return this.#arm(site, effect.timer, effect.afterMs)
      case 'cancel-timer':
        return site.timers.cancel(effect.timer)
      case 'watchers':
        this.#noteWatchers(site, effect.came, true)
        this.#noteWatchers(site, effect.went, false)
        return
      case 'published':
        return this.#tell(site, effect.report)
      case 'untold':
        this.#deps.log[effect.lasting ? 'warn' : 'debug']('watchers-untold', { id: site.id, detail: effect.detail })
        return
    }
  }

  #arm(site: ForeignSite, name: string, afterMs: number): void {
    if (this.#closing || !this.#holds(site)) return
    site.timers.arm(this.#deps.timers, name, afterMs, () => this.#advance(site, { kind: 'timer', timer: name }))
  }

  async #send(site: ForeignSite, request: SipRequest, nextHop: string | undefined): Promise<void> {
    if (this.#closing) return
    const route = this.#contexts.routeOf(site)
    const options = nextHop === undefined ? (route?.options ?? {}) : inDialog(route)
    this.#underWay += 1
    const reply = await this.#deps.sip.send(request, nextHop ?? site.user.route, options)
    this.#deps.log.debug('publication-request', {
      id: site.id,
      method: request.method,
      result: reply.kind === 'response' ? reply.response.status : reply.cause,
    })
    this.#advance(site, { kind: 'reply', request, reply })
    this.#underWay -= 1
    if (this.#underWay === 0) this.#lastAnswer?.()
  }

  #tell(site: ForeignSite, report: PublicationReport): void {
    const { log } = this.#deps
    switch (report.kind) {
      case 'published':
        return log.debug('published', { id: site.id, act: report.act, expiresS: report.expiresS })
      case 'removed':
        return log.debug('published', { id: site.id, act: 'remove' })
      case 'lost':
        return log.info('publication-lost', { id: site.id, reason: report.reason })
      case 'failed': {
        const { act, detail, retryAfterMs } = report
        return log.warn('publication-failed', { id: site.id, act, detail, retryAfterMs })
      }
    }
  }

  /** Only those for whom we may ask are asked for. */
  #noteWatchers(site: ForeignSite, uris: readonly string[], listed: boolean): void {
    for (const uri of uris) {
      const watcher = watcherJid(uri)
      if (watcher === undefined) continue
      const local = this.#deps.index().localDomain(watcher.domain)
      if (local?.presence.mode === 'publish') this.#deps.noteListed(watcher, site.jid, listed)
    }
  }

  #readable(id: string, data: string): ForeignUser | undefined {
    try {
      const user = JSON.parse(data) as ForeignUser
      const order = this.#contexts.publicationOrder(ownJid(user.user))
      return { ...user, publication: { ...user.publication, order } }
    } catch (error) {
      this.#deps.log.error('publication-unreadable', { id, detail: String(error) })
      return undefined
    }
  }
}
