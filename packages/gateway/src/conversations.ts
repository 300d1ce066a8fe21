import { RecentMap } from '@stox/kernel'
import type { Clock, Hashes, Ids } from '@stox/kernel'
import { formatBareJid, formatJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { callIdForThread } from '@stox/translate'
import type { SipCall } from '@stox/translate'

interface Call {
  readonly callId: string
  readonly fromTag: string
  readonly thread: string
  cseq: number
}

/** How long what we saw of a resource is worth something. @see mapping C.13 */
const RESOURCE_FRESH_MS = 10 * 60_000
const MOST_REMEMBERED = 50_000
/** Of late errors no more go to one user of one contact: a client that answers them by itself must not go on for ever. */
const MOST_TOLD = 5
const TOLD_WINDOW_MS = 10 * 60_000
/** A thread counts as the one they are in for so long. @see mapping C.3 */
const THREAD_FRESH_MS = 30 * 60_000
/** Typing is told to a SIP user in answer to him, and for so long. @see RFC 3994 §7, mapping C.8 */
const ANSWER_FRESH_MS = 10 * 60_000

/** What two users have said to each other, as far as the next message depends on it. */
export interface Pair {
  /** The XMPP user last wrote `chat`. */
  readonly chats: boolean
  /** Whether he told a state of the chat with his last words; undefined before any. @see XEP-0085 §5.1 */
  readonly tellsStates: boolean | undefined
}
interface LivingPair {
  chats: boolean
  tellsStates: boolean | undefined
  thread: string | undefined
  threadAtMs: number
  sipWroteAtMs: number
  toldSinceMs: number
  told: number
}
const SAFE_TOKEN = /^[A-Za-z0-9.-]{1,64}$/

/** Of their bare addresses. */
export const pairKey = (xmppUser: Jid, sipUser: Jid): string => `${formatBareJid(xmppUser)} ${formatBareJid(sipUser)}`

/**
 * What pairs of users have said lately, as far as the other direction needs it: which call a thread is, whether the XMPP
 * side chats, which resources live. All of it may be forgotten without harm.
 */
export class Conversations {
  readonly #clock: Clock
  readonly #ids: Ids
  readonly #hashes: Hashes
  readonly #calls = new RecentMap<string, Call>(MOST_REMEMBERED)
  readonly #threadOfCall = new RecentMap<string, string>(MOST_REMEMBERED)
  readonly #pairs = new RecentMap<string, LivingPair>(MOST_REMEMBERED)
  readonly #resources = new RecentMap<string, number>(MOST_REMEMBERED)

  constructor(deps: { readonly clock: Clock; readonly ids: Ids; readonly hashes: Hashes }) {
    this.#clock = deps.clock
    this.#ids = deps.ids
    this.#hashes = deps.hashes
  }

  /**
   * One Call-ID and From tag a thread, its CSeq growing: two MESSAGEs with the same three would be merged. Without a
   * thread the call is made of the stanza's correlation id, so that a repeat of it can be recognised. @see RFC 3261 §8.2.2.2
   */
  callFor(from: Jid, to: Jid, thread: string | undefined, correlationId: string): SipCall {
    if (thread === undefined || thread === '') {
      const token = SAFE_TOKEN.test(correlationId) ? correlationId : this.#ids.token()
      return { callId: `x2s-${token}`, fromTag: token, cseq: 1 }
    }
    const key = `${formatBareJid(from)} ${formatBareJid(to)} ${thread}`
    let call = this.#calls.get(key)
    if (call === undefined) {
      const callId = callIdForThread(thread, from, to, this.#hashes, () => this.#ids.token())
      call = { callId, fromTag: this.#ids.token(), thread, cseq: 0 }
      this.#calls.set(key, call)
      if (callId !== thread) this.#threadOfCall.set(callId, thread)
    }
    call.cseq += 1
    return { callId: call.callId, fromTag: call.fromTag, cseq: call.cseq }
  }

  /** For one more request of the same call. */
  nextInCall(from: Jid, to: Jid, thread: string | undefined, call: SipCall): SipCall {
    return thread === undefined || thread === ''
      ? { ...call, cseq: call.cseq + 1 }
      : { ...call, ...this.callFor(from, to, thread, '') }
  }

  /** A call that is nothing but one MESSAGE of ours. */
  freshCall(): SipCall {
    const token = this.#ids.token()
    return { callId: `x2s-${token}`, fromTag: token, cseq: 1 }
  }

  /** The thread that a Call-ID of ours was made from. */
  threadOf(callId: string): string {
    return this.#threadOfCall.get(callId) ?? callId
  }

  /** The thread that the two have in this call of ours; undefined when it is none of theirs. */
  threadInCall(callId: string, sipUser: Jid, xmppUser: Jid): string | undefined {
    const thread = this.threadOf(callId)
    return this.#calls.get(`${pairKey(xmppUser, sipUser)} ${thread}`) === undefined ? undefined : thread
  }

  /** Words of the XMPP user in the pair of this key, with a state of the chat or without; undefined when they are no words of his. */
  noteFromXmpp(
    key: string,
    said: { readonly from: Jid; readonly type: string; readonly thread?: string | undefined },
    state: boolean | undefined,
  ): void {
    const pair = this.#pair(key)
    pair.chats = said.type === 'chat'
    if (state !== undefined) pair.tellsStates = state
    if (said.thread !== undefined && said.thread !== '') {
      pair.thread = said.thread
      pair.threadAtMs = this.#clock.monotonicMs()
    }
    this.noteResource(said.from)
  }

  /** A state alone shows that states are understood, and nothing else. */
  noteState(from: Jid, to: Jid): void {
    this.#pair(pairKey(from, to)).tellsStates = true
  }

  noteResource(jid: Jid): void {
    if (jid.resource !== undefined) this.#resources.set(formatJid(jid), this.#clock.monotonicMs())
  }

  /** Words of the SIP user; what is known of the two. */
  noteFromSip(sipUser: Jid, xmppUser: Jid): Pair {
    const pair = this.#pair(pairKey(xmppUser, sipUser))
    pair.sipWroteAtMs = this.#clock.monotonicMs()
    return pair
  }

  pairOf(sipUser: Jid, xmppUser: Jid): Pair | undefined {
    return this.#pairs.get(pairKey(xmppUser, sipUser))
  }

  /** The thread the two are in, as far as the XMPP user has named one lately. */
  threadOfPair(sipUser: Jid, xmppUser: Jid): string | undefined {
    const pair = this.#pairs.get(pairKey(xmppUser, sipUser))
    return pair !== undefined && this.#clock.monotonicMs() - pair.threadAtMs < THREAD_FRESH_MS ? pair.thread : undefined
  }

  /** Whether the SIP user has written lately. */
  isAnswering(xmppUser: Jid, sipUser: Jid): boolean {
    const pair = this.#pairs.get(pairKey(xmppUser, sipUser))
    return pair !== undefined && this.#clock.monotonicMs() - pair.sipWroteAtMs < ANSWER_FRESH_MS
  }

  /** Whether the SIP user may be told once more that his message came to nothing. */
  mayTellError(sipUser: Jid, xmppUser: Jid): boolean {
    const pair = this.#pair(pairKey(xmppUser, sipUser))
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - pair.toldSinceMs > TOLD_WINDOW_MS) {
      pair.toldSinceMs = nowMs
      pair.told = 0
    }
    pair.told += 1
    return pair.told <= MOST_TOLD
  }

  #pair(key: string): LivingPair {
    let pair = this.#pairs.get(key)
    if (pair === undefined) {
      pair = {
        chats: false,
        tellsStates: undefined,
        thread: undefined,
        threadAtMs: 0,
        sipWroteAtMs: Number.NEGATIVE_INFINITY,
        toldSinceMs: Number.NEGATIVE_INFINITY,
        told: 0,
      }
      this.#pairs.set(key, pair)
    }
    return pair
  }

  /** Seen within the last minutes: a message to the full address will not be lost. */
  isFresh(jid: Jid): boolean {
    if (jid.resource === undefined) return false
    const seenMs = this.#resources.get(formatJid(jid))
    return seenMs !== undefined && this.#clock.monotonicMs() - seenMs < RESOURCE_FRESH_MS
  }
}
