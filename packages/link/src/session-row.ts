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

/** Why streams fail, in more words than the one sentence. */
export interface FailureNote {
  readonly stage: string
  /** A stable name. */
  readonly cause: string
  readonly advice: string
  /** For experts. */
  readonly detail: string
  readonly times: number
  readonly firstAtMs: number
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
  readonly cipher: string | undefined
  /** Stanzas are acknowledged. @see XEP-0198 */
  readonly streamManagement: boolean
  /** Stanzas go both ways. @see XEP-0288 */
  readonly bidirectional: boolean
  /** Row of the negotiation matrix. */
  readonly matrixRow: number | undefined
  /** Why a certificate that might have proved the peer did not. */
  readonly unprovenBecause: string | undefined
  /** The key of the partner's record. */
  readonly partner: string | undefined
  readonly remoteAddress: string
  readonly remotePort: number | undefined
  /** When it was opened, or when it failed last. */
  readonly establishedAtMs: number
  readonly stanzasIn: number
  readonly stanzasOut: number
  readonly waitingStanzas: number
  readonly waitingBytes: number
  /** For how long no stanza has passed. */
  readonly quietMs: number
  /** Why it failed, where it did: one sentence. */
  readonly reason: string | undefined
  readonly failure: FailureNote | undefined
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
  const { ownCertificate, peerCertificate, failure, ...rest } = row
  return {
    $typeName: 'stox.link.v1.Session',
    ...withoutUndefined(rest),
    ...(ownCertificate === undefined ? {} : { ownCertificate: certificateToWire(ownCertificate) }),
    ...(peerCertificate === undefined ? {} : { peerCertificate: certificateToWire(peerCertificate) }),
    ...(failure === undefined ? {} : { failure: { $typeName: 'stox.link.v1.FailureNote', ...failure } }),
  }
}

type Given<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>
}

/** The wire knows optional fields, and no fields that are undefined. */
const withoutUndefined = <T extends object>(row: T): Given<T> =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as Given<T>

export function sessionRowFromWire(session: wire.Session): SessionRow {
  const {
    $typeName: _typeName,
    $unknown: _unknown,
    direction,
    provenBy,
    ownCertificate,
    peerCertificate,
    failure,
    ...rest
  } = session
  return {
    ...NOT_GIVEN,
    ...rest,
    direction: direction === 'inbound' ? 'inbound' : 'outbound',
    provenBy: provenBy !== undefined && isProvenBy(provenBy) ? provenBy : undefined,
    ownCertificate: ownCertificate && certificateFromWire(ownCertificate),
    peerCertificate: peerCertificate && certificateFromWire(peerCertificate),
    failure: failure && failureFromWire(failure),
  }
}

const NOT_GIVEN = {
  tls: undefined,
  cipher: undefined,
  matrixRow: undefined,
  unprovenBecause: undefined,
  partner: undefined,
  remotePort: undefined,
  reason: undefined,
}

const failureFromWire = ({ stage, cause, advice, detail, times, firstAtMs }: wire.FailureNote): FailureNote => ({
  stage,
  cause,
  advice,
  detail,
  times,
  firstAtMs,
})

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
