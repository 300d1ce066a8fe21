import { subscriptionId } from '@stox/store'
import type { SubscriptionDirection } from '@stox/store'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import type { EntryOf, WatchEntry } from './watch-entry.ts'

/** @see mapping D.2, access restrictions */
const MOST_WATCHES_OF_ONE = 500
const MOST_WATCHES = 500_000
/** So many of those that had a turn last lie unpacked. */
const AWAKE = 256

/** The subscriptions of both directions: by watcher and contact, and by dialog. Has a bound. */
export class WatchTable {
  readonly #entries = new Map<string, WatchEntry>()
  readonly #byDialog = new Map<string, WatchEntry>()
  readonly #perWatcher = new Map<string, number>()
  readonly #awake = new Set<WatchEntry>()

  get size(): number {
    return this.#entries.size
  }

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

  /** Takes it in, or follows its dialogs as they are now. True: they are others than before. */
  keep(entry: WatchEntry): boolean {
    if (!this.#entries.has(entry.id)) {
      this.#entries.set(entry.id, entry)
      const watcher = formatBareJid(entry.watcher)
      this.#perWatcher.set(watcher, (this.#perWatcher.get(watcher) ?? 0) + 1)
    }
    const keys = entry.keys()
    const others = !sameKeys(entry.filedUnder, keys)
    if (others) {
      for (const key of entry.filedUnder) this.#byDialog.delete(key)
      for (const key of keys) this.#byDialog.set(key, entry)
      entry.filedUnder = keys
    }
    this.#awake.delete(entry)
    this.#awake.add(entry)
    if (this.#awake.size > AWAKE) this.#restOldest()
    return others
  }

  #restOldest(): void {
    for (const oldest of this.#awake) {
      this.#awake.delete(oldest)
      return oldest.rest()
    }
  }

  /** Its timers end with it. False: it was not there. */
  forget(entry: WatchEntry): boolean {
    entry.timers.cancelAll()
    for (const key of entry.filedUnder) this.#byDialog.delete(key)
    entry.filedUnder = []
    this.#awake.delete(entry)
    if (!this.#entries.delete(entry.id)) return false
    const watcher = formatBareJid(entry.watcher)
    const left = (this.#perWatcher.get(watcher) ?? 1) - 1
    if (left > 0) this.#perWatcher.set(watcher, left)
    else this.#perWatcher.delete(watcher)
    return true
  }
}

const sameKeys = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((key, at) => key === b[at])
