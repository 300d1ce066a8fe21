import type { Failure, Hashes } from '@stox/kernel'
import { PIDF_TYPE, newSipResponse, parseMediaType, parsePidf } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { advanceSubscriber, openSubscription, resumeSubscriber } from '@stox/sip-engine'
import type {
  SubscriberCause,
  SubscriberContext,
  SubscriberInput,
  SubscriberReport,
  SubscriberState,
  SubscriberStep,
  SubscriptionOrder,
} from '@stox/sip-engine'
import { errorReply, formatJid, newPresence } from '@stox/xmpp'
import type { Jid, PresenceStanza } from '@stox/xmpp'
import {
  deviceToPresence,
  devicesOfPidf,
  presenceChanges,
  sipStatusToFailure,
  sipTroubleToFailure,
  unavailableFrom,
} from '@stox/translate'
import type { DevicePresence, PresenceAddresses } from '@stox/translate'
import { ownJid } from './watch-effects.ts'
import type { WatchEffect, WatchStep } from './watch-effects.ts'

/**
 * An XMPP user watches a SIP user: we are the subscriber, with one dialog for each watcher, and behave to his server as
 * the contact's server. The authorization outlives the dialogs. Plain JSON. @see RFC 8048 §5.2, mapping D.1, D.2
 */
export interface SipWatch {
  /** Bare addresses, as JIDs are written. */
  readonly watcher: string
  readonly contact: string
  /** `none`: a poll, or an ending; `pending`: the watcher has asked; `active`: the SIP side has let him in. */
  readonly authorization: 'none' | 'pending' | 'active'
  /** Null: no dialog, and none wanted for now. */
  readonly subscriber: SubscriberState | null
  /** What the watcher was last told. */
  readonly shown: readonly DevicePresence[]
  /** `shown` is what the living dialog says. */
  readonly known: boolean
  readonly heardAtMs: number | null
  /** From then on `shown` is not to be believed any more; null: it is. */
  readonly staleAtMs: number | null
  /** What was told may not have arrived: tell everything again. */
  readonly tellAgain: boolean
  /** When what could not leave is told again, and how long after that if it still cannot. */
  readonly resendAtMs: number | null
  readonly resendPauseMs: number
  /** A `subscribed` that has not left. */
  readonly owesSubscribed: boolean
  /** The watcher has heard that it does not work now: once for each of his requests. */
  readonly toldTrouble: boolean
  /** Resources that went, as long as that may not have arrived. */
  readonly gone: readonly { readonly resource: string; readonly atMs: number; readonly unsent: boolean }[]
  /** Probes that wait for an answer. */
  readonly askers: readonly Asker[]
}

export type SipWatchEvent =
  /** From the watcher's side: subscribe, unsubscribe, probe, error. */
  | { readonly kind: 'presence'; readonly presence: PresenceStanza }
  | { readonly kind: 'notify'; readonly request: SipRequest }
  | { readonly kind: 'reply'; readonly input: SubscriberInput }
  | { readonly kind: 'timer'; readonly timer: string }
  /** After a restart, at its turn. */
  | { readonly kind: 'resume' }
  /** A stream to the watcher's domain has come back: what was on the old one may be lost. */
  | { readonly kind: 'heal' }
  | { readonly kind: 'unsent'; readonly presence: PresenceStanza; readonly failure: Failure }
  /** The other direction sees whether the watcher is online, and where it does not, nobody says. */
  | { readonly kind: 'watcher-left' }
  | { readonly kind: 'watcher-came' }
  /** By an administrator. */
  | { readonly kind: 'refresh' }
  | { readonly kind: 'remove' }

export interface SipWatchContext extends SubscriberContext {
  readonly hashes: Hashes
  /** Whether the watcher's domain may see status notes. */
  readonly showsNotes: boolean
  /** Whether a status in words alone may count as busy or away. */
  readonly readsNotes: boolean
  order(watch: SipWatch, expiresS: number): SubscriptionOrder
  readonly expiresS: number
  /** Whether the SIP side may be asked for what can wait. */
  readonly mayAsk: boolean
}

/** A road that is broken is tried again, less and less often; when a stream comes up, at once. */
const RESEND_MS = 60_000
const LONGEST_RESEND_MS = 3_600_000

export const newSipWatch = (watcher: string, contact: string): SipWatch => ({
  watcher,
  contact,
  authorization: 'none',
  subscriber: null,
  shown: [],
  known: false,
  heardAtMs: null,
  staleAtMs: null,
  tellAgain: false,
  resendAtMs: null,
  resendPauseMs: RESEND_MS,
  owesSubscribed: false,
  toldTrouble: false,
  gone: [],
  askers: [],
})

/** COMPAT Lync: PIDF under a name of its own; never asked for. @see mapping D.14 */
const PIDF_TYPES: ReadonlySet<string> = new Set([PIDF_TYPE, 'text/xml+msrtc.pidf'])

/** Who has sent a probe, and of which device; left out: of all. */
interface Asker {
  readonly jid: string
  readonly id: string | null
  readonly resource?: string
}

/** What is not heard again within this time after a dialog was lost is shown as unavailable. @see mapping D.4 */
const STALE_MS = 60_000
/** An answer to a probe may be so old. @see mapping D.2 */
const FRESH_MS = 60_000
/**
 * After a restart each dialog is asked for twice more. What the notifier sent while nobody listened fails at its end of
 * the transaction (Kamailio: `fr_timer`, at most 32 s), and takes the dialog with it although we have refreshed it since.
 * COMPAT Kamailio presence, `timeout_rm_subs`. @see RFC 6665 §4.2.2
 */
const CONFIRM_AFTER_MS = [6000, 35_000] as const
/** A resource's going may have been on a stream that broke. */
const GONE_FOR_MS = 120_000
const MOST_GONE = 10
const MOST_ASKERS = 20

export function advanceSipWatch(watch: SipWatch, event: SipWatchEvent, context: SipWatchContext): WatchStep<SipWatch> {
  const turn = new Turn(watch, context)
  switch (event.kind) {
    case 'presence':
      turn.takePresence(event.presence)
      break
    case 'notify':
      turn.takeNotify(event.request)
      break
    case 'reply':
      turn.engine(event.input)
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
    case 'unsent':
      turn.noteUnsent(event.presence, event.failure)
      break
    case 'watcher-left':
      turn.watcherLeft()
      break
    case 'watcher-came':
      turn.watcherCame()
      break
    case 'refresh':
      turn.refresh()
      break
    case 'remove':
      turn.cancel()
      turn.endDialog()
      break
  }
  return turn.step()
}

/** Codes that end a poll with a clear no. @see mapping D.2, RFC 6121 §4.3.2 */
const POLL_REFUSED: ReadonlySet<number | undefined> = new Set([403, 404, 410, 489, 603, 604])
/** The watcher is no more. @see mapping D.2 */
const WATCHER_GONE: ReadonlySet<string | undefined> = new Set([
  'item-not-found',
  'remote-server-not-found',
  'service-unavailable',
  'gone',
])
/** Ended, or soon to be. */
const isOver = (subscriber: SubscriberState): boolean =>
  subscriber.name === 'ended' ||
  subscriber.name === 'closing' ||
  (subscriber.name === 'subscribing' && subscriber.unwanted)

/** Nothing was heard of the SIP side at all. */
const UNHEARD: ReadonlySet<string> = new Set(['timeout', 'transport', 'no-notify', 'no-target'])

class Turn {
  readonly #context: SipWatchContext
  readonly #effects: WatchEffect[] = []
  readonly #contact: Jid
  readonly #watcher: Jid
  #watch: SipWatch

  constructor(watch: SipWatch, context: SipWatchContext) {
    this.#watch = watch
    this.#context = context
    this.#contact = ownJid(watch.contact)
    this.#watcher = ownJid(watch.watcher)
  }

  step(): WatchStep<SipWatch> {
    const { authorization, subscriber } = this.#watch
    const over = subscriber === null || subscriber.name === 'ended'
    return { watch: authorization === 'none' && over ? undefined : this.#watch, effects: this.#effects }
  }

  #set(change: Partial<SipWatch>): void {
    this.#watch = { ...this.#watch, ...change }
  }

  #tell(presence: PresenceStanza): void {
    this.#effects.push({ kind: 'send-stanza', presence })
  }

  #arm(timer: string, afterMs: number): void {
    this.#effects.push({ kind: 'arm-timer', timer, afterMs })
  }

  get #addresses(): { readonly from: Jid; readonly to: Jid } {
    return { from: this.#contact, to: this.#watcher }
  }

  // --- from the XMPP side

  takePresence(presence: PresenceStanza): void {
    switch (presence.type) {
      case 'subscribe':
        return this.#takeSubscribe()
      case 'probe':
        return this.#takeProbe(presence)
      case 'unsubscribe':
        this.cancel()
        return this.endDialog()
      case 'error':
        if (WATCHER_GONE.has(presence.error?.condition)) this.#watcherGone()
        return
      default:
        return
    }
  }

  #takeSubscribe(): void {
    const { authorization } = this.#watch
    if (authorization !== 'active') {
      // Servers resend an unanswered request at each login: nothing new then. @see RFC 6121 §3.1.2
      this.#set({ authorization: 'pending', toldTrouble: false })
      const name = authorization === 'none' ? undefined : this.#watch.subscriber?.name
      if (name === 'subscribing' || name === 'pending' || name === 'active') return
      if (name === 'holdoff') return this.engine({ kind: 'refresh' })
      return this.#open(this.#context.expiresS)
    }
    // Already let in: say so again, with what there is to see. @see RFC 6121 §3.1.3
    this.#tellSubscribed()
    if (!this.#watch.known) return this.refresh()
    if (this.#watch.shown.length === 0) this.#tell(unavailableFrom('', this.#addresses))
    for (const device of this.#watch.shown) this.#tell(deviceToPresence(device, this.#addresses))
  }

  #takeProbe(presence: PresenceStanza): void {
    const { authorization, known, heardAtMs, askers } = this.#watch
    // Who has asked to be let in, and waits, is told nothing. @see RFC 6121 §4.3.2
    if (authorization === 'pending') return
    const { resource } = presence.to
    const asker = {
      jid: formatJid(presence.from),
      id: presence.id ?? null,
      ...(resource === undefined ? {} : { resource }),
    }
    if (authorization === 'active' && known) {
      this.#answer(asker)
      if (heardAtMs !== null && this.#context.nowMs - heardAtMs > FRESH_MS && this.#context.mayAsk) this.refresh()
      return
    }
    if (askers.length < MOST_ASKERS) this.#set({ askers: [...askers, asker] })
    if (authorization === 'active') return this.refresh()
    // No authorization that we know of: one look, and the SIP side decides. @see RFC 8048 §7.1
    if (this.#watch.subscriber === null || this.#watch.subscriber.name === 'ended') this.#open(0)
  }

  /** To the one who asked; the id is mirrored with `unavailable` only. @see RFC 6121 §4.3.2.1 */
  #answer(asker: Asker, except: ReadonlySet<string> = new Set()): void {
    const addresses = { from: this.#contact, to: ownJid(asker.jid) }
    if (asker.resource !== undefined) return this.#answerAbout(asker.resource, addresses, asker.id)
    if (this.#watch.shown.length === 0) this.#tell(unavailableFrom('', addresses, asker.id ?? undefined))
    for (const device of this.#watch.shown)
      if (!except.has(device.resource)) this.#tell(deviceToPresence(device, addresses))
  }

  /** Of one device no more than whether it is there. @see RFC 6121 §4.3.2, mapping D.9 */
  #answerAbout(resource: string, addresses: PresenceAddresses, id: string | null): void {
    const isThere = this.#watch.shown.some((device) => device.resource === resource)
    const from = { ...this.#contact, resource }
    this.#tell(isThere ? newPresence({ ...addresses, from }) : unavailableFrom(resource, addresses, id ?? undefined))
  }

  #watcherGone(): void {
    if (this.#watch.authorization === 'pending') this.#set({ authorization: 'none' })
    this.#set({ owesSubscribed: false })
    this.#lookAway()
  }

  /** Nobody is there to be shown anything: the authorization stays, and a dialog comes with the next probe. @see mapping D.2 */
  watcherLeft(): void {
    if (this.#watch.authorization === 'active') this.#lookAway()
  }

  watcherCame(): void {
    const { authorization, subscriber } = this.#watch
    if (authorization === 'active' && (subscriber === null || isOver(subscriber))) this.refresh()
  }

  #lookAway(): void {
    this.#set({ shown: [], known: false, askers: [], gone: [], tellAgain: false, staleAtMs: null, resendAtMs: null })
    for (const timer of ['stale', 'resend']) this.#effects.push({ kind: 'cancel-timer', timer })
    this.endDialog()
  }

  /** As the contact's server does when its user takes back his consent. @see RFC 6121 §3.2.2, §3.3.3 */
  cancel(): void {
    for (const device of this.#watch.shown) this.#tell(unavailableFrom(device.resource, this.#addresses))
    this.#tell(newPresence({ ...this.#addresses, id: this.#id(), type: 'unsubscribed' }))
    this.#set({ authorization: 'none', shown: [], known: false, askers: [], gone: [], staleAtMs: null })
    for (const timer of ['stale', 'resend']) this.#effects.push({ kind: 'cancel-timer', timer })
  }

  // --- the dialog

  #open(expiresS: number): void {
    const order = this.#context.order(this.#watch, expiresS)
    const authorized = this.#watch.authorization === 'active'
    this.#take(openSubscription(order, this.#context, { authorized }))
  }

  endDialog(): void {
    const name = this.#watch.subscriber?.name
    if (name === undefined || name === 'ended' || name === 'closing') return
    this.engine({ kind: 'unsubscribe' })
  }

  /** Ask for everything now. */
  refresh(): void {
    const { subscriber } = this.#watch
    if (subscriber === null || isOver(subscriber)) return this.#open(this.#context.expiresS)
    if (subscriber.name !== 'subscribing') this.engine({ kind: 'refresh' })
  }

  #confirm(): void {
    const name = this.#watch.subscriber?.name
    if (name === 'active' || name === 'pending') this.engine({ kind: 'refresh' })
  }

  resume(): void {
    const { subscriber, shown } = this.#watch
    this.#set({ known: false, tellAgain: true, askers: [], resendAtMs: null, resendPauseMs: RESEND_MS })
    if (shown.length > 0) this.#becomeStale()
    if (subscriber === null) return
    this.#take(resumeSubscriber(subscriber, this.#context, 0))
    for (const afterMs of CONFIRM_AFTER_MS) this.#arm(`confirm ${afterMs}`, afterMs)
  }

  engine(input: SubscriberInput): void {
    if (this.#watch.subscriber === null) return
    this.#take(advanceSubscriber(this.#watch.subscriber, input, this.#context))
  }

  #take(step: SubscriberStep): void {
    this.#set({ subscriber: step.state })
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-request':
          this.#effects.push({ kind: 'send-sip', request: effect.request, nextHop: effect.nextHop })
          break
        case 'report':
          this.#takeReport(effect.report)
          break
        default:
          this.#effects.push(effect)
      }
    }
  }

  /** A body that we cannot read changes nothing. @see mapping D.5 */
  takeNotify(request: SipRequest): void {
    if (request.body.length > 0) {
      const type = parseMediaType(request.headers.get('Content-Type') ?? '')
      const answer = (status: number, headers: readonly (readonly [string, string])[] = []): void => {
        this.#effects.push({ kind: 'respond', response: newSipResponse(request, status, undefined, { headers }) })
      }
      if (!type.ok || !PIDF_TYPES.has(type.value.type)) return answer(415, [['Accept', PIDF_TYPE]])
      if (!parsePidf(request.body).ok) return answer(400)
    }
    this.engine({ kind: 'notify', request })
  }

  #takeReport(report: SubscriberReport): void {
    switch (report.kind) {
      case 'accepted':
        return
      case 'notified':
        return this.#takeState(report)
      case 'interrupted':
        return this.#takeInterruption(report.cause)
      case 'cancelled':
        // 403, 489, 603, rejected, noresource: for good. @see RFC 8048 §5.2.2
        return this.cancel()
      case 'ended':
        return this.#takeEnd(report.cause?.status)
    }
  }

  #takeState(report: Extract<SubscriberReport, { kind: 'notified' }>): void {
    const devices = this.#devicesOf(report.body)
    if (this.#watch.authorization === 'none') return this.#takePoll(devices)
    if (report.state === 'pending') {
      // Let in before, and now asked to wait: what was seen is seen no more.
      if (this.#watch.authorization === 'active') this.#show([])
      return this.#set({ known: false })
    }
    const first = this.#watch.authorization !== 'active'
    if (report.state === 'terminated' && first) return
    if (first) {
      // NOTIFY active is the approval, never the 2xx. @see mapping I.18
      this.#set({ authorization: 'active' })
      this.#tellSubscribed()
    }
    if (devices === undefined) {
      // An empty body says that nothing is known. @see RFC 6665 §4.1.2.3
      if (!first && report.state === 'active') this.#show([])
      this.#answerAll()
      return this.#set({ known: false })
    }
    this.#believe()
    const told = this.#show(devices)
    if (devices.length === 0 && told.size === 0 && (first || this.#watch.tellAgain))
      this.#tell(unavailableFrom('', this.#addresses))
    this.#answerAll(told)
    this.#set({ known: true, heardAtMs: this.#context.nowMs, tellAgain: false })
  }

  #devicesOf(body: Uint8Array): readonly DevicePresence[] | undefined {
    if (body.length === 0) return undefined
    const pidf = parsePidf(body, this.#context.nowMs)
    if (!pidf.ok) return undefined
    const devices = devicesOfPidf(pidf.value, this.#context.readsNotes)
    // Status notes are for federated partners only. @see New-CsXmppAllowedPartner
    return this.#context.showsNotes ? devices : devices.map((device) => ({ ...device, notes: [] }))
  }

  /** One look without a lasting authorization. @see RFC 8048 §7.1 */
  #takePoll(devices: readonly DevicePresence[] | undefined): void {
    const { askers, subscriber } = this.#watch
    // A dialog that is being ended says its last word.
    if (subscriber?.name === 'closing' || askers.length === 0) return
    this.#set({ shown: devices ?? [] })
    this.#answerAll()
    this.#set({ shown: [] })
  }

  #answerAll(except: ReadonlySet<string> = new Set()): void {
    for (const asker of this.#watch.askers)
      if (except.size === 0 || this.#watch.shown.length > 0) this.#answer(asker, except)
    this.#set({ askers: [] })
  }

  /** Tells the watcher what is new to him; gives the resources that were told. */
  #show(devices: readonly DevicePresence[]): ReadonlySet<string> {
    const { shown, tellAgain, gone } = this.#watch
    const open = new Set(devices.map((device) => device.resource))
    const before = tellAgain ? shown.filter((device) => !open.has(device.resource)) : shown
    const stanzas = presenceChanges(before, devices, this.#addresses)
    for (const presence of stanzas) this.#tell(presence)
    const left = shown.filter((device) => !open.has(device.resource))
    const stillGone = gone.filter((one) => !open.has(one.resource))
    const nowGone = left.map((device) => ({ resource: device.resource, atMs: this.#context.nowMs, unsent: false }))
    this.#set({ shown: devices, gone: [...stillGone, ...nowGone].slice(-MOST_GONE) })
    return new Set(stanzas.map((presence) => presence.from.resource ?? ''))
  }

  #takeInterruption({ reason, status, detail }: SubscriberCause): void {
    this.#set({ known: false })
    if (this.#watch.authorization === 'active') {
      if (this.#watch.shown.length > 0) this.#becomeStale()
      return this.#answerAll()
    }
    if (this.#watch.authorization !== 'pending' || this.#watch.toldTrouble) return
    // That PIDF is not to be had will not pass by itself. @see mapping D.5
    if (status !== 406 && !UNHEARD.has(reason)) return
    // Once for each request; the request itself stays. @see mapping D.2
    const request = newPresence({ from: this.#watcher, to: this.#contact, type: 'subscribe' })
    const cause = reason === 'no-target' || reason === 'transport' ? reason : 'timeout'
    const failure = status === 406 ? sipStatusToFailure(406, { reason: detail }) : sipTroubleToFailure(cause, detail)
    const reply = errorReply(request, failure)
    if (reply?.kind === 'presence') this.#tell(reply)
    this.#set({ toldTrouble: true })
  }

  #takeEnd(status: number | undefined): void {
    this.#set({ known: false })
    if (this.#watch.authorization !== 'none') {
      if (this.#watch.shown.length > 0) this.#becomeStale()
      return this.#answerAll()
    }
    if (this.#watch.askers.length === 0) return
    if (POLL_REFUSED.has(status)) this.#tell(newPresence({ ...this.#addresses, id: this.#id(), type: 'unsubscribed' }))
    else this.#answerAll()
    this.#set({ askers: [] })
  }

  // --- what was told, and whether it arrived

  #tellSubscribed(): void {
    this.#tell(newPresence({ ...this.#addresses, id: this.#id(), type: 'subscribed' }))
    this.#set({ owesSubscribed: false })
  }

  #id(): string {
    return `x2s-${this.#context.ids.token()}`
  }

  #becomeStale(): void {
    if (this.#watch.staleAtMs !== null && this.#watch.staleAtMs > this.#context.nowMs) return
    this.#set({ staleAtMs: this.#context.nowMs + STALE_MS })
    this.#arm('stale', STALE_MS)
  }

  #believe(): void {
    if (this.#watch.staleAtMs === null) return
    this.#set({ staleAtMs: null })
    this.#effects.push({ kind: 'cancel-timer', timer: 'stale' })
  }

  takeTimer(timer: string): void {
    if (timer === 'stale') {
      this.#set({ staleAtMs: null })
      if (!this.#watch.known) this.#show([])
    } else if (timer === 'resend') {
      this.#set({ resendAtMs: null })
      this.tellEverything()
    } else if (timer.startsWith('confirm')) this.#confirm()
    else if (timer === 'N' || timer === 'refresh' || timer === 'expiry' || timer === 'retry')
      this.engine({ kind: 'timer', timer })
  }

  noteUnsent(presence: PresenceStanza, failure: Failure): void {
    if (this.#watch.authorization !== 'active' || failure.retry !== 'later') return
    const resource = presence.from.resource ?? ''
    if (presence.type === 'subscribed') this.#set({ owesSubscribed: true })
    else if (presence.type === 'unavailable')
      this.#set({
        gone: this.#watch.gone.map((one) => (one.resource === resource ? { ...one, unsent: true } : one)),
      })
    else if (presence.type !== 'available') return
    const { resendAtMs, resendPauseMs } = this.#watch
    if (resendAtMs !== null && resendAtMs > this.#context.nowMs) return
    this.#set({
      resendAtMs: this.#context.nowMs + resendPauseMs,
      resendPauseMs: Math.min(resendPauseMs * 2, LONGEST_RESEND_MS),
    })
    this.#arm('resend', resendPauseMs)
  }

  heal(): void {
    this.#set({ resendAtMs: null, resendPauseMs: RESEND_MS })
    this.#effects.push({ kind: 'cancel-timer', timer: 'resend' })
    this.tellEverything()
  }

  /** Everything that may have been lost on the way. @see mapping D.10 */
  tellEverything(): void {
    if (this.#watch.authorization !== 'active') return
    if (this.#watch.owesSubscribed) this.#tellSubscribed()
    const now = this.#context.nowMs
    const gone = this.#watch.gone.filter((one) => one.unsent || now - one.atMs < GONE_FOR_MS)
    for (const one of gone) this.#tell(unavailableFrom(one.resource, this.#addresses))
    for (const device of this.#watch.shown) this.#tell(deviceToPresence(device, this.#addresses))
    this.#set({ gone: gone.map((one) => ({ ...one, unsent: false })) })
  }
}
