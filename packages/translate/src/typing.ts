import type { Failure, Result } from '@stox/kernel'
import { IS_COMPOSING_TYPE, formatIsComposing } from '@stox/sip'
import type { IsComposing, SipRequest } from '@stox/sip'
import { chatStateElement, newMessage } from '@stox/xmpp'
import type { ChatState, MessageStanza } from '@stox/xmpp'
import { pagerMessage } from './message-to-sip.ts'
import type { PagerParties, SipCall, SipRouteRules } from './message-to-sip.ts'
import type { SipParties } from './message-to-xmpp.ts'

/** @see RFC 7573 §6, mapping C.8 */
export const CHAT_STATE_FOR = { active: 'composing', idle: 'active' } as const satisfies Record<
  IsComposing['state'],
  ChatState
>

/** `gone` has no word outside of a session. @see RFC 7573 §6, mapping C.8 */
export const COMPOSING_FOR = {
  active: 'idle',
  composing: 'active',
  gone: undefined,
  inactive: 'idle',
  paused: 'idle',
} as const satisfies Record<ChatState, IsComposing['state'] | undefined>

/** A state alone: no body, always in a chat; with the thread, where threads are in use. @see XEP-0085 §5.1, §5.6 */
export const chatStateStanza = (
  parties: SipParties,
  state: ChatState,
  id: string,
  thread: string | undefined,
): MessageStanza => newMessage({ ...parties, id, type: 'chat', thread, extra: [chatStateElement(state)] })

/** @see RFC 3994 §4 */
export const composingToSip = (
  parties: PagerParties,
  composing: IsComposing,
  call: SipCall,
  rules: SipRouteRules,
): Result<SipRequest, Failure> =>
  pagerMessage(parties, { contentType: IS_COMPOSING_TYPE, body: formatIsComposing(composing) }, call, rules)
