import type { SessionCertificate, SessionRow, StreamNotice } from '@stox/link'
import type { CertificateDescription, StreamFailureInfo, StreamInfo, StreamUp } from '@stox/transport'

const directionOf = (direction: 'in' | 'out'): SessionRow['direction'] => (direction === 'in' ? 'inbound' : 'outbound')

export const noticeOf = ({ streamId, direction, local, remote }: StreamUp): StreamNotice => ({
  streamId,
  direction: directionOf(direction),
  localDomain: local,
  remoteDomain: remote,
})

/** One for each domain pair that has proven itself: a stream may carry several. */
export const noticesOf = (streams: readonly StreamInfo[]): readonly StreamNotice[] =>
  streams.flatMap(({ id, direction, pairs }) =>
    pairs.map(({ local, remote }) => ({
      streamId: id,
      direction: directionOf(direction),
      localDomain: local,
      remoteDomain: remote,
    })),
  )

/** A certificate may name very many. */
const MAX_NAMES = 20

const shown = (certificate: CertificateDescription | undefined): SessionCertificate | undefined =>
  certificate && {
    names: certificate.names.slice(0, MAX_NAMES),
    issuer: certificate.issuer,
    notAfterMs: certificate.notAfterMs,
    sha256: certificate.sha256,
  }

const distinct = (names: readonly string[]): string => [...new Set(names)].join(', ')

/** The streams as the administrator sees them; those that only ask whether a dialback key is right are not among them. */
export const rowsOf = (
  node: string,
  streams: readonly StreamInfo[],
  partnerNameOf: (domain: string) => string,
): readonly SessionRow[] =>
  streams
    .filter(({ purpose }) => purpose === 'stanzas')
    .map((stream) => ({
      id: `${node}/${stream.id}`,
      edge: node,
      direction: directionOf(stream.direction),
      localDomain: stream.pairs.length === 0 ? (stream.local ?? '') : distinct(stream.pairs.map(({ local }) => local)),
      remoteDomain:
        stream.pairs.length === 0 ? (stream.remote ?? '') : distinct(stream.pairs.map(({ remote }) => remote)),
      state: stream.pairs.length > 0 ? 'established' : 'negotiating',
      provenBy: stream.pairs[0]?.provenBy,
      tls: stream.tlsVersion,
      cipher: stream.cipher,
      streamManagement: stream.streamManagement,
      bidirectional: stream.bidirectional,
      matrixRow: stream.matrixRow,
      unprovenBecause: stream.unprovenBecause,
      partner: stream.pairs[0] === undefined ? undefined : partnerNameOf(stream.pairs[0].remote),
      remoteAddress: stream.remoteAddress,
      remotePort: stream.remotePort,
      establishedAtMs: stream.openedAtMs,
      stanzasIn: stream.stanzasIn,
      stanzasOut: stream.stanzasOut,
      waitingStanzas: stream.waitingStanzas,
      waitingBytes: stream.waitingBytes,
      quietMs: Math.round(stream.quietMs),
      reason: undefined,
      failure: undefined,
      ownCertificate: shown(stream.certificates.own),
      peerCertificate: shown(stream.certificates.peer),
    }))

/** Why streams failed lately. A failure has no stream any more: it is named by its own number. */
export const failedRowsOf = (node: string, failures: readonly StreamFailureInfo[]): readonly SessionRow[] =>
  failures.map((failure) => ({
    id: `${node}/failed-${failure.id}`,
    edge: node,
    direction: directionOf(failure.direction),
    localDomain: failure.local ?? '',
    remoteDomain: failure.remote ?? '',
    state: 'failed',
    provenBy: undefined,
    tls: undefined,
    cipher: undefined,
    streamManagement: false,
    bidirectional: false,
    matrixRow: undefined,
    unprovenBecause: undefined,
    partner: failure.partner,
    remoteAddress: failure.remoteAddress ?? '',
    remotePort: failure.remotePort,
    establishedAtMs: failure.lastAtMs,
    stanzasIn: 0,
    stanzasOut: 0,
    waitingStanzas: 0,
    waitingBytes: 0,
    quietMs: 0,
    reason: failure.sentence,
    failure: {
      stage: failure.stage,
      cause: failure.reason,
      advice: failure.advice,
      detail: failure.detail,
      times: failure.times,
      firstAtMs: failure.firstAtMs,
    },
    ownCertificate: undefined,
    peerCertificate: undefined,
  }))
