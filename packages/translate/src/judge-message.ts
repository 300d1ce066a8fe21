import type { AbsorbedReason, Failure } from '@stox/kernel'
import {
  asksForReceipt,
  formatBareJid,
  isMarkable,
  ns,
  parseChatMarker,
  parseChatState,
  parseInvitation,
  parseReactions,
  parseReceipt,
  parseReply,
  sameBareJid,
} from '@stox/xmpp'
import type { ChatState, Invitation, Jid, LangText, MessageStanza, StanzaErrorInfo } from '@stox/xmpp'
import { attrOf, childOf, namespaceOf, sanitizeText } from '@stox/xml'
import type { XmlElement } from '@stox/xml'
import { chooseText } from './choose-language.ts'
import { shortHeaderText } from './failure-to-sip.ts'
import { displayText } from './message-to-sip.ts'

/** What a message has besides its words. */
export interface MessageExtras {
  readonly state: ChatState | undefined
  readonly asksReceipt: boolean
  readonly markable: boolean
  readonly formatted: boolean
}

/** What of all that a message can be goes to the users of a domain. */
export interface MessageChoices {
  readonly languages: readonly string[]
  readonly reactions: boolean
  readonly invitations: boolean
}

const PLAIN_CHOICES: MessageChoices = { languages: [], reactions: false, invitations: false }

export type MessageVerdict =
  | {
      readonly kind: 'send'
      readonly body: LangText
      /** The same in other languages. */
      readonly others?: readonly LangText[] | undefined
      readonly extras: MessageExtras | undefined
      /** Id of the stanza that it answers. @see XEP-0461 */
      readonly repliesTo?: string | undefined
    }
  | { readonly kind: 'state'; readonly state: ChatState }
  /** Of the message with this id. */
  | { readonly kind: 'report'; readonly disposition: 'delivery' | 'display'; readonly id: string }
  | { readonly kind: 'late-error'; readonly error: StanzaErrorInfo }
  | { readonly kind: 'absorb'; readonly reason: AbsorbedReason }
  | { readonly kind: 'bounce'; readonly failure: Failure }

type Payload =
  | 'forged'
  | 'event'
  | 'encrypted'
  | 'retraction'
  | 'fallback'
  | 'correction'
  | 'reply'
  | 'reactions'
  | 'invitation'
  | 'negotiation'

/** What stands beside the words, by its namespace; all else is passed over. @see mapping C.1, C.11 */
const PAYLOADS: ReadonlyMap<string, Payload> = new Map([
  [ns.NS_CARBONS, 'forged'],
  [ns.NS_FORWARD, 'forged'],
  ['urn:xmpp:mam:2', 'forged'],
  [ns.NS_PUBSUB_EVENT, 'event'],
  // @see XEP-0380, XEP-0384, XEP-0373, XEP-0027, RFC 3923
  ['urn:xmpp:eme:0', 'encrypted'],
  ['eu.siacs.conversations.axolotl', 'encrypted'],
  ['urn:xmpp:omemo:1', 'encrypted'],
  ['urn:xmpp:omemo:2', 'encrypted'],
  ['urn:xmpp:openpgp:0', 'encrypted'],
  ['jabber:x:encrypted', 'encrypted'],
  ['urn:ietf:params:xml:ns:xmpp-e2e', 'encrypted'],
  ['urn:xmpp:message-retract:1', 'retraction'],
  ['urn:xmpp:message-moderate:1', 'retraction'],
  // Of old they stood in this. @see XEP-0424 version 0.3, XEP-0425 version 0.2
  ['urn:xmpp:fasten:0', 'retraction'],
  ['urn:xmpp:fallback:0', 'fallback'],
  ['urn:xmpp:message-correct:0', 'correction'],
  [ns.NS_REPLY, 'reply'],
  [ns.NS_REACTIONS, 'reactions'],
  [ns.NS_MUC_USER, 'invitation'],
  [ns.NS_CONFERENCE, 'invitation'],
  ['http://jabber.org/protocol/feature-neg', 'negotiation'],
])

const refuse = (
  condition: Failure['condition'],
  errorType: NonNullable<Failure['errorType']>,
  status: number,
  text: string,
): MessageVerdict => ({
  kind: 'bounce',
  failure: { fault: 'sender', retry: 'after-change', condition, errorType, status, text, detail: text },
})

/** What becomes of a message stanza, in the order of mapping C.1. */
export function judgeMessage(message: MessageStanza, choices: MessageChoices = PLAIN_CHOICES): MessageVerdict {
  // An error never answers an error, and is never a MESSAGE of its own. @see RFC 6120 §8.3.1
  if (message.type === 'error')
    return message.error === undefined
      ? { kind: 'absorb', reason: 'error-stanza' }
      : { kind: 'late-error', error: message.error }
  // A person cannot take part in a room by himself. @see RFC 6121 §8.5.2
  if (message.type === 'groupchat')
    return refuse('service-unavailable', 'cancel', 403, 'Group chat is not available to this user')

  let others = 0
  let encrypted = false
  let retracted = false
  let fallback = false
  let corrected = false
  let reply = false
  let reacts = false
  let invites = false
  for (const child of message.element.children) {
    if (typeof child === 'string') continue
    const space = namespaceOf(child)
    if (space === ns.NS_SERVER) continue
    others += 1
    switch (PAYLOADS.get(space)) {
      case undefined:
        break
      // Copies of one's own messages come from one's own server: over a server-to-server stream they are forged. @see XEP-0280 §11
      case 'forged':
        return { kind: 'absorb', reason: 'forged-carbon' }
      case 'event':
        return { kind: 'absorb', reason: 'pubsub-event' }
      // Sessions are not negotiated here. @see XEP-0155 §4
      case 'negotiation':
        return refuse('feature-not-implemented', 'cancel', 405, 'Sessions are not negotiated with this user')
      case 'encrypted':
        encrypted = true
        break
      case 'retraction':
        retracted = true
        break
      case 'fallback':
        fallback ||= isForRetraction(child)
        break
      case 'correction':
        corrected = true
        break
      case 'reply':
        reply = true
        break
      case 'reactions':
        reacts = true
        break
      case 'invitation':
        invites = true
        break
    }
  }
  // "I sent you an encrypted message" is not the message.
  if (encrypted)
    return refuse('not-acceptable', 'modify', 406, 'Encrypted messages cannot reach this user: send plain text')
  if (retracted && fallback) return { kind: 'absorb', reason: 'no-content' }

  const invitation = invites ? parseInvitation(message) : undefined
  if (invitation !== undefined) return choices.invitations ? inviting(invitation) : NO_CONTENT

  const { bodies } = message
  const body = bodies.length < 2 ? bodies[0] : chooseText(bodies, message.lang, choices.languages)
  // Subjects and what nobody knows, alone: never an empty MESSAGE.
  if (body === undefined || body.text.trim() === '') {
    if (reacts && choices.reactions) return reacting(message)
    return others === 0 ? NO_CONTENT : judgeWordless(message)
  }
  const inOthers = bodies.length < 2 ? undefined : bodies.filter((one) => one !== body)
  if (others === 0) return { kind: 'send', body, others: inOthers, extras: undefined }
  // What was corrected comes a second time, and is marked as such. @see XEP-0308
  const marked = (one: LangText): LangText => (corrected ? { ...one, text: `* ${one.text}` } : one)
  return {
    kind: 'send',
    body: marked(body),
    others: inOthers?.map(marked),
    extras: extrasOf(message.element),
    repliesTo: reply ? parseReply(message.element) : undefined,
  }
}

const NO_CONTENT: MessageVerdict = { kind: 'absorb', reason: 'no-content' }

/** Words that stand in for the retraction, and not for something else in the same message. @see XEP-0428 §3 */
function isForRetraction(fallback: XmlElement): boolean {
  const what = attrOf(fallback, 'for')
  return what === undefined || PAYLOADS.get(what) === 'retraction'
}

/** Rooms cannot be entered from here: he is told who asks him, and where. @see mapping C.11 */
function inviting({ by, room, reason }: Invitation): MessageVerdict {
  const why = shortHeaderText(sanitizeText(reason ?? ''), LONGEST_REASON)
  const text = `${whoInvites(by, room)} invites you to room ${formatBareJid(room)}${why === '' ? '' : `: ${why}`}`
  return { kind: 'send', body: { lang: 'en', text }, extras: undefined }
}
const LONGEST_REASON = 200

/** A room that does not say who its people are says what they are called there. @see XEP-0045 §7.8.2 */
function whoInvites(by: Jid, room: Jid): string {
  const nick = sameBareJid(by, room) ? displayText(by.resource ?? '') : ''
  return nick === '' ? formatBareJid(by) : nick
}

/**
 * The whole set each time, as it takes the place of the one before: SIP has no word for what was there and is not any
 * more, so that an empty set says nothing. @see XEP-0444 §4.1, mapping C.11
 */
function reacting({ element }: MessageStanza): MessageVerdict {
  const reactions = parseReactions(element)
  // One emoji can be many characters, but no sentence.
  const emoji = reactions?.emoji.filter((one) => one.length <= LONGEST_EMOJI).slice(0, MOST_EMOJI) ?? []
  if (reactions === undefined || emoji.length === 0) return NO_CONTENT
  return { kind: 'send', body: { lang: undefined, text: emoji.join(' ') }, extras: undefined, repliesTo: reactions.id }
}
const LONGEST_EMOJI = 48
const MOST_EMOJI = 20

/** A receipt, a marker, or a state of the chat, without words. @see XEP-0184 §5, XEP-0333, XEP-0085 §5 */
function judgeWordless({ element }: MessageStanza): MessageVerdict {
  const received = parseReceipt(element)
  if (received !== undefined) return { kind: 'report', disposition: 'delivery', id: received }
  const marker = parseChatMarker(element)
  if (marker !== undefined)
    return { kind: 'report', disposition: marker.kind === 'received' ? 'delivery' : 'display', id: marker.id }
  const state = parseChatState(element)
  return state === undefined ? NO_CONTENT : { kind: 'state', state }
}

function extrasOf(element: XmlElement): MessageExtras | undefined {
  const state = parseChatState(element)
  // Of what comes from an archive nobody wants a report. @see mapping C.9
  const isLate = childOf(element, 'delay', ns.NS_DELAY) !== undefined
  const asksReceipt = !isLate && asksForReceipt(element)
  const markable = !isLate && isMarkable(element)
  const formatted = childOf(element, 'html', ns.NS_XHTML_IM) !== undefined
  return state !== undefined || asksReceipt || markable || formatted
    ? { state, asksReceipt, markable, formatted }
    : undefined
}
