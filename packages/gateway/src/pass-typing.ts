import { RecentMap } from '@stox/kernel'
import type { Clock, Ids, Outcome, Timer, Timers } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import type { OutboundEnvelope } from '@stox/link'
import type { IsComposing } from '@stox/sip'
import { DEFAULT_REFRESH_S, MIN_REFRESH_S } from '@stox/sip'
import { formatBareJid, formatStanza } from '@stox/xmpp'
import type { ChatState, Jid } from '@stox/xmpp'
import { CHAT_STATE_FOR, COMPOSING_FOR, chatStateStanza } from '@stox/translate'
import type { SipParties } from '@stox/translate'
import { absorbed } from './bounce.ts'
import type { Conversations } from './conversations.ts'

export interface TypingDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly link: { send(envelope: OutboundEnvelope): Promise<Outcome> }
  readonly giveUpMs: number
  readonly conversations: Conversations
}

/** More than these type at once only when somebody makes it up: then they are not told. */
const MOST_TYPING = 10_000
const LONGEST_REFRESH_S = 3600
/** What is on its way when a refresh is due. */
const SLACK_MS = 2000
/** How long an `active` of ours holds: an XMPP client says `composing` once. @see RFC 3994 §3.3, mapping C.8 */
export const OUR_REFRESH_S = MIN_REFRESH_S
const OUR_REFRESH_MS = OUR_REFRESH_S * 1000

interface Told {
  readonly parties: SipParties
  timer: Timer
}

const keyOf = (sipUser: Jid, xmppUser: Jid): string => `${formatBareJid(sipUser)} ${formatBareJid(xmppUser)}`

/** Whether anybody may be told that another types, by the partner's features and the domain's rules. */
export const passesTyping = (index: FederationIndex, local: string, remote: string): boolean =>
  index.partnerOf(remote)?.features.typing === true && index.localDomain(local)?.messages.typing === true

/**
 * Who was told that somebody types. A state that was told ends: with words, with the state that follows, or when its time
 * is up. The same state is never told twice. @see RFC 3994 §3, XEP-0085 §5.3
 */
export class Typing {
  readonly #deps: TypingDeps
  readonly #told = new Map<string, Told>()
  /** When an `active` of ours went to a SIP user. */
  readonly #sent = new RecentMap<string, number>(MOST_TYPING)

  constructor(deps: TypingDeps) {
    this.#deps = deps
  }

  /** What a SIP user says of himself, for a contact who has shown that he understands it. */
  async fromSip(parties: SipParties, { state, refreshS }: IsComposing): Promise<Outcome> {
    const key = keyOf(parties.from, parties.to)
    const told = this.#told.get(key)
    told?.timer.cancel()
    if (state === 'idle') {
      if (told === undefined) return absorbed('no-content')
      this.#told.delete(key)
      return this.#tell(parties, CHAT_STATE_FOR.idle)
    }
    const forMs = Math.min(refreshS ?? DEFAULT_REFRESH_S, LONGEST_REFRESH_S) * 1000 + SLACK_MS
    const timer = (): Timer => this.#deps.timers.arm(forMs, () => this.#lapse(key))
    if (told !== undefined) {
      told.timer = timer()
      return absorbed('no-content')
    }
    if (
      this.#told.size >= MOST_TYPING ||
      this.#deps.conversations.pairOf(parties.from, parties.to)?.tellsStates !== true
    )
      return absorbed('no-content')
    this.#told.set(key, { parties, timer: timer() })
    return this.#tell(parties, CHAT_STATE_FOR.active)
  }

  /** Words end the typing, and say so themselves. @see RFC 3994 §3.2 */
  wordsFromSip(sipUser: Jid, xmppUser: Jid): void {
    if (this.#told.size === 0) return
    const key = keyOf(sipUser, xmppUser)
    this.#told.get(key)?.timer.cancel()
    this.#told.delete(key)
  }

  /** He has left the chat, for a contact who understands it. @see RFC 7573 §6.1 */
  async goneFromSip(parties: SipParties): Promise<void> {
    this.wordsFromSip(parties.from, parties.to)
    if (this.#deps.conversations.pairOf(parties.from, parties.to)?.tellsStates === true)
      await this.#tell(parties, 'gone')
  }

  /** What a SIP user is to be told; undefined for nothing. One that is not refreshed lapses at the other end. */
  fromXmpp(sipUser: Jid, xmppUser: Jid, state: ChatState): IsComposing | undefined {
    const key = keyOf(sipUser, xmppUser)
    const sentMs = this.#sent.get(key)
    const nowMs = this.#deps.clock.monotonicMs()
    const holds = sentMs !== undefined && nowMs - sentMs < OUR_REFRESH_MS
    switch (COMPOSING_FOR[state]) {
      case 'active':
        if (holds && nowMs - sentMs < OUR_REFRESH_MS / 2) return undefined
        this.#sent.set(key, nowMs)
        return { state: 'active', contentType: 'text/plain', refreshS: OUR_REFRESH_S }
      case 'idle':
        this.#sent.delete(key)
        return holds ? { state: 'idle' } : undefined
      default:
        this.#sent.delete(key)
        return undefined
    }
  }

  wordsFromXmpp(sipUser: Jid, xmppUser: Jid): void {
    if (this.#sent.size > 0) this.#sent.delete(keyOf(sipUser, xmppUser))
  }

  /** Who types when the gateway stops would type for ever: nobody tells its end after that. */
  async end(): Promise<void> {
    const told = [...this.#told.values()]
    this.close()
    await Promise.allSettled(told.map(({ parties }) => this.#tell(parties, CHAT_STATE_FOR.idle)))
  }

  close(): void {
    for (const { timer } of this.#told.values()) timer.cancel()
    this.#told.clear()
  }

  #lapse(key: string): void {
    const told = this.#told.get(key)
    this.#told.delete(key)
    if (told !== undefined) void this.#tell(told.parties, CHAT_STATE_FOR.idle).catch(() => undefined)
  }

  #tell(parties: SipParties, state: ChatState): Promise<Outcome> {
    const { ids, link, giveUpMs, conversations } = this.#deps
    const id = ids.token()
    const { from, to } = parties
    return link.send({
      correlationId: id,
      localDomain: from.domain,
      remoteDomain: to.domain,
      from: formatBareJid(from),
      to: formatBareJid(to),
      stanzaXml: formatStanza(chatStateStanza(parties, state, id, conversations.threadOfPair(from, to))),
      expiresInMs: giveUpMs,
    })
  }
}
