import type { Hashes } from '@stox/kernel'
import { formatSipUri } from '@stox/sip'
import type { Pidf, PidfNote, PidfTuple } from '@stox/sip'
import { bareJid, parseIdle } from '@stox/xmpp'
import type { Jid, PresenceStanza, Show } from '@stox/xmpp'
import { jidToInstantUri, jidToSipUri } from './address.ts'
import type { GruuPolicy } from './address.ts'
import { ACTIVITY_FOR_SHOW, priorityToContact } from './presence-tables.ts'

/** What one resource of an XMPP user last said. Plain values: kept in the store. */
export interface ResourcePresence {
  /** Empty for presence that came from the bare address. */
  readonly resource: string
  readonly show: Show | null
  readonly notes: readonly { readonly lang: string | null; readonly text: string }[]
  readonly priority: number
  /** Since when nobody has touched it, where it says so. @see XEP-0319 */
  readonly idleSinceMs?: number
  readonly atMs: number
}

/** Longer statuses are cut. @see mapping D.7 */
const LONGEST_NOTE = 1024
const cut = (text: string): string => (text.length <= LONGEST_NOTE ? text : [...text].slice(0, LONGEST_NOTE).join(''))

export function resourceOfPresence(presence: PresenceStanza, atMs: number): ResourcePresence {
  const idleSinceMs = parseIdle(presence.element)
  return {
    resource: presence.from.resource ?? '',
    show: presence.show ?? null,
    notes: presence.statuses.map((status) => ({ lang: status.lang ?? null, text: cut(status.text) })),
    priority: presence.priority,
    ...(idleSinceMs === undefined ? {} : { idleSinceMs }),
    atMs,
  }
}

/** @see RFC 4480 §3.14 */
const idleOf = (one: ResourcePresence | undefined): Pick<PidfTuple, 'idle' | 'idleSince'> =>
  one?.idleSinceMs === undefined ? { idle: false } : { idle: true, idleSince: new Date(one.idleSinceMs).toISOString() }

// Of xs:ID. @see RFC 3863 §4.1.2
const NC_NAME = /^[A-Za-z0-9_.-]+$/

/** Stable per resource; `ID-` because an xs:ID must not begin with a digit. @see RFC 8048 §4.2, note 2 */
export function tupleIdOf(resource: string, hashes: Hashes): string {
  if (resource === '') return 'ID-bare'
  return NC_NAME.test(resource) ? `ID-${resource}` : `ID-${hashes.sha256Hex(resource).slice(0, 20)}`
}

// Of several resources, the best available one speaks for the person.
const REACH: Readonly<Record<Show | 'none', number>> = { chat: 4, none: 3, away: 2, xa: 1, dnd: 0 }

export interface PresenceDocument {
  readonly contact: Jid
  /** Every resource known to be available. */
  readonly available: readonly ResourcePresence[]
  /** Resources that have gone since the last document: each is shown closed once. */
  readonly gone: readonly string[]
  /** Must differ from that of the last document. @see RFC 3863 §4.1.7 */
  readonly atMs: number
  readonly gruu: GruuPolicy
}

/** The complete state in one document, one tuple a resource: a NOTIFY replaces what the watcher knew. @see RFC 3856 §6.8, RFC 8048 §6.2 */
export function presenceToPidf(state: PresenceDocument, hashes: Hashes): Pidf {
  const bare = bareJid(state.contact)
  const timestamp = new Date(state.atMs).toISOString()
  const closed = (resource: string): PidfTuple => ({
    id: tupleIdOf(resource, hashes),
    basic: 'closed',
    show: undefined,
    contact: undefined,
    contactPriority: undefined,
    notes: [],
    timestamp,
    activities: [],
    idle: false,
  })
  const tuples: PidfTuple[] = state.available.map((one) => ({
    id: tupleIdOf(one.resource, hashes),
    basic: 'open',
    show: one.show ?? undefined,
    contact: formatSipUri(jidToSipUri(one.resource === '' ? bare : { ...bare, resource: one.resource }, state.gruu)),
    contactPriority: priorityToContact(one.priority),
    notes: one.notes.map((note): PidfNote => ({ lang: note.lang ?? undefined, text: note.text })),
    timestamp,
    activities: [],
    ...idleOf(one),
  }))
  const open = new Set(state.available.map((one) => one.resource))
  for (const resource of state.gone) if (!open.has(resource)) tuples.push(closed(resource))
  if (tuples.length === 0) tuples.push(closed(''))

  const best = state.available.toSorted(
    (a, b) => REACH[b.show ?? 'none'] - REACH[a.show ?? 'none'] || b.priority - a.priority,
  )[0]
  const activity = best === undefined ? undefined : ACTIVITY_FOR_SHOW[best.show ?? 'none']
  const idle = idleOf(best)
  return {
    entity: jidToInstantUri('pres', bare),
    tuples,
    person:
      activity === undefined && !idle.idle
        ? undefined
        : { activities: activity === undefined ? [] : [activity], notes: [], ...idle },
    notes: [],
  }
}
