import { RecentMap } from '@stox/kernel'
import type { Clock } from '@stox/kernel'
import { networkOf } from './admission.ts'

export interface PenaltyLimits {
  /** Streams that may end by their own fault, one after another, before there is a penalty. */
  readonly freeFaults: number
  /** After so long one fault is forgotten, and then the next. */
  readonly faultForgivenMs: number
}

/** Somebody who comes: from where, and which partner he says to be, if it is one. */
export interface Comer {
  readonly remoteAddress: string
  readonly claims: string | undefined
}

interface Offender {
  faults: number
  /** When they were counted. */
  atMs: number
  /** Until then he is not let in. */
  untilMs: number
}

const MOST_OFFENDERS = 4_096
const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 60_000
/** Where somebody has a penalty, a connection is not read before: nobody can open them without end. */
const HESITATION_MS = 1_000

/**
 * What it costs a partner that its streams end by its own fault, again and again: a stream is dear to open, and who loses
 * it by an error loses nothing by it. After a few the next one has to wait, twice as long each time. What a partner does
 * on a stream that it has proven it pays for wherever it comes from; what is done in a partner's name without proof, the
 * network pays for from which it came, and in that name alone: so whoever shares it is let in.
 */
export class Penalties {
  readonly #clock: Clock
  readonly #limits: PenaltyLimits
  readonly #offenders = new RecentMap<string, Offender>(MOST_OFFENDERS)
  /** Networks from which one with a penalty came, and until when it has it. */
  readonly #suspect = new RecentMap<string, number>(MOST_OFFENDERS)

  constructor(clock: Clock, limits: PenaltyLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  /** A stream ended by the fault of its peer; `proven` is the partner that it had proven to be. */
  blame(comer: Comer, proven: string | undefined): void {
    const nowMs = this.#clock.monotonicMs()
    const { freeFaults, faultForgivenMs } = this.#limits
    const key = proven ?? keyOf(comer)
    const before = this.#offenders.get(key) ?? { faults: 0, atMs: nowMs, untilMs: 0 }
    const left = Math.max(0, before.faults - (nowMs - before.atMs) / faultForgivenMs)
    const most = freeFaults + Math.log2(LONGEST_WAIT_MS / FIRST_WAIT_MS) + 1
    const faults = Math.min(most, left + 1)
    const over = faults - freeFaults
    const waitMs = over <= 0 ? 0 : Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (over - 1))
    const untilMs = Math.max(before.untilMs, nowMs + waitMs)
    this.#offenders.set(key, { faults, atMs: nowMs, untilMs })
    if (waitMs > 0) this.#suspectUntil(comer, untilMs)
  }

  /** Why he has to wait; undefined: he has not. */
  whyNot(comer: Comer): string | undefined {
    const byPartner = comer.claims === undefined ? undefined : this.#offenders.get(comer.claims)
    const here = this.#offenders.get(keyOf(comer))
    const untilMs = Math.max(byPartner?.untilMs ?? 0, here?.untilMs ?? 0)
    const leftMs = untilMs - this.#clock.monotonicMs()
    if (leftMs <= 0) return undefined
    this.#suspectUntil(comer, untilMs)
    return `it may come again in ${Math.ceil(leftMs / 1000)} s, for its streams ended too often by its own fault`
  }

  /** How long a connection from there is left alone before it is read. */
  hesitationMs(remoteAddress: string): number {
    const untilMs = this.#suspect.get(networkOf(remoteAddress)) ?? 0
    return untilMs > this.#clock.monotonicMs() ? HESITATION_MS : 0
  }

  #suspectUntil({ remoteAddress }: Comer, untilMs: number): void {
    const network = networkOf(remoteAddress)
    this.#suspect.set(network, Math.max(untilMs, this.#suspect.get(network) ?? 0))
  }
}

/** Without proof a name is worth something only together with where it came from. */
const keyOf = ({ remoteAddress, claims = '' }: Comer): string => `${networkOf(remoteAddress)} ${claims}`
