import type { Failure, Ids } from '@stox/kernel'
import { PIDF_TYPE, newSipResponse } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import {
  advanceNotifier,
  judgeSubscribe,
  notifierKey,
  openNotifier,
  resumeNotifier,
  revivedNotifier,
} from '@stox/sip-engine'
import type {
  NotifierContext,
  NotifierInput,
  NotifierReport,
  NotifierState,
  NotifierStep,
  NotifierTimer,
  NotifyDocument,
  SubscribeRules,
  SubscriptionReply,
  Termination,
} from '@stox/sip-engine'
import { newPresence, nickElement } from '@stox/xmpp'
import type { Jid, NewPresence, PresenceStanza } from '@stox/xmpp'
import { displayText, resourceOfPresence } from '@stox/translate'
import type { ResourcePresence } from '@stox/translate'
import { ownJid } from './watch-effects.ts'
import type { WatchEffect, WatchStep } from './watch-effects.ts'
import type { WrittenPresence } from './written-presence.ts'

/**
 * A SIP user watches an XMPP user: we are the notifier, with one dialog for each of his devices, and behave to the
 * contact's server as the watcher's server. Plain JSON. @see RFC 8048 §5.3, mapping D.1, D.3
 */
export interface XmppWatch {
  /** Bare addresses, as JIDs are written. */
  readonly watcher: string
  readonly contact: string
  /** `none`: a poll; `pending`: we have asked the contact; `denied`: he has said no. */
  readonly authorization: 'none' | 'pending' | 'active' | 'denied'
  readonly pendingSinceMs: number | null
  readonly deniedUntilMs: number | null
  /** When `subscribe` last left; null: never for sure. */
  readonly askedAtMs: number | null
  readonly probedAtMs: number | null
  readonly dialogs: readonly NotifierState[]
  /** Every resource known to be available. */
  readonly available: readonly ResourcePresence[]
  readonly gone: readonly { readonly resource: string; readonly atMs: number }[]
  /** When the contact's side was last heard; null: nothing is known. */
  readonly heardAtMs: number | null
  /** Since when nothing can be sent to the contact's domain. */
  readonly troubleSinceMs: number | null
  /** The dialogs of before a restart have not been told anything yet. */
  readonly resuming: boolean
}

export type XmppWatchEvent =
  /** SUBSCRIBE without To tag; `contactUri` is where the watcher reaches us. */
  | { readonly kind: 'subscribe'; readonly request: SipRequest; readonly contactUri: string }
  /** His own SIP server, which answers him itself, says that he watches, or does no more. @see RFC 3857 */
  | { readonly kind: 'listed' }
  | { readonly kind: 'unlisted' }
  /** SUBSCRIBE within a dialog. */
  | { readonly kind: 'resubscribe'; readonly request: SipRequest; readonly dialog: string }
  | {
      readonly kind: 'reply'
      readonly dialog: string
      readonly request: SipRequest
      readonly reply: SubscriptionReply
    }
  /** From the contact's side. `ahead`: it came before this subscription's turn to be resumed. */
  | { readonly kind: 'presence'; readonly presence: PresenceStanza; readonly ahead?: boolean }
  | { readonly kind: 'timer'; readonly timer: string }
  | { readonly kind: 'resume' }
  | { readonly kind: 'heal' }
  | { readonly kind: 'sent'; readonly presence: PresenceStanza }
  | { readonly kind: 'unsent'; readonly presence: PresenceStanza; readonly failure: Failure }
  /** By an administrator. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'remove' }

export interface XmppWatchContext {
  readonly nowMs: number
  readonly ids: Ids
  readonly documents: Pick<WrittenPresence, 'of'>
  readonly rules: SubscribeRules
  /** What the contact shows is published for the watcher's server: it is kept up without any dialog of ours. */
  readonly publishes: boolean
  /** The contact is shown this SIP user's presence by a dialog of the other direction. */
  isShownToContact(): boolean
}

export const newXmppWatch = (watcher: string, contact: string): XmppWatch => ({
  watcher,
  contact,
  authorization: 'none',
  pendingSinceMs: null,
  deniedUntilMs: null,
  askedAtMs: null,
  probedAtMs: null,
  dialogs: [],
  available: [],
  gone: [],
  heardAtMs: null,
  troubleSinceMs: null,
  resuming: false,
})

/** Prefix of the ids of what we send for this direction: an error that comes back belongs to it. */
export const XMPP_WATCH_ID = 's2x-'

// @see mapping D.3, D.6
const DENIED_FOR_MS = 3_600_000
const ASK_AGAIN_MS = 24 * 3_600_000
const GIVE_UP_MS = 30 * 24 * 3_600_000
const GIVE_UP_RETRY_S = 86_400
const PROBE_AGAIN_MS = 5 * 60_000
const POLL_WAIT_MS = 2000
/** Silence after a probe means that nobody is available: ejabberd says nothing for an offline user. @see mapping D.15 */
const PROBE_OVER_MS = 30_000
const PROBE_OVER_RESUMING_MS = 2500
/** A server that knows the authorization already sends presence with its `subscribed`, or does not. */
const PROBE_AFTER_APPROVAL_MS = 1000
const RETRY_MS = 30_000
const RETRY_LATER_MS = 5 * 60_000
const CLOSED_AFTER_TROUBLE_MS = 5 * 60_000
const PROBATION_S = 300
/** A closed tuple is in every document of so long, so that each dialog has it once at least. */
const GONE_FOR_MS = 15_000
const MOST_DIALOGS = 20
const MOST_RESOURCES = 50

const REJECTED: Termination = { reason: 'rejected', retryAfterS: null, document: 'none' }
const NO_RESOURCE: Termination = { reason: 'noresource', retryAfterS: null, document: 'none' }
const PROBATION: Termination = { reason: 'probation', retryAfterS: PROBATION_S, document: 'none' }
const GIVE_UP: Termination = { reason: 'giveup', retryAfterS: GIVE_UP_RETRY_S, document: 'none' }

export function advanceXmppWatch(
  watch: XmppWatch,
  event: XmppWatchEvent,
  context: XmppWatchContext,
): WatchStep<XmppWatch> {
  const turn = new Turn(watch, context)
  switch (event.kind) {
    case 'subscribe':
      turn.takeSubscribe(event.request, event.contactUri)
      break
    case 'listed':
      turn.listed()
      break
    case 'unlisted':
      turn.unlisted()
      break
    case 'resubscribe':
      turn.advance(event.dialog, { kind: 'subscribe', request: event.request })
      break
    case 'reply':
      turn.advance(event.dialog, { kind: 'reply', request: event.request, reply: event.reply })
      break
    case 'presence':
      turn.takePresence(event.presence)
      if (event.ahead === true) turn.tellAtOnce()
      break
    case 'timer':
      turn.takeTimer(event.timer)
      break
    case 'resume':
      turn.resume()
      break
    case 'heal':
      turn.heal()
      break
    case 'sent':
      turn.noteSent(event.presence)
      break
    case 'unsent':
      turn.noteUnsent(event.presence, event.failure)
      break
    case 'refresh':
      turn.refresh()
      break
    case 'remove':
      turn.remove()
      break
  }
  return turn.step()
}

class Turn {
  readonly #context: XmppWatchContext
  readonly #effects: WatchEffect[] = []
  readonly #watcher: Jid
  readonly #contact: Jid
  readonly #notifier: NotifierContext
  #watch: XmppWatch

  constructor(watch: XmppWatch, context: XmppWatchContext) {
    this.#watch = watch
    this.#context = context
    this.#watcher = ownJid(watch.watcher)
    this.#contact = ownJid(watch.contact)
    this.#notifier = {
      nowMs: context.nowMs,
      ids: context.ids,
      rules: context.rules,
      document: (kind) => this.#document(kind),
    }
  }

  step(): WatchStep<XmppWatch> {
    const { authorization, dialogs } = this.#watch
    return { watch: authorization === 'none' && dialogs.length === 0 ? undefined : this.#watch, effects: this.#effects }
  }

  #set(change: Partial<XmppWatch>): void {
    this.#watch = { ...this.#watch, ...change }
  }

  #arm(timer: string, afterMs: number): void {
    this.#effects.push({ kind: 'arm-timer', timer, afterMs })
  }

  #cancelTimer(timer: string): void {
    this.#effects.push({ kind: 'cancel-timer', timer })
  }

  #tell(type: 'subscribe' | 'unsubscribe' | 'probe' | 'unavailable', extra: NewPresence['extra'] = []): void {
    const id = `${XMPP_WATCH_ID}${this.#context.ids.token()}`
    this.#effects.push({
      kind: 'send-stanza',
      presence: newPresence({ from: this.#watcher, to: this.#contact, id, type, extra }),
    })
  }

  // --- what the watcher sees

  /** Asked for when a NOTIFY is written, so that it says the newest. */
  #document(kind: 'current' | 'farewell'): NotifyDocument | undefined {
    const { authorization, heardAtMs, available, gone } = this.#watch
    // Nothing is shown before the contact has agreed; a poll shows what his server has answered.
    if (authorization === 'pending' || authorization === 'denied') return undefined
    if (heardAtMs === null) return kind === 'farewell' && authorization === 'active' ? this.#pidf([], []) : undefined
    if (kind === 'farewell')
      return this.#pidf(
        [],
        available.map((one) => one.resource),
      )
    const recently = this.#context.nowMs - GONE_FOR_MS
    return this.#pidf(
      available,
      gone.filter((one) => one.atMs > recently).map((one) => one.resource),
    )
  }

  #pidf(available: readonly ResourcePresence[], gone: readonly string[]): NotifyDocument {
    const shown = { contact: this.#contact, available, gone, atMs: this.#context.nowMs }
    return { contentType: PIDF_TYPE, body: this.#context.documents.of(shown) }
  }

  // --- the dialogs

  takeSubscribe(request: SipRequest, contactUri: string): void {
    const respond = (status: number, headers: readonly (readonly [string, string])[] = []): void => {
      const response = newSipResponse(request, status, undefined, { toTag: this.#context.ids.token(), headers })
      this.#effects.push({ kind: 'respond', response })
    }
    const { rules, nowMs } = this.#context
    const { deniedUntilMs } = this.#watch
    const denied = this.#watch.authorization === 'denied'
    if (denied && deniedUntilMs !== null && nowMs < deniedUntilMs) return respond(403)
    if (this.#watch.dialogs.length >= MOST_DIALOGS) return respond(480, [['Retry-After', String(PROBATION_S)]])
    const terms = judgeSubscribe(request, rules)
    if (!terms.ok) {
      this.#effects.push({ kind: 'respond', response: terms.failure })
      return
    }
    // Who is served by publications asks by one look at us to be told of there.
    const poll = terms.value.expiresS === 0 && !this.#context.publishes
    if (denied) this.#forgetDenial()
    const before = this.#watch.authorization
    if (before === 'none' && !poll) this.#set({ authorization: 'pending', pendingSinceMs: nowMs })

    const opened = openNotifier(
      request,
      {
        contact: contactUri,
        // A poll is told what the contact's server answers to the probe, which is its way to say yes.
        authorization: this.#watch.authorization === 'active' || poll ? 'active' : 'pending',
        pollWaitMs: POLL_WAIT_MS,
      },
      this.#notifier,
    )
    if (!opened.ok) {
      this.#set({ authorization: before })
      this.#effects.push({ kind: 'respond', response: opened.failure })
      return
    }
    const key = notifierKey(opened.value.state)
    this.#set({ dialogs: [...this.#watch.dialogs, opened.value.state] })
    this.#take(key, opened.value)
    this.#ask(poll, request.core.from.displayName)
  }

  #forgetDenial(): void {
    this.#set({ authorization: 'none', deniedUntilMs: null, askedAtMs: null })
    this.#cancelTimer('forget')
  }

  listed(): void {
    const { authorization, deniedUntilMs } = this.#watch
    const { nowMs } = this.#context
    if (authorization === 'denied') {
      if (deniedUntilMs !== null && nowMs < deniedUntilMs) return
      this.#forgetDenial()
    }
    if (this.#watch.authorization === 'none') this.#set({ authorization: 'pending', pendingSinceMs: nowMs })
    this.#ask(false)
  }

  unlisted(): void {
    if (this.#watch.authorization === 'active') this.#lookAway()
  }

  /**
   * His presence ends for the contact, unless the contact watches him by himself. SIP has no way to give an authorization
   * back, so it stays. @see RFC 8048 §5.3.3, mapping I.19
   */
  #lookAway(): void {
    if (this.#watch.dialogs.length === 0 && !this.#context.isShownToContact()) this.#tell('unavailable')
  }

  /** Somebody is told of what the contact shows. */
  #isWatched(): boolean {
    return this.#watch.dialogs.length > 0 || this.#context.publishes
  }

  /** The contact's side is asked for what is not known: his consent, or his presence. */
  #ask(poll: boolean, name?: string): void {
    const { authorization, askedAtMs, heardAtMs } = this.#watch
    const now = this.#context.nowMs
    if (authorization === 'active') {
      if (heardAtMs === null || now - heardAtMs > PROBE_AGAIN_MS) this.#probe()
    } else if (authorization === 'none' && poll) this.#probe()
    else if (authorization === 'pending' && (askedAtMs === null || now - askedAtMs > ASK_AGAIN_MS))
      this.#askConsent(name)
  }

  /** Never with a probe: Prosody answers one that it does not know with `unsubscribed`. @see mapping D.15 */
  #askConsent(name?: string): void {
    // Noted as asked when it has left (`sent`): whatever happens before, it is asked again.
    this.#tell('subscribe', nickOf(name))
  }

  /** How long it may go unanswered is counted from when it has left (`sent`). */
  #probe(): void {
    this.#set({ probedAtMs: this.#context.nowMs })
    this.#tell('probe')
  }

  advance(key: string, input: NotifierInput): void {
    const state = this.#watch.dialogs.find((dialog) => notifierKey(dialog) === key)
    if (state !== undefined) this.#take(key, advanceNotifier(state, input, this.#notifier))
  }

  #advanceAll(input: NotifierInput): void {
    for (const dialog of this.#watch.dialogs) this.advance(notifierKey(dialog), input)
  }

  #take(key: string, step: NotifierStep): void {
    this.#set({
      dialogs: this.#watch.dialogs.map((dialog) => (notifierKey(dialog) === key ? step.state : dialog)),
    })
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-request':
          this.#effects.push({ kind: 'send-sip', request: effect.request, nextHop: effect.nextHop })
          break
        case 'arm-timer':
          this.#arm(`${effect.timer} ${key}`, effect.afterMs)
          break
        case 'cancel-timer':
          this.#cancelTimer(`${effect.timer} ${key}`)
          break
        case 'respond':
          this.#effects.push(effect)
          break
        case 'report':
          this.#takeReport(key, effect.report)
          break
      }
    }
    if (step.state.name === 'ended') this.#drop(key)
  }

  #drop(key: string): void {
    this.#set({ dialogs: this.#watch.dialogs.filter((dialog) => notifierKey(dialog) !== key) })
    for (const timer of ['expiry', 'interval', 'poll'] satisfies NotifierTimer[]) this.#cancelTimer(`${timer} ${key}`)
  }

  #takeReport(key: string, report: NotifierReport): void {
    if (report.kind === 'refreshed') {
      const { authorization, pendingSinceMs } = this.#watch
      const waitedMs = pendingSinceMs === null ? 0 : this.#context.nowMs - pendingSinceMs
      if (authorization === 'pending' && waitedMs > GIVE_UP_MS)
        return this.advance(key, { kind: 'terminate', termination: GIVE_UP })
      return this.#ask(false)
    }
    this.#drop(key)
    const left = report.cause === 'unsubscribed' || report.cause === 'expired'
    if (left) this.#lookAway()
  }

  // --- from the XMPP side

  takePresence(presence: PresenceStanza): void {
    const { authorization } = this.#watch
    switch (presence.type) {
      case 'subscribed':
        if (authorization === 'pending') this.#approve()
        return
      case 'unsubscribed':
        // To a poll it says no more than that there is nothing to see.
        if (authorization === 'pending' || authorization === 'active') this.#deny()
        return
      case 'available':
        if (authorization === 'pending' && presence.from.resource !== undefined) this.#approve()
        return this.#takeAvailable(presence)
      case 'unavailable':
        return this.#takeUnavailable(presence)
      case 'error':
        return this.#takeError(presence)
      default:
        return
    }
  }

  #approve(): void {
    this.#set({ authorization: 'active', pendingSinceMs: null, troubleSinceMs: null })
    this.#advanceAll({ kind: 'authorize', authorization: 'active' })
    if (this.#watch.heardAtMs === null) this.#arm('probe-soon', PROBE_AFTER_APPROVAL_MS)
  }

  #deny(): void {
    this.#forgetPresence()
    this.#set({
      authorization: 'denied',
      deniedUntilMs: this.#context.nowMs + DENIED_FOR_MS,
      pendingSinceMs: null,
      askedAtMs: null,
    })
    this.#advanceAll({ kind: 'terminate', termination: REJECTED })
    this.#arm('forget', DENIED_FOR_MS)
  }

  #forgetPresence(): void {
    this.#set({ available: [], gone: [], heardAtMs: null, troubleSinceMs: null, resuming: false })
    for (const timer of ['probe-over', 'probe-soon', 'retry']) this.#cancelTimer(timer)
  }

  #takeAvailable(presence: PresenceStanza): void {
    if (!this.#isShown()) return
    const { available, gone, heardAtMs } = this.#watch
    const one = resourceOfPresence(presence, this.#context.nowMs)
    const before = available.find((other) => other.resource === one.resource)
    const others = available.filter((other) => other.resource !== one.resource)
    if (others.length >= MOST_RESOURCES) return
    this.#set({
      available: [...others, one],
      gone: gone.filter((other) => other.resource !== one.resource),
      heardAtMs: this.#context.nowMs,
      troubleSinceMs: null,
    })
    if (heardAtMs === null || before === undefined || !saysTheSame(before, one)) this.#changed()
  }

  #takeUnavailable(presence: PresenceStanza): void {
    // Prosody acknowledges a request with `unavailable` from the bare address. @see mapping D.15
    if (!this.#isShown()) return
    const { available, gone, heardAtMs } = this.#watch
    const { resource } = presence.from
    const left = available.filter((one) => resource === undefined || one.resource === resource)
    const now = this.#context.nowMs
    this.#set({
      available: available.filter((one) => !left.includes(one)),
      gone: [
        ...gone.filter((one) => now - one.atMs < GONE_FOR_MS),
        ...left.map((one) => ({ resource: one.resource, atMs: now })),
      ],
      heardAtMs: now,
      troubleSinceMs: null,
    })
    if (heardAtMs === null || left.length > 0) this.#changed()
  }

  /** Authorized, or a poll that waits for what it may see. */
  #isShown(): boolean {
    return this.#watch.authorization === 'active' || this.#watch.authorization === 'none'
  }

  #changed(): void {
    if (!this.#watch.resuming) this.#advanceAll({ kind: 'changed' })
  }

  /** @see mapping D.3 */
  #takeError(presence: PresenceStanza): void {
    const error = presence.error
    if (error === undefined) return
    this.#fail(error.condition, error.type === 'wait')
  }

  #fail(condition: Failure['condition'], mayPass: boolean): void {
    switch (condition) {
      case 'item-not-found':
      case 'gone':
      case 'remote-server-not-found':
      case 'service-unavailable':
      case 'jid-malformed':
        return this.#terminate(NO_RESOURCE)
      case 'forbidden':
      case 'not-allowed':
      case 'not-authorized':
      case 'policy-violation':
      case 'subscription-required':
        return mayPass ? this.#terminate(PROBATION) : this.#terminate(REJECTED)
      default:
        return this.#terminate(PROBATION)
    }
  }

  #terminate(termination: Termination): void {
    const { authorization } = this.#watch
    this.#forgetPresence()
    // An agreement is not lost by an error; a request that could not be made is.
    if (authorization === 'pending' && termination !== PROBATION) this.#set({ authorization: 'none' })
    this.#set({ askedAtMs: null })
    this.#advanceAll({ kind: 'terminate', termination })
  }

  // --- whether it arrived

  noteSent(presence: PresenceStanza): void {
    if (presence.type !== 'subscribe' && presence.type !== 'probe') return
    this.#set({
      troubleSinceMs: null,
      ...(presence.type === 'subscribe' ? { askedAtMs: this.#context.nowMs } : {}),
    })
    this.#cancelTimer('retry')
    if (presence.type === 'probe')
      this.#arm('probe-over', this.#watch.resuming ? PROBE_OVER_RESUMING_MS : PROBE_OVER_MS)
  }

  /** Our own half of the road is broken: the watcher need not come back, we try again ourselves. */
  noteUnsent(presence: PresenceStanza, failure: Failure): void {
    if (presence.type !== 'subscribe' && presence.type !== 'probe') return
    if (presence.type === 'subscribe') this.#set({ askedAtMs: null })
    const { authorization, troubleSinceMs, resuming } = this.#watch
    if (authorization === 'none') return
    const mayPass = failure.retry === 'later'
    if (!mayPass) return this.#fail(failure.condition, false)
    this.#cancelTimer('probe-over')
    const sinceMs = troubleSinceMs ?? this.#context.nowMs
    this.#set({ troubleSinceMs: sinceMs })
    // When a stream comes up, it is tried at once (`heal`).
    this.#arm('retry', this.#context.nowMs - sinceMs < CLOSED_AFTER_TROUBLE_MS ? RETRY_MS : RETRY_LATER_MS)
    if (resuming) this.#resumeDialogs()
  }

  heal(): void {
    const { authorization, askedAtMs } = this.#watch
    if (!this.#isWatched() || this.#watch.resuming) return
    if (authorization === 'active') this.#probe()
    else if (authorization === 'pending' && askedAtMs === null) this.#askConsent()
  }

  refresh(): void {
    if (this.#watch.authorization === 'active') this.#probe()
    else if (this.#watch.authorization === 'pending') this.#askConsent()
  }

  /** Gives the authorization back, which SIP itself cannot. */
  remove(): void {
    this.#tell('unsubscribe')
    this.#forgetPresence()
    this.#cancelTimer('forget')
    this.#set({ authorization: 'none' })
    this.#advanceAll({ kind: 'terminate', termination: REJECTED })
  }

  takeTimer(timer: string): void {
    const space = timer.indexOf(' ')
    if (space !== -1) {
      const name = timer.slice(0, space)
      if (name === 'expiry' || name === 'interval' || name === 'poll')
        this.advance(timer.slice(space + 1), { kind: 'timer', timer: name })
      return
    }
    switch (timer) {
      case 'probe-soon':
        if (this.#watch.authorization === 'active' && this.#watch.heardAtMs === null) this.#probe()
        return
      case 'probe-over':
        return this.#probeOver()
      case 'retry':
        return this.#retry()
      case 'forget':
        if (this.#watch.authorization === 'denied') this.#set({ authorization: 'none', deniedUntilMs: null })
        return
      default:
        return
    }
  }

  /** Who has not answered is not there. */
  #probeOver(): void {
    const { available, probedAtMs, heardAtMs, gone } = this.#watch
    if (!this.#isShown()) return
    const now = this.#context.nowMs
    const silent = available.filter((one) => probedAtMs !== null && one.atMs < probedAtMs)
    this.#set({
      available: available.filter((one) => !silent.includes(one)),
      gone: [...gone, ...silent.map((one) => ({ resource: one.resource, atMs: now }))],
      heardAtMs: this.#watch.authorization === 'active' ? now : heardAtMs,
    })
    if (this.#watch.resuming) return this.#resumeDialogs()
    if (silent.length > 0 || heardAtMs === null) this.#changed()
  }

  #retry(): void {
    const { authorization, troubleSinceMs, available, gone } = this.#watch
    if (!this.#isWatched()) return this.#set({ troubleSinceMs: null })
    const now = this.#context.nowMs
    // What we no longer know is shown as unavailable.
    if (troubleSinceMs !== null && now - troubleSinceMs >= CLOSED_AFTER_TROUBLE_MS && available.length > 0) {
      this.#set({
        available: [],
        gone: [...gone, ...available.map((one) => ({ resource: one.resource, atMs: now }))],
      })
      this.#changed()
    }
    if (authorization === 'active') this.#probe()
    else if (authorization === 'pending') this.#askConsent()
  }

  // --- after a restart

  resume(): void {
    const { authorization, deniedUntilMs, dialogs, pendingSinceMs, askedAtMs } = this.#watch
    const now = this.#context.nowMs
    this.#set({ gone: [], troubleSinceMs: null })
    if (authorization === 'denied') {
      const leftMs = (deniedUntilMs ?? 0) - now
      if (leftMs > 0) this.#arm('forget', leftMs)
      else this.#set({ authorization: 'none', deniedUntilMs: null })
    }
    if (
      authorization === 'pending' &&
      dialogs.length === 0 &&
      pendingSinceMs !== null &&
      now - pendingSinceMs > GIVE_UP_MS
    )
      this.#set({ authorization: 'none' })
    if (!this.#isWatched()) return
    this.#set({ resuming: true, dialogs: dialogs.map(revivedNotifier) })
    if (authorization === 'active') return this.#probe()
    if (authorization === 'pending' && askedAtMs === null) this.#askConsent()
    this.#resumeDialogs()
  }

  /** What is new need not wait for the answer to our probe. */
  tellAtOnce(): void {
    if (this.#watch.resuming) this.#resumeDialogs()
  }

  #resumeDialogs(): void {
    this.#set({ resuming: false })
    for (const dialog of this.#watch.dialogs) this.#take(notifierKey(dialog), resumeNotifier(dialog, this.#notifier))
  }
}

/** With his name, so that the contact knows who asks. @see XEP-0172 §4.2 */
function nickOf(name: string | undefined): NewPresence['extra'] {
  const nick = displayText(name ?? '')
  return nick === '' ? [] : [nickElement(nick)]
}

const saysTheSame = (a: ResourcePresence, b: ResourcePresence): boolean =>
  a.show === b.show &&
  a.priority === b.priority &&
  a.idleSinceMs === b.idleSinceMs &&
  a.notes.length === b.notes.length &&
  a.notes.every((note, at) => note.text === b.notes[at]?.text && note.lang === b.notes[at]?.lang)
