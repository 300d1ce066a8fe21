import type { Result } from '@stox/kernel'

export interface PidfNote {
  readonly lang: string | undefined
  readonly text: string
}

export type PidfShow = 'away' | 'chat' | 'dnd' | 'xa'

export interface PidfTuple {
  readonly id: string
  readonly basic: 'open' | 'closed' | undefined
  /** The `show` element of RFC 8048 §4.2 inside `status`. */
  readonly show: PidfShow | undefined
  /** The text of an `extended` status, as some servers write it: `away`, `busy`, `offline`, `available`. */
  readonly extended?: string
  readonly contact: string | undefined
  /** 0 to 1. */
  readonly contactPriority: number | undefined
  readonly notes: readonly PidfNote[]
  /** As written. */
  readonly timestamp: string | undefined
  /** RPID activities, lower case, those whose `from`/`until` exclude the given time left out. @see RFC 4480 §3.2 */
  readonly activities: readonly string[]
  /** RPID user-input idle. @see RFC 4480 §3.14 */
  readonly idle: boolean
  /** RPID relationship, left out for `self`: a tuple with one speaks of someone else. @see RFC 4480 §3.9 */
  readonly relationship?: string
}

export interface PidfPerson {
  readonly activities: readonly string[]
  readonly notes: readonly PidfNote[]
  readonly idle: boolean
}

export interface Pidf {
  /** As written: a `pres:` URI. */
  readonly entity: string
  readonly tuples: readonly PidfTuple[]
  readonly person: PidfPerson | undefined
  readonly notes: readonly PidfNote[]
}

export interface PidfFailure {
  readonly kind: 'pidf'
  readonly detail: string
}

export const PIDF_TYPE = 'application/pidf+xml'

/** `nowMs` (wall clock) decides on activities that are limited in time; without it they all count. */
export declare function parsePidf(body: Uint8Array | string, nowMs?: number): Result<Pidf, PidfFailure>
/** @see RFC 3863 §4, RFC 8048 §4.2 */
export declare function formatPidf(pidf: Pidf): string
