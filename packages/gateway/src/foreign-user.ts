import { WATCHERINFO_TYPE, parseMediaType, parseWatcherInfo } from '@stox/sip'
import type { SipRequest, Watcher, WatcherInfo } from '@stox/sip'
import {
  NO_WATCHERS,
  advancePublication,
  advanceSubscriber,
  forNewDialog,
  newPublication,
  openSubscription,
  resumePublication,
  resumeSubscriber,
  subscriberKey,
  takeWatcherInfo,
} from '@stox/sip-engine'
import type {
  PublicationContext,
  PublicationInput,
  PublicationOrder,
  PublicationReport,
  PublicationState,
  PublicationStep,
  PublicationTimer,
  SubscriberInput,
  SubscriberReport,
  SubscriberState,
  SubscriberStep,
  SubscriberTimer,
  SubscriptionOrder,
  SubscriptionReply,
  WatcherListState,
} from '@stox/sip-engine'
import { Turn } from './watch-effects.ts'
import type { SipEffect } from './watch-effects.ts'

/**
 * An XMPP user at a SIP server that answers for him: what we have published there of him, and who watches him there, as
 * that server tells. Plain JSON. @see RFC 3903, RFC 3857, mapping D.12, D.13
 */
export interface ForeignUser {
  /** A bare address, as JIDs are written. */
  readonly user: string
  /** The route of the server. */
  readonly route: string
  readonly publication: PublicationState
  /** Null: not asked. */
  readonly watching: SubscriberState | null
  readonly watchers: WatcherListState
  /** When the full list was last asked for beyond the usual. */
  readonly askedAtMs: number | null
  readonly leaving: boolean
}

export type ForeignUserEvent =
  /** Somebody has to do with him. */
  | { readonly kind: 'join' }
  /** What he shows may have changed. */
  | { readonly kind: 'changed' }
  /** The server may have forgotten him. */
  | { readonly kind: 'refresh' }
  /** Nobody has to do with him any more, or may. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'reply'; readonly request: SipRequest; readonly reply: SubscriptionReply }
  | { readonly kind: 'notify'; readonly request: SipRequest }
  | { readonly kind: 'timer'; readonly timer: string }
  /** After a restart. */
  | { readonly kind: 'resume' }

export type ForeignUserEffect =
  | SipEffect
  /** URIs of those who have begun to watch, and of those who have ended. */
  | { readonly kind: 'watchers'; readonly came: readonly string[]; readonly went: readonly string[] }
  | { readonly kind: 'published'; readonly report: PublicationReport }
  /** The server does not tell who watches. */
  | { readonly kind: 'untold'; readonly detail: string; readonly lasting: boolean }

export interface ForeignUserContext extends PublicationContext {
  order(): SubscriptionOrder
}

export interface ForeignUserStep {
  /** Undefined: nothing is left to be remembered. */
  readonly user: ForeignUser | undefined
  readonly effects: readonly ForeignUserEffect[]
}

/** Whoever does not tell is asked again: an administrator may have mended it. */
const ASK_AGAIN_MS = 3_600_000
/** Whoever never tells everybody is not asked for it without end. */
const ALL_AGAIN_MS = 60_000
const PUBLISH = 'publish '
const WATCH = 'watch '

export const newForeignUser = (user: string, route: string, order: PublicationOrder): ForeignUser => ({
  user,
  route,
  publication: newPublication(order),
  watching: null,
  watchers: NO_WATCHERS,
  askedAtMs: null,
  leaving: false,
})

/** The key of the dialog in which the server tells who watches. */
export const foreignUserKey = ({ watching }: ForeignUser): string | undefined =>
  watching === null ? undefined : subscriberKey(watching)

export function advanceForeignUser(
  user: ForeignUser,
  event: ForeignUserEvent,
  context: ForeignUserContext,
): ForeignUserStep {
  const turn = new ForeignTurn(user, context)
  turn.take(event)
  const { leaving, publication, watching } = turn.state
  const isOver = leaving && publication.ended && watching === null
  return { user: isOver ? undefined : turn.state, effects: turn.effects }
}

class ForeignTurn extends Turn<ForeignUser, ForeignUserEffect> {
  readonly #context: ForeignUserContext

  constructor(user: ForeignUser, context: ForeignUserContext) {
    super(user)
    this.#context = context
  }

  take(event: ForeignUserEvent): void {
    switch (event.kind) {
      case 'join':
        return this.#join()
      case 'changed':
        return this.#publish({ kind: 'changed' })
      case 'refresh':
        this.#publish({ kind: 'timer', timer: 'refresh' })
        return this.#watch({ kind: 'refresh' })
      case 'leave':
        this.set({ leaving: true, watchers: NO_WATCHERS })
        this.#publish({ kind: 'leave' })
        return this.#watch({ kind: 'unsubscribe' })
      case 'reply':
        return event.request.method === 'PUBLISH' ? this.#publish(event) : this.#watch(event)
      case 'notify':
        return this.#takeNotify(event.request)
      case 'timer':
        return this.#takeTimer(event.timer)
      case 'resume': {
        const { publication, watching } = this.state
        this.#publication(resumePublication(publication, this.#context, 0))
        if (watching !== null) this.#watching(resumeSubscriber(watching, this.#context, 0))
        return
      }
    }
  }

  #join(): void {
    const { leaving, publication, watching } = this.state
    if (leaving) {
      this.set({ leaving: false, publication: publication.ended ? newPublication(publication.order) : publication })
      this.#publish({ kind: 'stay' })
    }
    if (watching === null || watching.name === 'closing') this.#ask()
  }

  // --- what he shows

  #publish(input: PublicationInput): void {
    this.#publication(advancePublication(this.state.publication, input, this.#context))
  }

  #publication({ state, effects }: PublicationStep): void {
    this.set({ publication: state })
    const nameOf = (timer: PublicationTimer): string => `${PUBLISH}${timer}`
    this.follow(effects, nameOf, (report) => this.effects.push({ kind: 'published', report }))
  }

  // --- who watches him

  #ask(): void {
    this.#watching(openSubscription(this.#context.order(), this.#context, { authorized: true }))
  }

  #watch(input: SubscriberInput): void {
    if (this.state.watching === null) return
    this.#watching(advanceSubscriber(this.state.watching, input, this.#context))
  }

  #watching({ state, effects }: SubscriberStep, info?: WatcherInfo): void {
    const before = foreignUserKey(this.state)
    this.set({ watching: state.name === 'ended' ? null : state })
    if (foreignUserKey(this.state) !== before) this.set({ watchers: forNewDialog(this.state.watchers) })
    const nameOf = (timer: SubscriberTimer): string => `${WATCH}${timer}`
    this.follow(effects, nameOf, (report) => this.#takeReport(report, info))
  }

  /** A document that we cannot read changes nothing. */
  #takeNotify(request: SipRequest): void {
    const { watching } = this.state
    if (watching === null) return
    let info: WatcherInfo | undefined
    if (request.body.length > 0) {
      const type = parseMediaType(request.headers.get('Content-Type') ?? '')
      if (!type.ok || type.value.type !== WATCHERINFO_TYPE)
        return this.refuse(request, 415, [['Accept', WATCHERINFO_TYPE]])
      const parsed = parseWatcherInfo(request.body)
      if (!parsed.ok) {
        const detail = `no watcher information: ${parsed.failure.detail}`
        this.effects.push({ kind: 'untold', detail, lasting: false })
        return this.refuse(request, 400, [], 'No Watcher Information')
      }
      info = parsed.value
    }
    this.#watching(advanceSubscriber(watching, { kind: 'notify', request }, this.#context), info)
  }

  #takeReport(report: SubscriberReport, info: WatcherInfo | undefined): void {
    switch (report.kind) {
      case 'notified':
        if (info !== undefined && report.state !== 'pending') this.#takeInfo(info)
        return
      case 'cancelled':
        // 403, 489 and their like.
        this.effects.push({ kind: 'untold', detail: report.cause.detail, lasting: true })
        return this.arm(`${WATCH}ask`, ASK_AGAIN_MS)
      case 'interrupted':
        this.effects.push({ kind: 'untold', detail: report.cause.detail, lasting: false })
        return
      case 'accepted':
      case 'ended':
        return
    }
  }

  #takeInfo(info: WatcherInfo): void {
    const step = takeWatcherInfo(this.state.watchers, info, 'presence')
    if (step.kind === 'old') return
    if (step.kind === 'missed') return this.#askForAll()
    const before = urisOf(this.state.watchers.watchers)
    const now = urisOf(step.state.watchers)
    this.set({ watchers: step.state })
    const came = [...now].filter((uri) => !before.has(uri))
    const went = [...before].filter((uri) => !now.has(uri))
    this.effects.push({ kind: 'watchers', came, went })
    // Who may see him decides on what is published.
    this.#publish({ kind: 'changed' })
  }

  /** A refresh brings the full list. @see RFC 3858 §4 */
  #askForAll(): void {
    const { askedAtMs } = this.state
    const { nowMs } = this.#context
    const waitMs = askedAtMs === null ? 0 : Math.min(ALL_AGAIN_MS, askedAtMs + ALL_AGAIN_MS - nowMs)
    if (waitMs > 0) return this.arm(`${WATCH}all`, waitMs)
    this.set({ askedAtMs: nowMs })
    this.#watch({ kind: 'refresh' })
  }

  #takeTimer(timer: string): void {
    if (timer === `${WATCH}all`) return this.#askForAll()
    if (timer.startsWith(PUBLISH))
      return this.#publish({ kind: 'timer', timer: timer.slice(PUBLISH.length) as PublicationTimer })
    if (timer !== `${WATCH}ask`)
      return this.#watch({ kind: 'timer', timer: timer.slice(WATCH.length) as SubscriberTimer })
    if (this.state.watching === null && !this.state.leaving) this.#ask()
  }
}

const urisOf = (watchers: readonly Watcher[]): ReadonlySet<string> => new Set(watchers.map(({ uri }) => uri))
