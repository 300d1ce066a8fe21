import type { ResourcePresence } from '@stox/translate'

/** What is known of the resources of a contact. Plain JSON. */
export interface SeenResources {
  /** Every one known to be available. */
  readonly available: readonly ResourcePresence[]
  readonly gone: readonly { readonly resource: string; readonly atMs: number }[]
  /** When the contact's side was last heard; null: nothing is known. */
  readonly heardAtMs: number | null
}

/** What is known now, and whether it is other than before. */
export interface Sight {
  readonly seen: SeenResources
  readonly isNews: boolean
}

export const NOTHING_SEEN: SeenResources = { available: [], gone: [], heardAtMs: null }

const MOST_RESOURCES = 50
/** A closed tuple is in every document of so long, so that each dialog has it once at least. */
const GONE_FOR_MS = 15_000

export const recentlyGone = (seen: SeenResources, nowMs: number): readonly string[] =>
  seen.gone.filter((one) => nowMs - one.atMs < GONE_FOR_MS).map((one) => one.resource)

/** Undefined: there are too many already. */
export function seeAvailable(seen: SeenResources, one: ResourcePresence, nowMs: number): Sight | undefined {
  const before = seen.available.find((other) => other.resource === one.resource)
  const others = seen.available.filter((other) => other.resource !== one.resource)
  if (others.length >= MOST_RESOURCES) return undefined
  return {
    seen: {
      available: [...others, one],
      gone: seen.gone.filter((other) => other.resource !== one.resource),
      heardAtMs: nowMs,
    },
    isNews: seen.heardAtMs === null || before === undefined || !saysTheSame(before, one),
  }
}

/** `resource` undefined: all of them. */
export function seeUnavailable(seen: SeenResources, resource: string | undefined, nowMs: number): Sight {
  const left = without(seen, (one) => resource === undefined || one.resource === resource, nowMs)
  return { seen: { ...left.seen, heardAtMs: nowMs }, isNews: left.isNews || seen.heardAtMs === null }
}

/** Those who have said nothing since then are not there. */
export const seeSilence = (seen: SeenResources, sinceMs: number, nowMs: number): Sight =>
  without(seen, (one) => one.atMs < sinceMs, nowMs)

function without(seen: SeenResources, isLeft: (one: ResourcePresence) => boolean, nowMs: number): Sight {
  const left = seen.available.filter(isLeft)
  return {
    seen: {
      available: seen.available.filter((one) => !left.includes(one)),
      gone: [
        ...seen.gone.filter((one) => nowMs - one.atMs < GONE_FOR_MS),
        ...left.map((one) => ({ resource: one.resource, atMs: nowMs })),
      ],
      heardAtMs: seen.heardAtMs,
    },
    isNews: left.length > 0,
  }
}

const saysTheSame = (a: ResourcePresence, b: ResourcePresence): boolean =>
  a.show === b.show &&
  a.priority === b.priority &&
  a.idleSinceMs === b.idleSinceMs &&
  a.notes.length === b.notes.length &&
  a.notes.every((note, at) => note.text === b.notes[at]?.text && note.lang === b.notes[at]?.lang)
