import type { Negotiation, XmppPartner } from './partner.ts'

/** A way for a stream to prove who is at its other end. */
export type Method = 'sasl-external-over-tls' | 'dialback-over-tls' | 'dialback-over-tcp'

export interface MatrixRow {
  readonly row: number
  readonly tls: Negotiation
  readonly sasl: Negotiation
  readonly dialback: boolean
  /** In order of preference; empty on an invalid row. */
  readonly methods: readonly Method[]
  readonly verdict: 'valid' | 'invalid'
  /** Works, but is not what SASL's setting asks for: refused unless the administrator insists. */
  readonly needsForce: boolean
  readonly warning: string | undefined
  readonly error: string | undefined
  readonly note: string | undefined
}

const INERT = 'dialback will not be used while TLS and SASL are both required'
const NEEDS_TLS = 'SASL needs TLS: while TLS is not required, negotiation may fail'
const NO_TLS_FOR_SASL = 'SASL is impossible without TLS, and dialback is off'
const NOTHING_LEFT = 'SASL or dialback must be enabled'

type Remarks = Partial<Pick<MatrixRow, 'warning' | 'error' | 'note' | 'needsForce'>>

const SASL: Method = 'sasl-external-over-tls'
const TLS_DB: Method = 'dialback-over-tls'
const TCP_DB: Method = 'dialback-over-tcp'

const row = (
  number: number,
  tls: Negotiation,
  sasl: Negotiation,
  dialback: boolean,
  methods: readonly Method[],
  remarks: Remarks = {},
): MatrixRow => ({
  row: number,
  tls,
  sasl,
  dialback,
  methods,
  verdict: methods.length === 0 ? 'invalid' : 'valid',
  needsForce: remarks.needsForce ?? false,
  warning: remarks.warning,
  error: remarks.error,
  note: remarks.note,
})

/**
 * Every combination of TLS, SASL and dialback, with the methods it leaves.
 * Rows 5 and 11 are valid in the table but refused by the original's control panel: they need force.
 * @see Negotiation settings for XMPP federated partners (Lync Server 2013)
 */
export const NEGOTIATION_MATRIX: readonly MatrixRow[] = [
  row(1, 'required', 'required', true, [SASL], { warning: INERT }),
  row(2, 'required', 'required', false, [SASL]),
  row(3, 'optional', 'required', true, [SASL, TLS_DB, TCP_DB], { warning: NEEDS_TLS }),
  row(4, 'optional', 'required', false, [SASL], { warning: NEEDS_TLS }),
  row(5, 'notSupported', 'required', true, [TCP_DB], { warning: NEEDS_TLS, needsForce: true }),
  row(6, 'notSupported', 'required', false, [], { error: NO_TLS_FOR_SASL }),
  row(7, 'required', 'optional', true, [SASL, TLS_DB]),
  row(8, 'required', 'optional', false, [SASL]),
  row(9, 'optional', 'optional', true, [SASL, TLS_DB, TCP_DB], { warning: NEEDS_TLS }),
  row(10, 'optional', 'optional', false, [SASL], { warning: NEEDS_TLS }),
  row(11, 'notSupported', 'optional', true, [TCP_DB], { warning: NEEDS_TLS, needsForce: true }),
  row(12, 'notSupported', 'optional', false, [], { warning: NEEDS_TLS }),
  row(13, 'required', 'notSupported', true, [TLS_DB], { note: 'the configuration allows dialback over TLS' }),
  row(14, 'required', 'notSupported', false, [], { error: NOTHING_LEFT }),
  row(15, 'optional', 'notSupported', true, [TLS_DB, TCP_DB], {
    note: 'the other end decides whether dialback runs over TLS',
  }),
  row(16, 'optional', 'notSupported', false, [], { error: NOTHING_LEFT }),
  row(17, 'notSupported', 'notSupported', true, [TCP_DB], { note: 'dialback over TCP is the only method' }),
  row(18, 'notSupported', 'notSupported', false, [], { error: NOTHING_LEFT }),
]

const keyOf = (tls: Negotiation, sasl: Negotiation, dialback: boolean): string => `${tls} ${sasl} ${dialback}`
const ROWS = new Map(NEGOTIATION_MATRIX.map((each) => [keyOf(each.tls, each.sasl, each.dialback), each]))

export function matrixRowOf(partner: Pick<XmppPartner, 'tlsNegotiation' | 'saslNegotiation' | 'dialback'>): MatrixRow {
  const found = ROWS.get(keyOf(partner.tlsNegotiation, partner.saslNegotiation, partner.dialback))
  if (found === undefined) throw new RangeError('the negotiation matrix is incomplete')
  return found
}
