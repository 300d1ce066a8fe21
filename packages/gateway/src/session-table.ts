import { NamedTimers } from '@stox/kernel'
import type { Clock } from '@stox/kernel'
import { sessionKey } from '@stox/sip-engine'
import type { SessionState, SessionTimer } from '@stox/sip-engine'
import type { SipResponse } from '@stox/sip'
import type { SessionMedia, SipParties } from '@stox/translate'
import type { SipRoute } from './choose-route.ts'
import { pairKey } from './conversations.ts'

/** A session of a SIP user and an XMPP user. */
export interface ChatSession {
  /** `from` is the SIP user, whoever began. */
  readonly parties: SipParties
  readonly direction: 'sip-to-xmpp' | 'xmpp-to-sip'
  readonly callId: string
  readonly route: SipRoute
  readonly media: SessionMedia
  readonly startedAtMs: number
  /** When something was last said. */
  usedAtMs: number
  /** Messages of each side. */
  fromSip: number
  fromXmpp: number
  state: SessionState
  readonly timers: NamedTimers<SessionTimer>
  /** Answers the INVITE of the peer, or once more. */
  accept: (response: SipResponse) => void
  /** The last ACK of ours is on its way: nothing may overtake it. */
  acknowledged: Promise<void> | undefined
  /** What is to be called when it is no longer new. */
  settled: (() => void) | undefined
}

export const NOBODY = (): void => undefined

/** Before its first step. */
export const newSession = (
  known: Pick<ChatSession, 'parties' | 'direction' | 'callId' | 'route' | 'media' | 'startedAtMs'>,
): ChatSession => ({
  ...known,
  ...{ usedAtMs: known.startedAtMs, fromSip: 0, fromXmpp: 0, timers: new NamedTimers<SessionTimer>(), accept: NOBODY },
  ...{ acknowledged: undefined, settled: undefined },
  state: { name: 'ended', callId: known.callId, localTag: '' },
})

export interface SessionLimits {
  readonly most: number
  readonly mostPerDomain: number
}

/** Who has been silent for so long makes room for somebody else, where there is none. */
const SILENT_MS = 60_000
/** Of the same two: one that each has begun at the same time. */
const MOST_OF_PAIR = 2
const MOST_LOOKS = 1000

/** By the address of the XMPP user, then that of the SIP user: as messages wait for their turn. */
export const pairOf = ({ from, to }: SipParties): string => pairKey(to, from)

const isOpen = (state: SessionState): boolean => state.name === 'open' || (state.name === 'answered' && state.changing)

/** The sessions that live, bounded in all and for each of our domains. Who has said nothing for longest comes first. */
export class SessionTable {
  readonly #clock: Clock
  readonly #limits: SessionLimits
  readonly #byKey = new Map<string, ChatSession>()
  readonly #byPair = new Map<string, ChatSession[]>()
  readonly #ofDomain = new Map<string, number>()

  constructor(clock: Clock, limits: SessionLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get size(): number {
    return this.#byKey.size
  }

  all(): IterableIterator<ChatSession> {
    return this.#byKey.values()
  }

  byKey(key: string): ChatSession | undefined {
    return this.#byKey.get(key)
  }

  /** The one that words of the XMPP user go to: the last that was opened. */
  openOf(pair: string): ChatSession | undefined {
    return this.#byPair.get(pair)?.findLast(({ state }) => isOpen(state))
  }

  ofPair(pair: string): readonly ChatSession[] {
    return this.#byPair.get(pair) ?? []
  }

  /** Who must end so that one more has room: nobody (undefined), somebody, or there is none (`full`). */
  inTheWay(domain: string): ChatSession | 'full' | undefined {
    const isDomainFull = (this.#ofDomain.get(domain) ?? 0) >= this.#limits.mostPerDomain
    if (!isDomainFull && this.#byKey.size < this.#limits.most) return undefined
    const beforeMs = this.#clock.monotonicMs() - SILENT_MS
    let looks = 0
    for (const session of this.#byKey.values()) {
      if (session.usedAtMs > beforeMs || (looks += 1) > MOST_LOOKS) break
      if (isOpen(session.state) && (!isDomainFull || session.route.domain === domain)) return session
    }
    return 'full'
  }

  /** Gives the one of the same two that is one too many. */
  add(session: ChatSession): ChatSession | undefined {
    const pair = pairOf(session.parties)
    const others = this.#byPair.get(pair) ?? []
    this.#byPair.set(pair, [...others, session])
    this.#byKey.set(sessionKey(session.state), session)
    this.#ofDomain.set(session.route.domain, (this.#ofDomain.get(session.route.domain) ?? 0) + 1)
    return others.length >= MOST_OF_PAIR ? others[0] : undefined
  }

  /** Something was said in it. */
  use(session: ChatSession): void {
    const key = sessionKey(session.state)
    session.usedAtMs = this.#clock.monotonicMs()
    if (this.#byKey.delete(key)) this.#byKey.set(key, session)
  }

  remove(session: ChatSession): void {
    const { domain } = session.route
    if (!this.#byKey.delete(sessionKey(session.state))) return
    const left = (this.#ofDomain.get(domain) ?? 1) - 1
    if (left === 0) this.#ofDomain.delete(domain)
    else this.#ofDomain.set(domain, left)
    const pair = pairOf(session.parties)
    const others = (this.#byPair.get(pair) ?? []).filter((other) => other !== session)
    if (others.length === 0) this.#byPair.delete(pair)
    else this.#byPair.set(pair, others)
  }
}

/** The sessions that SIP users are about to begin: what is said to them meanwhile waits, and does not begin another. */
export class Beginnings {
  readonly #byPair = new Map<string, Promise<void>>()

  /** Gives what is to be called when it has come to something, or to nothing. */
  enter(pair: string): () => void {
    let resolve: () => void = NOBODY
    const promise = new Promise<void>((done) => {
      resolve = done
    })
    this.#byPair.set(pair, promise)
    return () => {
      resolve()
      if (this.#byPair.get(pair) === promise) this.#byPair.delete(pair)
    }
  }

  of(pair: string): Promise<void> | undefined {
    return this.#byPair.size === 0 ? undefined : this.#byPair.get(pair)
  }
}
