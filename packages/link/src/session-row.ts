import { isProvenBy, type ProvenBy } from './envelope.ts'
import type * as wire from './gen/stox/link/v1/link_pb.ts'

/** What one side of a stream has shown. */
export interface SessionCertificate {
  readonly names: readonly string[]
  readonly issuer: string
  readonly notAfterMs: number
  /** Hexadecimal, with colons. */
  readonly sha256: string
}

/** One s2s stream as the administrator sees it: a row of `/v1/sessions`. */
export interface SessionRow {
  /** Unique over all edges: `edge/stream`. */
  readonly id: string
  readonly edge: string
  readonly direction: 'inbound' | 'outbound'
  readonly localDomain: string
  readonly remoteDomain: string
  readonly state: string
  readonly provenBy: ProvenBy | undefined
  /** As `TLSv1.3`; undefined on plain TCP. */
  readonly tls: string | undefined
  readonly remoteAddress: string
  /** When it was opened, or when it failed. */
  readonly establishedAtMs: number
  readonly stanzasIn: number
  readonly stanzasOut: number
  /** Why it failed, where it did. */
  readonly reason: string | undefined
  /** What each side has shown in the TLS handshake. */
  readonly ownCertificate: SessionCertificate | undefined
  readonly peerCertificate: SessionCertificate | undefined
}

/** An authenticated stream came up or went away: what a gateway needs to know to heal presence and to choose an edge. */
export interface StreamNotice {
  readonly streamId: string
  readonly direction: 'inbound' | 'outbound'
  readonly localDomain: string
  readonly remoteDomain: string
}

export function sessionRowToWire(row: SessionRow): wire.Session {
  const { provenBy, tls, reason, ownCertificate, peerCertificate, ...rest } = row
  return {
    $typeName: 'stox.link.v1.Session',
    ...rest,
    ...(provenBy === undefined ? {} : { provenBy }),
    ...(tls === undefined ? {} : { tls }),
    ...(reason === undefined ? {} : { reason }),
    ...(ownCertificate === undefined ? {} : { ownCertificate: certificateToWire(ownCertificate) }),
    ...(peerCertificate === undefined ? {} : { peerCertificate: certificateToWire(peerCertificate) }),
  }
}

export function sessionRowFromWire(session: wire.Session): SessionRow {
  const {
    $typeName: _typeName,
    $unknown: _unknown,
    direction,
    provenBy,
    tls,
    reason,
    ownCertificate,
    peerCertificate,
    ...rest
  } = session
  return {
    ...rest,
    direction: direction === 'inbound' ? 'inbound' : 'outbound',
    provenBy: provenBy !== undefined && isProvenBy(provenBy) ? provenBy : undefined,
    tls,
    reason,
    ownCertificate: ownCertificate && certificateFromWire(ownCertificate),
    peerCertificate: peerCertificate && certificateFromWire(peerCertificate),
  }
}

const certificateToWire = ({ names, ...rest }: SessionCertificate): wire.Certificate => ({
  $typeName: 'stox.link.v1.Certificate',
  names: [...names],
  ...rest,
})

const certificateFromWire = ({ names, issuer, notAfterMs, sha256 }: wire.Certificate): SessionCertificate => ({
  names,
  issuer,
  notAfterMs,
  sha256,
})
