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
const SAFE_TOKEN = /^[A-Za-z0-9.-]{1,64}$/

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
  readonly #chats = new RecentMap<string, boolean>(MOST_REMEMBERED)
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

  /** The thread that a Call-ID of ours was made from. */
  threadOf(callId: string): string {
    return this.#threadOfCall.get(callId) ?? callId
  }

  noteFromXmpp(from: Jid, to: Jid, type: string): void {
    this.#chats.set(`${formatBareJid(from)} ${formatBareJid(to)}`, type === 'chat')
    this.noteResource(from)
  }

  noteResource(jid: Jid): void {
    if (jid.resource !== undefined) this.#resources.set(formatJid(jid), this.#clock.monotonicMs())
  }

  /** `chat` when the contact last wrote so himself. @see RFC 6121 §5.2.2 */
  typeFor(sipUser: Jid, xmppUser: Jid): 'normal' | 'chat' {
    return this.#chats.get(`${formatBareJid(xmppUser)} ${formatBareJid(sipUser)}`) === true ? 'chat' : 'normal'
  }

  /** Seen within the last minutes: a message to the full address will not be lost. */
  isFresh(jid: Jid): boolean {
    const seenMs = this.#resources.get(formatJid(jid))
    return seenMs !== undefined && this.#clock.monotonicMs() - seenMs < RESOURCE_FRESH_MS
  }
}
