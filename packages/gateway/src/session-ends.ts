import type { SipFailure } from '@stox/translate'
import type { SipReply } from '@stox/transport'

/** Not this way: a session, its medium or its description. Anything else is said of him and not of the way. @see mapping B.2 */
const NO_SESSIONS: ReadonlySet<number> = new Set([405, 406, 415, 420, 488, 501, 606])
export const isNotThisWay = (reply: SipReply): boolean =>
  reply.kind === 'response' && NO_SESSIONS.has(reply.response.status)

/**
 * To words within a session: the dialog is no more (487: it ended with them unanswered), or nothing could be sent by it. With
 * a new one it may go well. @see RFC 3261 §12.2.1.2, §15.1.2
 */
export const isNoSession = (reply: SipReply): boolean =>
  reply.kind === 'response'
    ? reply.response.status === 481 || reply.response.status === 487
    : reply.cause === 'transport' || reply.cause === 'no-target'

export const ENDED: SipReply = { kind: 'failed', cause: 'transport', detail: 'the session has ended' }
export const TOO_MANY: SipReply = { kind: 'failed', cause: 'overload', detail: 'too many sessions' }

export const INVITE_MALFORMED: SipFailure = {
  fault: 'sender',
  retry: 'after-change',
  condition: 'bad-request',
  status: 400,
  detail: 'an INVITE that makes no dialog',
}

export const NO_ROOM: SipFailure = {
  fault: 'us',
  retry: 'later',
  condition: 'resource-constraint',
  status: 480,
  retryAfterS: 30,
  text: 'Too many sessions',
  detail: 'too many sessions',
}
