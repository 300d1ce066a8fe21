import { RecentMap, fail, ok, unreachable, waitWhile } from '@stox/kernel'
import type { Clock, Ids, Log, Timers } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import { KEYBOARD_ACTIVITY_TYPE, formatKeyboardActivity } from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import { acceptSession, advanceSession, dialogKeyOf, openSession } from '@stox/sip-engine'
import type {
  OutgoingRequest,
  SessionAnswer,
  SessionContext,
  SessionInput,
  SessionReason,
  SessionStep,
} from '@stox/sip-engine'
import { answerOffer, inSessionHeaders, sessionInvite, sessionMethods, sessionOffer, takesWords } from '@stox/translate'
import type { PagerParties, SessionMedia, SipFailure, SipParties } from '@stox/translate'
import type { IncomingSipRequest, SipReply } from '@stox/transport'
import { bareJid, formatBareJid, parseDomain } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { inDialog } from './choose-route.ts'
import type { OwnAddress, SipRoute } from './choose-route.ts'
import { contactUriOf } from './contact-uri.ts'
import type { SipAcknowledger, SipSender } from './send-sip.ts'
import { ENDED, INVITE_MALFORMED, NO_ROOM, TOO_MANY, isNoSession, isNotThisWay } from './session-ends.ts'
import { Beginnings, NOBODY, SessionTable, newSession, pairOf } from './session-table.ts'
import type { ChatSession, SessionLimits } from './session-table.ts'

export interface ChatSessionsDeps {
  readonly clock: Clock
  readonly timers: Timers
  readonly ids: Ids
  readonly log: Log
  readonly sip: SipSender & SipAcknowledger
  readonly sipAddress: OwnAddress
  readonly limits: SessionLimits
  readonly idleMs: number
  /** How long we wait for somebody to take the session that we offer. */
  readonly patienceMs: number
  index(): FederationIndex
  /** Words or a state within a session: who speaks is known by it. */
  said(incoming: IncomingSipRequest, parties: SipParties): void
  /** The SIP user has ended it. */
  gone(parties: SipParties): void
}

/** Who says that there are no sessions with him is not offered one for so long. @see mapping E.1 */
const PAGER_FOR_MS = 3_600_000
const MOST_REMEMBERED = 10_000
const MOST_TRIES = 2
const LAST_WORDS_AT_ONCE = 500
const LAST_WORDS_POLL_MS = 20

/** How the INVITE of ours ended: in a session, or in what the message is told. */
type Invited = { readonly session: ChatSession } | { readonly reply: SipReply }

/**
 * Sessions for servers whose clients write within sessions only: an INVITE opens one, words are MESSAGEs in its dialog, and
 * nothing flows beside it. @see RFC 7573, mapping E.1 (Lync variant)
 */
export class ChatSessions {
  readonly #deps: ChatSessionsDeps
  readonly #table: SessionTable
  readonly #withoutSessions: RecentMap<string, number>
  readonly #beginnings = new Beginnings()
  /** BYEs that are not answered. */
  #leaving = 0

  constructor(deps: ChatSessionsDeps) {
    this.#deps = deps
    this.#table = new SessionTable(deps.clock, deps.limits)
    this.#withoutSessions = new RecentMap(MOST_REMEMBERED)
  }

  get size(): number {
    return this.#table.size
  }

  all(): IterableIterator<ChatSession> {
    return this.#table.all()
  }

  /** Whether INVITE, and what comes in a session, is for us. */
  takes(request: SipRequest): boolean {
    const domain = parseDomain(request.core.from.uri.host)
    if (domain.ok && this.#deps.index().localDomain(domain.value)?.messageMode === 'session') return true
    return this.#table.byKey(dialogKeyOf(request) ?? '') !== undefined
  }

  isFull(domain: string): boolean {
    return this.#table.inTheWay(domain) === 'full'
  }

  /**
   * Sends what would be a MESSAGE of its own within the session of the two, which is opened where there is none; as it is
   * where sessions are refused. One at a time for each two: whoever calls keeps the order. Never rejects.
   */
  async ask(message: SipRequest, between: PagerParties, route: SipRoute): Promise<SipReply> {
    const { sip } = this.#deps
    const parties: SipParties = { from: bareJid(between.to), to: bareJid(between.from) }
    if (this.#isWithoutSessions(parties.from)) return sip.send(message, route.uri, route.options)
    await this.#beginnings.of(pairOf(parties))
    for (let tries = 1; ; tries += 1) {
      const known = this.#table.openOf(pairOf(parties))
      const invited = known === undefined ? await this.#invite(message, parties, route) : { session: known }
      if (!('session' in invited)) {
        if (!isNotThisWay(invited.reply)) return invited.reply
        this.#withoutSessions.set(formatBareJid(parties.from), this.#deps.clock.monotonicMs())
        return sip.send(message, route.uri, route.options)
      }
      const reply = await this.#say(invited.session, message)
      // The other side has forgotten it: once more in a new one.
      if (!isNoSession(reply) || tries === MOST_TRIES) return reply
    }
  }

  /** That the XMPP user types, where there is a session; undefined: there is none, and none is opened for it. */
  tell(between: PagerParties, state: 'active' | 'idle'): Promise<SipReply> | undefined {
    const session = this.#table.openOf(pairOf({ from: between.to, to: between.from }))
    if (session === undefined) return undefined
    const content = { contentType: KEYBOARD_ACTIVITY_TYPE, body: formatKeyboardActivity(state) }
    return this.#advance(session, { kind: 'say', method: 'INFO', content })
  }

  /** The XMPP user has left. @see RFC 7573 §6.1 */
  end(between: PagerParties, reason: SessionReason): void {
    for (const session of this.#table.ofPair(pairOf({ from: between.to, to: between.from })))
      void this.#advance(session, { kind: 'end', reason })
  }

  /** A SIP user begins a session: until what this gives is called, words of the other wait for it. */
  begins(parties: SipParties): () => void {
    return this.#beginnings.enter(pairOf(parties))
  }

  /** A session that a SIP user begins, once all is decided: its answer, or why there is none. */
  open(
    incoming: IncomingSipRequest,
    parties: SipParties,
    route: SipRoute,
    more: { readonly supported: string; settled(): void },
  ): SipFailure | undefined {
    if (!this.#makeRoom(route.domain)) return NO_ROOM
    const { request } = incoming
    const session = this.#newSession(request, parties, route, 'sip-to-xmpp')
    const answer = this.#answerTo(session, request, more.supported)
    if (!answer.ok) return answer.failure
    const step = acceptSession(request, this.#deps.ids.token(), answer.value, this.#contextOf(session))
    if (!step.ok) return { ...INVITE_MALFORMED, status: step.failure.status, text: step.failure.detail }
    this.#withoutSessions.delete(formatBareJid(parties.from))
    session.accept = (response) => incoming.respond(response)
    session.settled = () => more.settled()
    session.state = step.value.state
    this.#add(session)
    void this.#follow(session, step.value)
    return undefined
  }

  /** Whether what an INVITE offers can be taken. */
  judgeOffer(request: SipRequest, parties: SipParties, route: SipRoute): SipFailure | undefined {
    const answer = this.#answerTo(this.#newSession(request, parties, route, 'sip-to-xmpp'), request, '')
    return answer.ok ? undefined : answer.failure
  }

  /** False when the request is in no session of ours. */
  takeInDialog(incoming: IncomingSipRequest): boolean {
    const session = this.#table.byKey(dialogKeyOf(incoming.request) ?? '')
    if (session === undefined) return false
    if (incoming.request.method === 'INVITE') session.accept = (response) => incoming.respond(response)
    void this.#advance(session, { kind: 'request', request: incoming.request }, incoming)
    return true
  }

  acknowledged(ack: SipRequest): void {
    const session = this.#table.byKey(dialogKeyOf(ack) ?? '')
    if (session !== undefined) void this.#advance(session, { kind: 'ack', request: ack })
  }

  /** Says good-bye in every session, as far as the time lasts. */
  async drain(withinMs: number): Promise<void> {
    const { clock } = this.#deps
    const untilMs = clock.monotonicMs() + withinMs
    for (const session of [...this.#table.all()]) {
      await waitWhile(this.#deps, () => this.#leaving >= LAST_WORDS_AT_ONCE, untilMs, LAST_WORDS_POLL_MS)
      if (clock.monotonicMs() >= untilMs) break
      void this.#advance(session, { kind: 'end', reason: 'shutdown' })
    }
    await waitWhile(this.#deps, () => this.#leaving > 0, untilMs, LAST_WORDS_POLL_MS)
    this.close()
  }

  close(): void {
    for (const session of [...this.#table.all()]) {
      session.timers.cancelAll()
      this.#table.remove(session)
    }
  }

  #isWithoutSessions(user: Jid): boolean {
    if (this.#withoutSessions.size === 0) return false
    const key = formatBareJid(user)
    const atMs = this.#withoutSessions.get(key)
    if (atMs === undefined) return false
    if (this.#deps.clock.monotonicMs() - atMs < PAGER_FOR_MS) return true
    this.#withoutSessions.delete(key)
    return false
  }

  async #say(session: ChatSession, message: SipRequest): Promise<SipReply> {
    const contentType = message.headers.get('Content-Type') ?? 'text/plain'
    const content = { headers: inSessionHeaders(message), contentType, body: message.body }
    session.fromXmpp += 1
    return (await this.#advance(session, { kind: 'say', method: 'MESSAGE', content })) ?? ENDED
  }

  async #invite(message: SipRequest, parties: SipParties, route: SipRoute): Promise<Invited> {
    const { ids, sip, sipAddress, patienceMs } = this.#deps
    if (!this.#makeRoom(route.domain)) return { reply: TOO_MANY }
    const session = this.#newSession(message, parties, route, 'xmpp-to-sip')
    const contact = contactUriOf(parties.to, route.transport, sipAddress)
    const invite = sessionInvite(message, ids.token(), contact, sessionOffer(session.media))
    session.state = openSession(invite).state
    this.#add(session)
    const accepted = (response: SipResponse): void => void this.#advance(session, { kind: 'accepted', response })
    const reply = await sip.send(invite, route.uri, { ...route.options, patienceMs, accepted })
    if (reply.kind === 'failed' || reply.response.status >= 300) {
      void this.#advance(session, { kind: 'refused' })
      return { reply }
    }
    accepted(reply.response)
    if (!takesWords(reply.response.headers.get('Content-Type'), reply.response.body)) {
      void this.#advance(session, { kind: 'end', reason: 'refused' })
      return {
        reply: { ...reply, response: { ...reply.response, status: 488, reason: 'no medium is left' } },
      }
    }
    return { session }
  }

  #newSession(
    { core }: SipRequest,
    parties: SipParties,
    route: SipRoute,
    direction: ChatSession['direction'],
  ): ChatSession {
    const { clock, sipAddress, index } = this.#deps
    const { host, port } = sipAddress(route.transport) ?? { host: route.domain, port: 5060 }
    const html = (index().localDomain(route.domain)?.messages.html ?? 'never') !== 'never'
    const media: SessionMedia = { host, port, html, sessionId: String(clock.wallMs()) }
    return newSession({ parties, direction, callId: core.callId, route, media, startedAtMs: clock.monotonicMs() })
  }

  #makeRoom(domain: string): boolean {
    const inTheWay = this.#table.inTheWay(domain)
    if (inTheWay === undefined) return true
    if (inTheWay === 'full') return false
    void this.#advance(inTheWay, { kind: 'end', reason: 'room' })
    return true
  }

  #add(session: ChatSession): void {
    const one = this.#table.add(session)
    if (one !== undefined) void this.#advance(one, { kind: 'end', reason: 'room' })
  }

  #contextOf(session: ChatSession): SessionContext {
    return { idleMs: this.#deps.idleMs, answerTo: (invite) => this.#answerTo(session, invite, '') }
  }

  #answerTo({ parties, route, media }: ChatSession, invite: SipRequest, supported: string) {
    const { sipAddress } = this.#deps
    const user = invite.uri.split(/[;?]/)[0] ?? invite.uri
    const sdp = answerOffer(invite, user, media)
    if (!sdp.ok) return fail(sdp.failure)
    const headers = [
      ['Contact', `<${contactUriOf(bareJid(parties.to), route.transport, sipAddress)}>`],
      ['Allow', sessionMethods],
      ['Supported', supported],
      ['User-Agent', 'stox'],
    ] as const
    return ok<SessionAnswer>({ headers, contentType: sdp.value.contentType, body: String(sdp.value.body) })
  }

  /** What a request of ours within it came to, when the input makes one. */
  #advance(session: ChatSession, input: SessionInput, incoming?: IncomingSipRequest): Promise<SipReply> | undefined {
    return this.#follow(session, advanceSession(session.state, input, this.#contextOf(session)), incoming)
  }

  #follow(session: ChatSession, step: SessionStep, incoming?: IncomingSipRequest): Promise<SipReply> | undefined {
    session.state = step.state
    let reply: Promise<SipReply> | undefined
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-invite':
          break // sent by who waits for its end
        case 'send-ack':
          session.acknowledged = this.#acknowledge(session, effect)
          break
        case 'send':
          this.#table.use(session)
          reply = this.#send(session, effect)
          break
        case 'send-bye':
          void this.#leave(session, effect)
          break
        case 'respond':
          incoming?.respond(effect.response)
          break
        case 'accept':
          session.accept(effect.response)
          break
        case 'pass':
          this.#table.use(session)
          if (effect.request.method === 'MESSAGE') session.fromSip += 1
          if (incoming !== undefined) this.#deps.said(incoming, session.parties)
          break
        case 'arm-timer': {
          const { timer } = effect
          const fire = (): void => void this.#advance(session, { kind: 'timer', timer })
          session.timers.arm(this.#deps.timers, timer, effect.afterMs, fire)
          break
        }
        case 'cancel-timer':
          session.timers.cancel(effect.timer)
          // Acknowledged: the INVITE need not be kept.
          if (effect.timer === 'resend') session.accept = NOBODY
          break
        case 'report-open':
          this.#settle(session)
          this.#deps.log.info('session-opened', storyOf(session))
          break
        case 'report-end':
          this.#ended(session, effect.end)
          break
        default:
          unreachable(effect)
      }
    }
    return reply
  }

  #acknowledge({ route }: ChatSession, { request, nextHop }: OutgoingRequest): Promise<void> {
    return this.#deps.sip.acknowledge(request, nextHop ?? route.uri, inDialog(route))
  }

  async #send(session: ChatSession, { request, nextHop }: OutgoingRequest): Promise<SipReply> {
    await session.acknowledged
    const reply = await this.#deps.sip.send(request, nextHop ?? session.route.uri, inDialog(session.route))
    void this.#advance(session, { kind: 'reply', reply })
    return reply
  }

  async #leave(session: ChatSession, { request, nextHop }: OutgoingRequest): Promise<void> {
    this.#leaving += 1
    await session.acknowledged
    await this.#deps.sip.send(request, nextHop ?? session.route.uri, inDialog(session.route))
    this.#leaving -= 1
  }

  #settle(session: ChatSession): void {
    session.settled?.()
    session.settled = undefined
  }

  #ended(session: ChatSession, { by, reason }: { readonly by: 'us' | 'peer'; readonly reason: SessionReason }): void {
    this.#settle(session)
    this.#table.remove(session)
    const durationMs = Math.round(this.#deps.clock.monotonicMs() - session.startedAtMs)
    const { fromSip, fromXmpp } = session
    this.#deps.log.info('session-closed', { ...storyOf(session), by, reason, fromSip, fromXmpp, durationMs })
    // Where both have begun one, he is gone with the last.
    if (reason === 'bye' && this.#table.ofPair(pairOf(session.parties)).length === 0) this.#deps.gone(session.parties)
  }
}

const storyOf = ({ direction, callId, parties }: ChatSession): Readonly<Record<string, string>> => ({
  direction,
  callId,
  sipUser: formatBareJid(parties.from),
  xmppUser: formatBareJid(parties.to),
})
