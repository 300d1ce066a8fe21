import type { Failure, StanzaCondition } from '@stox/kernel'
import type { Decision, RuleAsked, RuleName } from './decision.ts'
import type { FederationIndex } from './federation-index.ts'
import { matrixRowOf } from './negotiation-matrix.ts'
import type { PartnerType, XmppPartner } from './partner.ts'

export type StanzaKind = 'message' | 'presence' | 'iq'
export type PresenceType =
  'available' | 'unavailable' | 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed' | 'probe' | 'error'

export interface StreamQuestion {
  readonly localDomain: string
  readonly remoteDomain: string
}

export interface InboundQuestion {
  readonly fromDomain: string
  readonly toDomain: string
  readonly kind: StanzaKind
  /** Left out: the strictest, as for `subscribe`. */
  readonly presenceType?: PresenceType
  /**
   * Whether the local user has added the remote one. Undefined where that is not known, at the edge: the rule then
   * passes, and whoever knows asks again.
   */
  readonly authorizedByLocalUser: boolean | undefined
}

export interface OutboundQuestion {
  readonly fromDomain: string
  readonly toDomain: string
  readonly kind: StanzaKind
}

export interface PartnerTypeGates {
  /** A remote user may write to, subscribe to and probe a local user who never added him. */
  readonly strangersMayStart: boolean
  /** A remote user sees the status note of a local user. */
  readonly seesNote: boolean
}

/** @see Configure XMPP gateway on Lync Server 2013 (migration) */
export const PARTNER_TYPE_GATES: Readonly<Record<PartnerType, PartnerTypeGates>> = {
  federated: { strangersMayStart: true, seesNote: true },
  publicVerified: { strangersMayStart: true, seesNote: false },
  publicUnverified: { strangersMayStart: false, seesNote: false },
}

/** May a stream exist between the two domains, in either role? */
export function decideStream(index: FederationIndex, question: StreamQuestion): Decision {
  return pairRules(new Trail(), index, question.localDomain, question.remoteDomain).decision()
}

/** May a stanza from a partner reach us? */
export function decideInbound(index: FederationIndex, question: InboundQuestion): Decision {
  const { fromDomain, toDomain, kind, presenceType, authorizedByLocalUser } = question
  const key = `in ${fromDomain} ${toDomain} ${kind} ${presenceType} ${authorizedByLocalUser}`
  return index.remembered.get(key) ?? remember(index, key, fromDomain, askInbound(index, question))
}

function askInbound(index: FederationIndex, question: InboundQuestion): Decision {
  const trail = pairRules(new Trail(), index, question.toDomain, question.fromDomain)
  const partner = index.partnerOf(question.fromDomain)
  if (trail.refused || partner === undefined) return trail.decision()
  return strangerRule(featureRule(trail, partner, question.kind), partner, question).decision()
}

/** May a stanza of a local user go to a partner? Adding a contact there is always the local user's right. */
export function decideOutbound(index: FederationIndex, question: OutboundQuestion): Decision {
  const key = `out ${question.fromDomain} ${question.toDomain} ${question.kind}`
  return index.remembered.get(key) ?? remember(index, key, question.toDomain, askOutbound(index, question))
}

function askOutbound(index: FederationIndex, question: OutboundQuestion): Decision {
  const trail = pairRules(new Trail(), index, question.fromDomain, question.toDomain)
  const partner = index.partnerOf(question.toDomain)
  if (trail.refused || partner === undefined) return trail.decision()
  return featureRule(trail, partner, question.kind).decision()
}

/** One index answers one question always alike. What is asked about strangers is not remembered, lest they fill it. */
function remember(index: FederationIndex, key: string, remote: string, decision: Decision): Decision {
  if (index.partnerOf(remote) !== undefined) index.remembered.set(key, decision)
  return decision
}

/** Whether a user of the partner may see the status notes of local users. */
export const mayShowNote = (partner: XmppPartner): boolean => PARTNER_TYPE_GATES[partner.partnerType].seesNote

/** What the two wires hear about a refusal; the reason itself is for the log. */
export function refusalOf(decision: Decision): Failure {
  const { condition, status, text, retry = 'never' } = REFUSALS[decision.rule]
  return { fault: 'policy', retry, condition, status, text, detail: `${decision.rule}: ${decision.reason}` }
}

interface Refusal {
  readonly condition: StanzaCondition
  readonly status: number
  readonly text: string
  readonly retry?: Failure['retry']
}

const NOT_FEDERATED: Refusal = {
  condition: 'not-allowed',
  status: 403,
  text: 'There is no federation with this domain',
}

/** All refusals that depend on the partner list sound alike: who is listed is nobody's business. */
const REFUSALS: Readonly<Record<RuleName, Refusal>> = {
  'federation-switch': NOT_FEDERATED,
  'xmpp-switch': NOT_FEDERATED,
  'local-domain': { condition: 'item-not-found', status: 404, text: 'This domain is not served here' },
  'one-side-only': NOT_FEDERATED,
  'partner-listed': NOT_FEDERATED,
  'partner-enabled': NOT_FEDERATED,
  negotiation: NOT_FEDERATED,
  feature: { condition: 'not-allowed', status: 403, text: 'This kind of exchange is switched off for the domain' },
  'partner-type': {
    condition: 'subscription-required',
    status: 403,
    text: 'The recipient has to add the sender first',
    retry: 'after-change',
  },
}

/** The rules asked so far; the first refusal ends the asking. */
class Trail {
  readonly #asked: RuleAsked[] = []
  refused = false

  ask(rule: RuleName, passed: boolean, detail: string): this {
    if (this.refused) return this
    this.#asked.push({ rule, passed, detail })
    this.refused = !passed
    return this
  }

  decision(): Decision {
    const last = this.#asked.at(-1)
    if (last === undefined) throw new Error('no rule was asked')
    return { allowed: !this.refused, rule: last.rule, reason: last.detail, trail: this.#asked }
  }
}

function pairRules(trail: Trail, index: FederationIndex, local: string, remote: string): Trail {
  const { federation, xmpp } = index.settings
  trail
    .ask('federation-switch', federation, federation ? 'federation is on' : 'federation is off')
    .ask('xmpp-switch', xmpp, xmpp ? 'XMPP federation is on' : 'XMPP federation is off')
  const served = index.isLocal(local)
  trail.ask('local-domain', served, served ? `${local} is served here` : `${local} is not served here`)
  const twice = index.isLocal(remote)
  trail.ask(
    'one-side-only',
    !twice,
    twice ? `${remote} is served here and cannot be a partner` : `${remote} is not ours`,
  )
  const partner = index.partnerOf(remote)
  if (partner === undefined) return trail.ask('partner-listed', false, `${remote} is on no partner's list`)
  const { methods } = matrixRowOf(partner)
  return trail
    .ask('partner-listed', true, `${remote} belongs to partner ${partner.domain}`)
    .ask('partner-enabled', partner.enabled, partner.enabled ? 'the partner is enabled' : 'the partner is disabled')
    .ask(
      'negotiation',
      methods.length > 0,
      methods.length > 0 ? methods.join(', ') : 'no method of authentication is left',
    )
}

/** Everything but messages and presence is answered here, and needs no feature. */
function featureRule(trail: Trail, partner: XmppPartner, kind: StanzaKind): Trail {
  if (kind === 'iq') return trail
  const on = kind === 'message' ? partner.features.im : partner.features.presence
  return trail.ask(
    'feature',
    on,
    `${kind === 'message' ? 'messages are' : 'presence is'} ${on ? 'on' : 'off'} for ${partner.domain}`,
  )
}

/** Taking leave needs nobody's consent, and an error is nothing that a user gets to see unasked. */
const NEEDS_NO_CONSENT: ReadonlySet<PresenceType> = new Set(['unavailable', 'unsubscribe', 'unsubscribed', 'error'])

function strangerRule(trail: Trail, partner: XmppPartner, question: InboundQuestion): Trail {
  if (question.kind === 'iq') return trail
  if (question.kind === 'presence' && NEEDS_NO_CONSENT.has(question.presenceType ?? 'subscribe')) return trail
  const type = partner.partnerType
  if (PARTNER_TYPE_GATES[type].strangersMayStart)
    return trail.ask('partner-type', true, `${type}: either side may start`)
  const added = question.authorizedByLocalUser
  if (added === undefined) {
    return trail.ask('partner-type', true, `${type}: not known here whether the local user has added the remote one`)
  }
  return trail.ask('partner-type', added, `${type}: the local user has ${added ? '' : 'not '}added the remote one`)
}
