import type { Clock, Failure, Ids, Outcome, Result } from '@stox/kernel'
import type { FederationIndex } from '@stox/federation'
import type { OutboundEnvelope } from '@stox/link'
import type { SipRequest } from '@stox/sip'
import { bareJid } from '@stox/xmpp'
import type { LangText, MessageStanza } from '@stox/xmpp'
import {
  alternativesBody,
  cpimBody,
  dispositionsFor,
  htmlBody,
  messageToSip,
  messageToSipParts,
  plainBody,
} from '@stox/translate'
import type { MessageExtras, SipBody, SipCall } from '@stox/translate'
import { bounced } from './bounce.ts'
import type { SipRoute } from './choose-route.ts'
import type { Conversations } from './conversations.ts'
import { passesReports, receiptFor } from './pass-reports.ts'
import type { AskedOfSip } from './pass-reports.ts'
import type { Ability, SipAbilities } from './sip-abilities.ts'

export interface OtherWaysDeps {
  readonly clock: Clock
  readonly ids: Ids
  readonly conversations: Conversations
  readonly abilities: SipAbilities
  readonly asked: AskedOfSip
  readonly link: { send(envelope: OutboundEnvelope): Promise<Outcome> }
  readonly giveUpMs: number
  index(): FederationIndex
}

/** A message that is more than plain words, or too long for one MESSAGE. */
export interface Unusual {
  readonly correlationId: string
  readonly message: MessageStanza
  readonly body: LangText
  /** The same in other languages. */
  readonly others: readonly LangText[] | undefined
  readonly extras: MessageExtras | undefined
  readonly call: SipCall
  readonly route: SipRoute
  /** As it would be without anything else. */
  readonly plain: Result<SipRequest, Failure>
}

type Send = (request: SipRequest) => Promise<Outcome>

/** A form that may be refused, and how it is written with the call of its turn. */
interface Form {
  readonly ability: Ability
  write(call: SipCall): Result<SipRequest, Failure>
}

/** How such a message goes to its SIP user; the failure when there is no way. */
export function otherWays(deps: OtherWaysDeps, unusual: Unusual, send: Send): (() => Promise<Outcome>) | Failure {
  const forms = formsOf(deps, unusual)
  const { plain } = unusual
  if (plain.ok)
    return forms.length === 0
      ? () => counting(deps, unusual, send(plain.value))
      : () => inForms(deps, unusual, forms, plain.value, send)
  const parts = partsOf(deps, unusual)
  return parts === undefined ? plain.failure : () => counting(deps, unusual, inParts(parts, send))
}

/** Where the domain says that 200 is as good as a receipt, it is one; 202 never is. @see RFC 3428 §7, mapping C.9 */
async function counting(deps: OtherWaysDeps, { message, extras }: Unusual, sent: Promise<Outcome>): Promise<Outcome> {
  const outcome = await sent
  const { from, to, id, type } = message
  if (extras?.asksReceipt !== true || id === undefined || (type !== 'chat' && type !== 'normal')) return outcome
  const counts = deps.index().localDomain(to.domain)?.messages.receiptOn200 === true
  if (!counts || outcome.kind !== 'delivered' || outcome.status !== 200) return outcome
  if (!passesReports(deps.index(), from.domain)) return outcome
  const receipt = receiptFor({ from, to: bareJid(to), id, type }, deps.ids.token(), deps.giveUpMs)
  // Nobody waits for what becomes of it.
  if (receipt !== undefined) void deps.link.send(receipt).catch(() => undefined)
  return outcome
}

/** At least 64 bits of chance. With the id of the journey its journal finds it again. @see RFC 5438 §6.3 */
const LONG_TOKEN = /^[\w-]{16,64}$/

/** The richest first. */
function formsOf(
  deps: OtherWaysDeps,
  { correlationId, message, body, others, extras, route }: Unusual,
): readonly Form[] {
  const { from, to, id, type } = message
  const rules = deps.index().localDomain(to.domain)?.messages
  if ((extras ?? others) === undefined || rules === undefined || (type !== 'chat' && type !== 'normal')) return []
  const write =
    (content: SipBody): Form['write'] =>
    (call) =>
      messageToSip(message, body, call, route.rules, content)
  const forms: Form[] = []
  const html =
    extras?.formatted === true && deps.abilities.takes(to, 'html', rules.html) ? htmlBody(message) : undefined
  const wants = extras !== undefined && passesReports(deps.index(), from.domain) ? dispositionsFor(extras) : []
  if (wants.length > 0 && id !== undefined && deps.abilities.takes(to, 'cpim', rules.reports)) {
    const messageId = LONG_TOKEN.test(correlationId) ? correlationId : deps.ids.token()
    const asked = { messageId, atMs: deps.clock.wallMs(), wants }
    const content = cpimBody(message, html ?? plainBody(body.text), asked)
    deps.asked.note(messageId, { from, to: bareJid(to), id, type })
    forms.push({ ability: 'cpim', write: write(content) })
  }
  // Who can read another language would rather have the choice than the looks.
  const all =
    others !== undefined && deps.abilities.takes(to, 'alternatives', rules.allLanguages)
      ? alternativesBody(body, others, deps.ids.token())
      : undefined
  if (all !== undefined) forms.push({ ability: 'alternatives', write: write(all) })
  if (html !== undefined) forms.push({ ability: 'html', write: write(html) })
  return forms
}

/** Who does not take a form (415) gets the same in a simpler one, and is spared the other from now on. @see mapping C.5, C.9 */
async function inForms(
  deps: OtherWaysDeps,
  unusual: Unusual,
  forms: readonly Form[],
  plain: SipRequest,
  send: Send,
): Promise<Outcome> {
  let { call } = unusual
  let again = false
  for (const form of forms) {
    const request = form.write(call)
    // Too long for its road with all that is around it.
    if (!request.ok) continue
    const sent = send(request.value)
    // Who is asked for a report gives it himself.
    const outcome = await (form.ability === 'cpim' ? sent : counting(deps, unusual, sent))
    if (outcome.kind !== 'bounced' || outcome.failure.status !== 415) return outcome
    deps.abilities.note(unusual.message.to, form.ability, false)
    call = nextCall(deps, unusual, call)
    again = true
  }
  if (!again) return counting(deps, unusual, send(plain))
  const request = messageToSip(unusual.message, unusual.body, call, unusual.route.rules)
  return request.ok ? counting(deps, unusual, send(request.value)) : bounced(request.failure)
}

function partsOf(deps: OtherWaysDeps, unusual: Unusual): readonly SipRequest[] | undefined {
  const { message, body, route } = unusual
  if (deps.index().localDomain(message.to.domain)?.messages.split !== true) return undefined
  let call: SipCall | undefined
  const next = (): SipCall => (call = call === undefined ? unusual.call : nextCall(deps, unusual, call))
  return messageToSipParts(message, body, next, route.rules)
}

/** One after the other; what has failed is not gone on with. */
async function inParts(parts: readonly SipRequest[], send: Send): Promise<Outcome> {
  let outcome: Outcome | undefined
  for (const part of parts) {
    outcome = await send(part)
    if (outcome.kind === 'bounced') break
  }
  if (outcome === undefined) throw new Error('a message in no parts')
  return outcome
}

/** The CSeq of a call grows, or its requests would be taken for one. @see RFC 3261 §8.2.2.2 */
const nextCall = (deps: OtherWaysDeps, { message }: Unusual, call: SipCall): SipCall =>
  deps.conversations.nextInCall(message.from, message.to, message.thread, call)
