import type { Failure, Result } from '@stox/kernel'
import {
  CPIM_HEADERS,
  CPIM_TYPE,
  IMDN_HEADERS,
  IMDN_TYPE,
  formatCpim,
  formatCpimAddress,
  formatDispositionNotification,
  formatImdn,
  newMimePart,
} from '@stox/sip'
import type { CpimHeader, DispositionRequest, Imdn, ImdnNotification, SipHeaderEntry, SipRequest } from '@stox/sip'
import { chatMarkerElement, errorReply, newMessage, receiptReceivedElement } from '@stox/xmpp'
import type { Jid, Stanza } from '@stox/xmpp'
import { jidToInstantUri } from './address.ts'
import { shortHeaderText } from './failure-to-sip.ts'
import { pagerMessage } from './message-to-sip.ts'
import type { MessageExtras } from './judge-message.ts'
import type { PagerParties, SipBody, SipCall, SipRouteRules } from './message-to-sip.ts'
import type { SipParties } from './message-to-xmpp.ts'
import type { ReportsAsked } from './sip-content.ts'

const imUri = (jid: Jid): string => jidToInstantUri('im', jid)
const own = (name: string, value: string): CpimHeader => ({ namespace: CPIM_HEADERS, name, value })
const imdn = (name: string, value: string): CpimHeader => ({ namespace: IMDN_HEADERS, name, value })
/** Whole seconds, in UTC. @see RFC 3862 §4.3, RFC 3339 */
const dateTime = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 19)}Z`

/** What of a receipt request and a marker is asked of the SIP side. @see mapping C.9 */
export const dispositionsFor = (extras: Pick<MessageExtras, 'asksReceipt' | 'markable'>): DispositionRequest[] => [
  ...(extras.asksReceipt ? (['positive-delivery', 'negative-delivery'] as const) : []),
  ...(extras.markable ? (['display'] as const) : []),
]

/** The words in CPIM, with the wish for reports. @see RFC 5438 §7.1.1 */
export function cpimBody(
  { from, to }: PagerParties,
  words: SipBody,
  asked: { readonly messageId: string; readonly atMs: number; readonly wants: readonly DispositionRequest[] },
): SipBody {
  const headers = [
    own('From', formatCpimAddress({ name: undefined, uri: imUri(from) })),
    own('To', formatCpimAddress({ name: undefined, uri: imUri(to) })),
    own('DateTime', dateTime(asked.atMs)),
    imdn('Message-ID', asked.messageId),
    imdn('Disposition-Notification', formatDispositionNotification(asked.wants)),
  ]
  return { contentType: CPIM_TYPE, body: formatCpim({ headers, content: newMimePart(words.contentType, words.body) }) }
}

/**
 * What became of a message of a SIP user, in words of his: it has an id of its own and asks for nothing, so that nobody
 * answers it. @see RFC 5438 §7.2.1
 */
export function reportToSip(
  parties: PagerParties,
  asked: ReportsAsked,
  notification: ImdnNotification,
  self: { readonly messageId: string; readonly atMs: number },
  call: SipCall,
  rules: SipRouteRules,
): Result<SipRequest, Failure> {
  const report: Imdn = {
    messageId: asked.messageId,
    dateTime: asked.dateTime,
    recipientUri: imUri(parties.from),
    originalRecipientUri: asked.to,
    notification,
  }
  const headers = [
    own('From', formatCpimAddress({ name: undefined, uri: imUri(parties.from) })),
    own('To', formatCpimAddress({ name: undefined, uri: asked.from })),
    own('DateTime', dateTime(self.atMs)),
    imdn('Message-ID', self.messageId),
    // DEVIATION: the route is told but not taken: where we send is not for a message to say. @see RFC 5438 §7.2.1.4
    ...asked.route.map((value) => imdn('IMDN-Route', value)),
  ]
  const content = newMimePart(IMDN_TYPE, formatImdn(report), [['Content-Disposition', 'notification']])
  return pagerMessage(parties, { contentType: CPIM_TYPE, body: formatCpim({ headers, content }) }, call, rules)
}

/** A message of an XMPP user of which a SIP user reports. */
export interface ReportedMessage extends SipParties {
  readonly id: string
  readonly type: 'normal' | 'chat'
}

/**
 * What a SIP user reports, as a stanza to the one who wrote. `from` and `to` are those of the message. States that say no
 * more than that nothing will be said become nothing. @see mapping C.9
 */
export function reportToXmpp(
  { from, to, id, type }: ReportedMessage,
  { disposition, status }: ImdnNotification,
  stanzaId: string,
): Stanza | undefined {
  const answer = { from: to, to: from, id: stanzaId, type }
  if (status === 'delivered') return newMessage({ ...answer, extra: [receiptReceivedElement(id)] })
  if (status === 'displayed') return newMessage({ ...answer, extra: [chatMarkerElement({ kind: 'displayed', id })] })
  if (disposition !== 'delivery' || status !== 'failed') return undefined
  return errorReply(newMessage({ from, to, id, type }), {
    condition: 'recipient-unavailable',
    errorType: 'wait',
    text: 'The message was not delivered',
  })
}

/** What a SIP user is told who asked for no report: words of the contact. @see mapping B.4 */
export function lateErrorToSip(
  parties: PagerParties,
  /** `callId` empty: not known any more. */
  told: { readonly condition: string; readonly text: string | undefined; readonly callId: string },
  call: SipCall,
  rules: SipRouteRules,
): Result<SipRequest, Failure> {
  const text = shortHeaderText(told.text ?? '', 200)
  const why = text === '' ? told.condition : `${text} (${told.condition})`
  const headers: SipHeaderEntry[] = [
    ['Content-Language', 'en'],
    ...(told.callId === '' ? [] : [['In-Reply-To', told.callId] as const]),
  ]
  const body = `[Your message was not delivered: ${why}]`
  return pagerMessage(parties, { contentType: 'text/plain;charset=UTF-8', body }, call, rules, headers)
}
