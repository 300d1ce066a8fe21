import type { Method, Negotiation, XmppPartner } from '@stox/federation'
import { matrixRowOf } from '@stox/federation'
import type { StreamCondition } from '@stox/xmpp'
import type { FailureReason } from './failure-reasons.ts'
import type { StreamFailure } from './stream-failure.ts'

/** Whether a certificate leads to an authority that we trust and names a domain; the reason is a sentence for people. */
export type CertificateVerdict =
  /** What it proves, it proves until then. */
  | { readonly ok: true; readonly untilMs?: number }
  | { readonly ok: false; readonly reason: string; readonly kind?: CertificateTrouble; readonly detail?: string }

type CertificateTrouble = FailureReason extends infer Reason
  ? Reason extends `certificate-${infer Trouble}`
    ? Trouble
    : never
  : never

/** Of a stream that can be authenticated by nothing but a certificate which does not do. */
export const certificateFailure = (verdict: Extract<CertificateVerdict, { ok: false }>): StreamFailure => ({
  kind: 'certificate',
  detail: verdict.reason,
  ...(verdict.kind === undefined ? {} : { reason: `certificate-${verdict.kind}` as const }),
  ...(verdict.detail === undefined ? {} : { technical: verdict.detail }),
})

/** What the federation model says about streams between one of our domains and one of a partner's. */
export interface StreamRules {
  readonly tls: Negotiation
  /** Number of the partner's row of the negotiation matrix. */
  readonly row?: number
  /** In order of preference: the partner's row of the negotiation matrix. */
  readonly methods: readonly Method[]
  readonly maxStanzaBytes: number
  /** The partner is expected to send something now and then; and so are we. */
  readonly keepAlive: boolean
  /** What we send; left out: white space. */
  readonly keepAliveBy?: XmppPartner['keepAliveBy']
}

export type Judgement =
  | { readonly allowed: true; readonly rules: StreamRules }
  /** The peer hears the condition and nothing that tells which domains are listed; the log hears the reason. */
  | { readonly allowed: false; readonly condition: StreamCondition; readonly reason: string }

export function streamRulesOf(partner: XmppPartner): StreamRules {
  const { row, methods } = matrixRowOf(partner)
  const { tlsNegotiation: tls, keepAlive, keepAliveBy, limits } = partner
  return { tls, row, methods, maxStanzaBytes: limits.maxStanzaBytes, keepAlive, keepAliveBy }
}
