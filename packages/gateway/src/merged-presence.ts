import type { Hashes } from '@stox/kernel'
import type { ResourcePresence } from '@stox/translate'
import type { XmppWatch } from './watch-xmpp-state.ts'

const MOST_RESOURCES = 50

/**
 * What an XMPP user shows to all who may see him: his server tells each of them by himself, one after the other, so of every
 * resource the newest word counts. Undefined: nothing has been heard yet.
 */
export function mergedPresence(
  watches: Iterable<Pick<XmppWatch, 'available' | 'gone' | 'heardAtMs'>>,
): readonly ResourcePresence[] | undefined {
  const available = new Map<string, ResourcePresence>()
  const goneAtMs = new Map<string, number>()
  let heard = false
  for (const watch of watches) {
    if (watch.heardAtMs === null) continue
    heard = true
    for (const one of watch.available)
      if (one.atMs > (available.get(one.resource)?.atMs ?? -Infinity)) available.set(one.resource, one)
    for (const { resource, atMs } of watch.gone)
      goneAtMs.set(resource, Math.max(atMs, goneAtMs.get(resource) ?? -Infinity))
  }
  if (!heard) return undefined
  return [...available.values()]
    .filter((one) => one.atMs > (goneAtMs.get(one.resource) ?? -Infinity))
    .toSorted((a, b) => (a.resource < b.resource ? -1 : 1))
    .slice(0, MOST_RESOURCES)
}

/** The same for what says the same, at whatever time it was said. */
export const fingerprintOf = (available: readonly ResourcePresence[], hashes: Hashes): string =>
  hashes
    .sha256Hex(
      JSON.stringify(
        available.map(({ resource, show, notes, priority, idleSinceMs }) => [
          resource,
          show,
          notes,
          priority,
          idleSinceMs,
        ]),
      ),
    )
    .slice(0, 20)
