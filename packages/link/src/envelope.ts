/** How the far domain of a stream has proven itself. */
export type ProvenBy = 'sasl-external' | 'dialback-over-tls' | 'dialback-over-tcp'

const PROOFS: ReadonlySet<string> = new Set<ProvenBy>(['sasl-external', 'dialback-over-tls', 'dialback-over-tcp'])
export const isProvenBy = (text: string): text is ProvenBy => PROOFS.has(text)

/** A stanza on its way in: edge to gateway. What stands in it was checked by the edge and is checked again by the gateway. */
export interface InboundEnvelope {
  /** Made by the edge; names this stanza in both logs, the journal and the API. */
  readonly correlationId: string
  /** The edge's node name. */
  readonly edge: string
  readonly streamId: string
  readonly localDomain: string
  readonly remoteDomain: string
  readonly provenBy: ProvenBy
  /** Bare addresses as formatted text: stanzas of one (from, to) pair stay in order. */
  readonly from: string
  readonly to: string
  /** One self-contained element in `jabber:server`. */
  readonly stanzaXml: string
  readonly receivedAtMs: number
}

/** A stanza on its way out: gateway to edge. */
export interface OutboundEnvelope {
  readonly correlationId: string
  readonly localDomain: string
  readonly remoteDomain: string
  readonly from: string
  readonly to: string
  readonly stanzaXml: string
  /** After so long the outcome is a bounce, whatever happened; counted from the call to `send`. */
  readonly expiresInMs: number
}
