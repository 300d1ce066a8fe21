import type { Watcher, WatcherInfo } from '@stox/sip'

/** Who watches a resource, as one subscription to its watcher information tells it. Plain JSON. */
export interface WatcherListState {
  /** Of the last document; null: none yet on this dialog. */
  readonly version: number | null
  /** Those that have not ended. */
  readonly watchers: readonly Watcher[]
}

export const NO_WATCHERS: WatcherListState = { version: null, watchers: [] }

/** Watchers that come and go and never end would be kept for ever. */
const MOST_KEPT = 2000

export type WatcherListStep =
  | { readonly kind: 'taken'; readonly state: WatcherListState }
  /** A document was missed: what we know stands until a full one comes, which a refresh brings. */
  | { readonly kind: 'missed' }
  /** Older than what is known. */
  | { readonly kind: 'old' }

/** A new dialog counts its documents anew; what is known stands until its first. */
export const forNewDialog = (state: WatcherListState): WatcherListState => ({ ...state, version: null })

/**
 * A full document replaces the list, whatever its version: the order of a dialog's NOTIFYs was seen to before. A partial
 * one must be the next. @see RFC 3858 §4
 */
export function takeWatcherInfo(state: WatcherListState, info: WatcherInfo, eventPackage: string): WatcherListStep {
  const told = info.lists.filter((list) => list.eventPackage === eventPackage).flatMap((list) => list.watchers)
  if (info.state === 'partial') {
    if (state.version === null || info.version > state.version + 1) return { kind: 'missed' }
    if (info.version <= state.version) return { kind: 'old' }
  }
  const rows = new Map<string, Watcher>(
    info.state === 'full' ? [] : state.watchers.map((watcher) => [watcher.id, watcher]),
  )
  for (const watcher of told) {
    rows.delete(watcher.id)
    if (watcher.status !== 'terminated') rows.set(watcher.id, watcher)
  }
  return { kind: 'taken', state: { version: info.version, watchers: [...rows.values()].slice(-MOST_KEPT) } }
}
