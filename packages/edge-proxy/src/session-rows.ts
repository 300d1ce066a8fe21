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
export const rowsOf = (node: string, streams: readonly StreamInfo[]): readonly SessionRow[] =>
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
      remoteAddress: stream.remoteAddress,
      establishedAtMs: stream.openedAtMs,
      stanzasIn: stream.stanzasIn,
      stanzasOut: stream.stanzasOut,
      reason: undefined,
      ownCertificate: shown(stream.certificates.own),
      peerCertificate: shown(stream.certificates.peer),
    }))

/** Those that failed lately, each with the reason. A failure has no stream any more, so that its moment names it. */
export const failedRowsOf = (node: string, failures: readonly StreamFailureInfo[]): readonly SessionRow[] =>
  failures.map(({ atMs, direction, local, remote, kind, detail }, place) => ({
    id: `${node}/failed-${atMs}-${place}`,
    edge: node,
    direction: directionOf(direction),
    localDomain: local ?? '',
    remoteDomain: remote ?? '',
    state: 'failed',
    provenBy: undefined,
    tls: undefined,
    remoteAddress: '',
    establishedAtMs: atMs,
    stanzasIn: 0,
    stanzasOut: 0,
    reason: `${kind}: ${detail}`,
    ownCertificate: undefined,
    peerCertificate: undefined,
  }))
