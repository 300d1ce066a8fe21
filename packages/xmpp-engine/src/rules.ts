import type { Method, Negotiation, XmppPartner } from '@stox/federation'
import { matrixRowOf } from '@stox/federation'
import type { StreamCondition } from '@stox/xmpp'

/** Whether a certificate leads to an authority that we trust and names a domain; the reason is a sentence for people. */
export type CertificateVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: string }

/** What the federation model says about streams between one of our domains and one of a partner's. */
export interface StreamRules {
  readonly tls: Negotiation
  /** In order of preference: the partner's row of the negotiation matrix. */
  readonly methods: readonly Method[]
  readonly maxStanzaBytes: number
  /** The partner is expected to send something now and then; and so are we. */
  readonly keepAlive: boolean
}

export type Judgement =
  | { readonly allowed: true; readonly rules: StreamRules }
  /** The peer hears the condition and nothing that tells which domains are listed; the log hears the reason. */
  | { readonly allowed: false; readonly condition: StreamCondition; readonly reason: string }

export const streamRulesOf = (partner: XmppPartner): StreamRules => ({
  tls: partner.tlsNegotiation,
  methods: matrixRowOf(partner).methods,
  maxStanzaBytes: partner.limits.maxStanzaBytes,
  keepAlive: partner.keepAlive,
})
