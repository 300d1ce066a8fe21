import type { Timer } from '@stox/kernel'
import { notifierKey, subscriberKey } from '@stox/sip-engine'
import { subscriptionId } from '@stox/store'
import type { SubscriptionDirection, SubscriptionRecord } from '@stox/store'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { ownJid } from './watch-effects.ts'
import { newSipWatch } from './watch-sip.ts'
import type { SipWatch } from './watch-sip.ts'
import { newXmppWatch } from './watch-xmpp.ts'
import type { XmppWatch } from './watch-xmpp.ts'

type Kept =
  | { readonly direction: 'xmpp-watches-sip'; watch: SipWatch }
  | { readonly direction: 'sip-watches-xmpp'; watch: XmppWatch }

/** One subscription, with the timers that are armed for it. */
export type WatchEntry = Kept & {
  readonly id: string
  readonly watcher: Jid
  readonly contact: Jid
  readonly timers: Map<string, Timer>
  /** Of the dialogs that belong to it. */
  keys: readonly string[]
}
export type EntryOf<D extends SubscriptionDirection> = Extract<WatchEntry, { direction: D }>

/** @see mapping D.2, access restrictions */
const MOST_WATCHES_OF_ONE = 500
const MOST_WATCHES = 500_000

/** The subscriptions of both directions: by watcher and contact, and by dialog. Has a bound. */
export class WatchTable {
  readonly #entries = new Map<string, WatchEntry>()
  readonly #byDialog = new Map<string, WatchEntry>()
  readonly #perWatcher = new Map<string, number>()

  byId(id: string): WatchEntry | undefined {
    return this.#entries.get(id)
  }

  [Symbol.iterator](): Iterator<WatchEntry> {
    return this.#entries.values()
  }

  byDialog(key: string): WatchEntry | undefined {
    return this.#byDialog.get(key)
  }

  find<D extends SubscriptionDirection>(direction: D, watcher: Jid, contact: Jid): EntryOf<D> | undefined {
    const entry = this.#entries.get(subscriptionId(direction, formatBareJid(watcher), formatBareJid(contact)))
    return entry as EntryOf<D> | undefined
  }

  holds(entry: WatchEntry): boolean {
    return this.#entries.get(entry.id) === entry
  }

  /** No room for one more of this watcher. */
  isFull(watcher: Jid): boolean {
    const own = this.#perWatcher.get(formatBareJid(watcher)) ?? 0
    return this.#entries.size >= MOST_WATCHES || own >= MOST_WATCHES_OF_ONE
  }

  /** Takes it in, or follows its dialogs as they are now. */
  keep(entry: WatchEntry): void {
    if (!this.#entries.has(entry.id)) {
      this.#entries.set(entry.id, entry)
      const watcher = formatBareJid(entry.watcher)
      this.#perWatcher.set(watcher, (this.#perWatcher.get(watcher) ?? 0) + 1)
    }
    const keys = keysOf(entry)
    for (const key of entry.keys) if (!keys.includes(key)) this.#byDialog.delete(key)
    for (const key of keys) this.#byDialog.set(key, entry)
    entry.keys = keys
  }

  /** Its timers end with it. False: it was not there. */
  forget(entry: WatchEntry): boolean {
    for (const timer of entry.timers.values()) timer.cancel()
    entry.timers.clear()
    for (const key of entry.keys) this.#byDialog.delete(key)
    entry.keys = []
    if (!this.#entries.delete(entry.id)) return false
    const watcher = formatBareJid(entry.watcher)
    const left = (this.#perWatcher.get(watcher) ?? 1) - 1
    if (left > 0) this.#perWatcher.set(watcher, left)
    else this.#perWatcher.delete(watcher)
    return true
  }
}

/** In no table until its first turn has left something to remember. */
export function newEntry<D extends SubscriptionDirection>(direction: D, watcherJid: Jid, contactJid: Jid): EntryOf<D> {
  const watcher = formatBareJid(watcherJid)
  const contact = formatBareJid(contactJid)
  return entryWith(direction, watcher, contact, newWatch(direction, watcher, contact)) as EntryOf<D>
}

const newWatch = (direction: SubscriptionDirection, watcher: string, contact: string): SipWatch | XmppWatch =>
  direction === 'xmpp-watches-sip' ? newSipWatch(watcher, contact) : newXmppWatch(watcher, contact)

function entryWith(
  direction: SubscriptionDirection,
  watcher: string,
  contact: string,
  watch: SipWatch | XmppWatch,
): WatchEntry {
  return {
    direction,
    watch,
    id: subscriptionId(direction, watcher, contact),
    watcher: ownJid(watcher),
    contact: ownJid(contact),
    timers: new Map(),
    keys: [],
  } as WatchEntry
}

/** Of what a process before this one has kept. Throws when nobody can read it. */
export function entryOfRecord({ direction, watcher, contact, data }: SubscriptionRecord): WatchEntry {
  // What an older gateway did not keep yet has the value that it begins with.
  const watch = { ...newWatch(direction, watcher, contact), ...(JSON.parse(data) as SipWatch | XmppWatch) }
  return entryWith(direction, watcher, contact, watch)
}

export const recordOfEntry = (entry: WatchEntry, nowMs: number): SubscriptionRecord => ({
  id: entry.id,
  direction: entry.direction,
  watcher: entry.watch.watcher,
  contact: entry.watch.contact,
  authorization: entry.watch.authorization,
  state: stateOf(entry),
  data: JSON.stringify(entry.watch),
  dueAtMs: dueOf(entry),
  updatedAtMs: nowMs,
})

export const xmppEnd = (entry: WatchEntry): Jid =>
  entry.direction === 'xmpp-watches-sip' ? entry.watcher : entry.contact
export const sipEnd = (entry: WatchEntry): Jid =>
  entry.direction === 'xmpp-watches-sip' ? entry.contact : entry.watcher

function keysOf(entry: WatchEntry): readonly string[] {
  if (entry.direction === 'sip-watches-xmpp') return entry.watch.dialogs.map(notifierKey)
  const key = entry.watch.subscriber === null ? undefined : subscriberKey(entry.watch.subscriber)
  return key === undefined ? [] : [key]
}

/** One word for the API and the gauge. @see packages/store/src/subscription-states.md */
export function stateOf(entry: WatchEntry): string {
  if (entry.direction === 'sip-watches-xmpp') return entry.watch.dialogs.length > 0 ? 'watched' : 'idle'
  const { subscriber } = entry.watch
  return subscriber === null || subscriber.name === 'ended' ? 'idle' : subscriber.name
}

function dueOf(entry: WatchEntry): number | null {
  if (entry.direction === 'sip-watches-xmpp')
    return entry.watch.dialogs.reduce<number | null>(
      (due, dialog) => (due === null ? dialog.expiresAtMs : Math.min(due, dialog.expiresAtMs)),
      null,
    )
  const state = entry.watch.subscriber
  if (state?.name === 'pending' || state?.name === 'active') return state.expiresAtMs
  return state?.name === 'holdoff' ? state.retryAtMs : null
}
