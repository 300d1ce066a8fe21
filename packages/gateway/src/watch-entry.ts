import { NamedTimers } from '@stox/kernel'
import { notifierKey, subscriberKey } from '@stox/sip-engine'
import { subscriptionId } from '@stox/store'
import type { SubscriptionDirection, SubscriptionRecord } from '@stox/store'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { ownJid } from './watch-effects.ts'
import { newSipWatch } from './watch-sip-state.ts'
import type { SipWatch } from './watch-sip-state.ts'
import { newXmppWatch } from './watch-xmpp-state.ts'
import type { XmppWatch } from './watch-xmpp-state.ts'

type Watch = SipWatch | XmppWatch

type Kept =
  | { readonly direction: 'xmpp-watches-sip'; watch: SipWatch }
  | { readonly direction: 'sip-watches-xmpp'; watch: XmppWatch }

/** One subscription, with the timers that are armed for it. */
export type WatchEntry = Kept & Omit<Entry, 'direction' | 'watch'>
export type EntryOf<D extends SubscriptionDirection> = Extract<WatchEntry, { direction: D }>

/**
 * Most subscriptions have nothing to do most of the time, and there may be hundreds of thousands. So a watch at rest is
 * the text that the store has of it, a third of what its objects take; a turn unpacks it. What is asked of all of them, and
 * often, stands beside it.
 */
class Entry {
  readonly direction: SubscriptionDirection
  readonly id: string
  readonly watcher: Jid
  readonly contact: Jid
  readonly timers = new NamedTimers<string>()
  /** The keys under which the table has it. */
  filedUnder: readonly string[] = []
  /** Read from the store, and nothing done for it since. */
  awaitsResumption = false
  /** What is to be done for it waits for the disk; never rejects. */
  writing: Promise<void> | undefined
  authorization: Watch['authorization'] = 'none'
  /** One word for the API and the gauge. @see packages/store/src/subscription-states.md */
  state = 'idle'
  #watch: Watch | undefined
  #text: string | undefined

  constructor(direction: SubscriptionDirection, watcher: string, contact: string) {
    this.direction = direction
    this.id = subscriptionId(direction, watcher, contact)
    this.watcher = ownJid(watcher)
    this.contact = ownJid(contact)
  }

  get watch(): Watch {
    return this.#watch ?? { ...this.#fresh(), ...(this.#text === undefined ? {} : (JSON.parse(this.#text) as Watch)) }
  }

  set watch(watch: Watch) {
    this.#watch = watch
    this.#text = undefined
    this.authorization = watch.authorization
    this.state = stateOf(watch)
  }

  /** Of the dialogs that belong to it. */
  keys(): readonly string[] {
    return keysOf(this.watch)
  }

  /** Everything but what a new one has anyway: what an older gateway did not keep yet, it has too. */
  get text(): string {
    this.#text ??= JSON.stringify(differing(this.watch, this.#fresh()))
    return this.#text
  }

  rest(): void {
    void this.text
    this.#watch = undefined
  }

  /** As the store had it. Throws when nobody can read it. */
  wake(text: string): void {
    this.watch = { ...this.#fresh(), ...(JSON.parse(text) as Watch) }
    this.#text = text
  }

  #fresh(): Watch {
    return newWatch(this.direction, formatBareJid(this.watcher), formatBareJid(this.contact))
  }
}

const newWatch = (direction: SubscriptionDirection, watcher: string, contact: string): Watch =>
  direction === 'xmpp-watches-sip' ? newSipWatch(watcher, contact) : newXmppWatch(watcher, contact)

/** In no table until its first turn has left something to remember. */
export const newEntry = <D extends SubscriptionDirection>(direction: D, watcher: Jid, contact: Jid): EntryOf<D> =>
  new Entry(direction, formatBareJid(watcher), formatBareJid(contact)) as WatchEntry as EntryOf<D>

/** Of what a process before this one has kept. Throws when nobody can read it. */
export function entryOfRecord({ direction, watcher, contact, data }: SubscriptionRecord): WatchEntry {
  const entry = new Entry(direction, watcher, contact)
  entry.wake(data)
  return entry as WatchEntry
}

/** What it is by the time that it is written: of several turns before that, the last. */
export const recordOfEntry = (entry: WatchEntry, nowMs: number): SubscriptionRecord => ({
  id: entry.id,
  direction: entry.direction,
  get watcher() {
    return formatBareJid(entry.watcher)
  },
  get contact() {
    return formatBareJid(entry.contact)
  },
  get authorization() {
    return entry.authorization
  },
  get state() {
    return entry.state
  },
  get data() {
    return entry.text
  },
  get dueAtMs() {
    return dueOf(entry.watch)
  },
  updatedAtMs: nowMs,
})

export const xmppEnd = (entry: WatchEntry): Jid =>
  entry.direction === 'xmpp-watches-sip' ? entry.watcher : entry.contact
export const sipEnd = (entry: WatchEntry): Jid =>
  entry.direction === 'xmpp-watches-sip' ? entry.contact : entry.watcher

const isXmppWatch = (watch: Watch): watch is XmppWatch => 'dialogs' in watch

function keysOf(watch: Watch): readonly string[] {
  if (isXmppWatch(watch)) return watch.dialogs.map(notifierKey)
  const key = watch.subscriber === null ? undefined : subscriberKey(watch.subscriber)
  return key === undefined ? [] : [key]
}

function stateOf(watch: Watch): string {
  if (isXmppWatch(watch)) return watch.dialogs.length > 0 ? 'watched' : 'idle'
  const { subscriber } = watch
  return subscriber === null || subscriber.name === 'ended' ? 'idle' : subscriber.name
}

function dueOf(watch: Watch): number | null {
  if (isXmppWatch(watch))
    return watch.dialogs.reduce<number | null>(
      (due, dialog) => (due === null ? dialog.expiresAtMs : Math.min(due, dialog.expiresAtMs)),
      null,
    )
  const state = watch.subscriber
  if (state?.name === 'pending' || state?.name === 'active') return state.expiresAtMs
  return state?.name === 'holdoff' ? state.retryAtMs : null
}

/** Without the values that a new one begins with. */
function differing(watch: Watch, fresh: Watch): Readonly<Record<string, unknown>> {
  const begun: Readonly<Record<string, unknown>> = { ...fresh }
  return Object.fromEntries(Object.entries(watch).filter(([name, value]) => !isSame(value, begun[name])))
}

const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (Array.isArray(a) && Array.isArray(b) && a.length === 0 && b.length === 0)
