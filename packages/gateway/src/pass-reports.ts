import { RecentMap } from '@stox/kernel'
import type { Clock, Ids, Outcome } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import type { OutboundEnvelope } from '@stox/link'
import type { Imdn, ImdnNotification, SipRequest } from '@stox/sip'
import { bareJid, formatBareJid, formatStanza, sameBareJid } from '@stox/xmpp'
import type { Jid, MessageStanza, Stanza, StanzaErrorInfo } from '@stox/xmpp'
import { lateErrorToSip, reportToSip, reportToXmpp } from '@stox/translate'
import type { ReportedMessage, SipParties } from '@stox/translate'
import { absorbed, bounced } from './bounce.ts'
import type { SipRoute } from './choose-route.ts'
import type { Conversations } from './conversations.ts'
import type { OlderMessages } from './older-messages.ts'
import type { Repeats, SentToXmpp } from './repeats.ts'

export interface ReportDeps {
  readonly clock: Clock
  readonly ids: Ids
  readonly conversations: Conversations
  readonly repeats: Repeats
  readonly asked: AskedOfSip
  readonly older: OlderMessages
  index(): FederationIndex
  /** How to reach the users of one of our domains. */
  route(domain: string): SipRoute | undefined
  /** In its turn: no MESSAGE leaves while one is pending. */
  send(request: SipRequest, parties: SipParties, route: SipRoute): Promise<Outcome>
}

/** Whether reports pass, by the partner's features. */
export const passesReports = (index: FederationIndex, remote: string): boolean =>
  index.partnerOf(remote)?.features.receipts === true

const MOST_ASKED = 50_000

/** Messages of XMPP users that asked SIP users for a report, by the id that the SIP side knows. */
export class AskedOfSip {
  readonly #asked = new RecentMap<string, ReportedMessage>(MOST_ASKED)

  note(messageId: string, message: ReportedMessage): void {
    this.#asked.set(messageId, message)
  }

  peek(messageId: string): ReportedMessage | undefined {
    return this.#asked.get(messageId)
  }

  /** Only of the one to whom it went, and each disposition once. */
  take({ messageId, notification }: Imdn, by: Jid): ReportedMessage | undefined {
    const asked = this.peek(messageId)
    if (asked === undefined || !sameBareJid(asked.to, by)) return undefined
    const said = `${notification.disposition} ${messageId}`
    if (this.#asked.get(said) !== undefined) return undefined
    this.#asked.set(said, asked)
    return asked
  }
}

/** A delivery receipt or a display marker of an XMPP user, for a SIP user who asked for it. @see mapping C.9 */
export async function reportFromXmpp(
  deps: ReportDeps,
  message: MessageStanza,
  { disposition, id }: { readonly disposition: 'delivery' | 'display'; readonly id: string },
): Promise<Outcome> {
  if (!passesReports(deps.index(), message.from.domain)) return absorbed('no-content')
  const sent = await messageOf(deps, message, id, disposition)
  const wanted = disposition === 'delivery' ? sent?.asks?.delivered : sent?.asks?.displayed
  if (sent === undefined || wanted !== true) return absorbed('no-content')
  return report(
    deps,
    message.from,
    sent,
    disposition === 'delivery' ? { disposition, status: 'delivered' } : { disposition, status: 'displayed' },
  )
}

/**
 * An error that comes after the final response. Who asked for reports gets one; else the contact himself says that it went
 * wrong, unless the domain does not want that. Nobody is told twice. @see mapping B.4
 */
export async function lateErrorFromXmpp(
  deps: ReportDeps,
  message: MessageStanza,
  error: StanzaErrorInfo,
): Promise<Outcome> {
  const sent = message.id === undefined ? undefined : await messageOf(deps, message, message.id, 'error')
  // When the final response said that it failed, its sender knows.
  if (sent === undefined || (await sent.outcome).kind !== 'delivered') return absorbed('error-stanza')
  if (sent.asks?.failed === true && passesReports(deps.index(), message.from.domain))
    return report(deps, message.from, sent, { disposition: 'delivery', status: 'failed' })
  const route = deps.route(sent.from.domain)
  if (route === undefined || deps.index().localDomain(sent.from.domain)?.messages.lateErrors !== 'message')
    return absorbed('error-stanza')
  if (!deps.conversations.mayTellError(sent.from, sent.to)) return absorbed('error-stanza')
  const told = { condition: error.condition, text: error.text, callId: sent.callId }
  const parties = backOf(sent)
  const request = lateErrorToSip(parties, told, deps.conversations.freshCall(), route.rules)
  return request.ok ? deps.send(request.value, parties, route) : bounced(request.failure)
}

/** The message of a SIP user to which this is the answer; others may not answer in his contact's place. */
async function messageOf(
  { repeats, older }: ReportDeps,
  answer: MessageStanza,
  id: string,
  what: string,
): Promise<SentToXmpp | undefined> {
  if (repeats.peek(id) === undefined) {
    const known = await older.sentToXmpp(id, { from: answer.to, to: answer.from })
    if (known !== undefined && repeats.peek(id) === undefined) repeats.note(id, known)
  }
  const known = repeats.peek(id)
  return known !== undefined && sameBareJid(known.to, answer.from) && sameBareJid(known.from, answer.to)
    ? repeats.tellOnce(id, what)
    : undefined
}

const backOf = ({ from, to }: SentToXmpp): SipParties => ({ from: bareJid(to), to: bareJid(from) })

async function report(deps: ReportDeps, from: Jid, sent: SentToXmpp, notification: ImdnNotification): Promise<Outcome> {
  const route = deps.route(sent.from.domain)
  if (route === undefined || sent.asks === undefined) return absorbed('no-content')
  const self = { messageId: deps.ids.token(), atMs: deps.clock.wallMs() }
  const parties = { ...backOf(sent), from }
  const request = reportToSip(parties, sent.asks, notification, self, deps.conversations.freshCall(), route.rules)
  return request.ok ? deps.send(request.value, parties, route) : bounced(request.failure)
}

/** What a SIP user reports of a message that an XMPP user wrote: nothing to send when nobody asked. @see mapping C.9 */
export async function reportFromSip(
  deps: Pick<ReportDeps, 'ids' | 'asked' | 'older' | 'index'>,
  parties: SipParties,
  imdn: Imdn,
  giveUpMs: number,
): Promise<OutboundEnvelope | undefined> {
  const { asked: known, older } = deps
  if (!passesReports(deps.index(), parties.to.domain)) return undefined
  if (known.peek(imdn.messageId) === undefined) {
    const before = await older.askedOfSip(imdn.messageId)
    if (before !== undefined && known.peek(imdn.messageId) === undefined) known.note(imdn.messageId, before)
  }
  const asked = known.take(imdn, parties.from)
  const id = deps.ids.token()
  const stanza = asked === undefined ? undefined : reportToXmpp(asked, imdn.notification, id)
  return stanza === undefined ? undefined : envelopeOf(stanza, id, giveUpMs)
}

/** That a message has been delivered, to who wrote it. */
export const receiptFor = (message: ReportedMessage, id: string, giveUpMs: number): OutboundEnvelope | undefined => {
  const stanza = reportToXmpp(message, { disposition: 'delivery', status: 'delivered' }, id)
  return stanza === undefined ? undefined : envelopeOf(stanza, id, giveUpMs)
}

function envelopeOf(stanza: Stanza, id: string, giveUpMs: number): OutboundEnvelope {
  return {
    correlationId: id,
    localDomain: stanza.from.domain,
    remoteDomain: stanza.to.domain,
    from: formatBareJid(stanza.from),
    to: formatBareJid(stanza.to),
    stanzaXml: formatStanza(stanza),
    expiresInMs: giveUpMs,
  }
}
