import type { SipSessionRow } from '@stox/admin-api'
import { sessionKey } from '@stox/sip-engine'
import type { SipParties } from '@stox/translate'
import { formatBareJid } from '@stox/xmpp'
import { ChatSessions } from './chat-sessions.ts'
import type { ChatSessionsDeps } from './chat-sessions.ts'
import type { SipRoute } from './choose-route.ts'
import { deliverToXmpp, typingToXmpp } from './deliver-to-xmpp.ts'
import type { DeliverToXmppDeps } from './deliver-to-xmpp.ts'
import { NewWorkDoor } from './new-work-door.ts'
import { passesTyping } from './pass-typing.ts'
import { saidInSession } from './take-session.ts'
import type { TakeSessionDeps } from './take-session.ts'

export interface SessionWiringDeps extends Omit<ChatSessionsDeps, 'said' | 'gone'> {
  readonly toXmpp: DeliverToXmppDeps
  /** INVITEs under way, above which the next are told to come again. */
  readonly mostNew: number
  route(domain: string): SipRoute | undefined
  /** What is waited for when the process is told to stop. */
  counted<T>(work: Promise<T>): Promise<T>
}

/** The sessions, and what takes those that SIP users begin. */
export function sessionsOf(deps: SessionWiringDeps): TakeSessionDeps & { readonly sessions: ChatSessions } {
  const { clock, ids, log, toXmpp, index, route, counted } = deps
  const sessions = new ChatSessions({
    ...deps,
    said: (incoming, parties) => saidInSession(taking, incoming, parties),
    gone: (parties) => void counted(tellGone(toXmpp, parties)).catch(() => undefined),
  })
  const taking = {
    ...{ ids, log, sessions, index, route },
    door: new NewWorkDoor(clock, deps.mostNew),
    words: (incoming, parties) => counted(deliverToXmpp(toXmpp, incoming, parties)),
    typing: (parties, composing) => counted(typingToXmpp(toXmpp, parties, composing)),
  } satisfies TakeSessionDeps
  return taking
}

async function tellGone({ index, typing }: DeliverToXmppDeps, parties: SipParties): Promise<void> {
  if (passesTyping(index(), parties.from.domain, parties.to.domain)) await typing.goneFromSip(parties)
}

/** What an administrator is shown of them. */
export function* sessionRows(sessions: ChatSessions, clock: DeliverToXmppDeps['clock']): Generator<SipSessionRow> {
  const wallOf = (monotonicMs: number): number => Math.round(clock.wallMs() - clock.monotonicMs() + monotonicMs)
  for (const session of sessions.all()) {
    const { parties, route, direction, callId, fromSip, fromXmpp, state } = session
    yield {
      id: sessionKey(state),
      ...{ callId, direction, fromSip, fromXmpp, domain: route.domain },
      sipUser: formatBareJid(parties.from),
      xmppUser: formatBareJid(parties.to),
      state: state.name === 'open' ? 'open' : 'opening',
      sinceMs: wallOf(session.startedAtMs),
      usedMs: wallOf(session.usedAtMs),
    }
  }
}
