/** Why a certificate does not prove what it should. */
export type CertificateFailureKind =
  | 'none-presented'
  | 'malformed'
  /** Too many certificates, too long a path, or more work than a stranger is worth. */
  | 'too-long'
  | 'expired'
  | 'not-yet-valid'
  | 'self-signed'
  | 'unknown-issuer'
  | 'bad-signature'
  /** Signed by what is no authority, or not for this. */
  | 'bad-ca'
  | 'wrong-purpose'
  | 'weak'
  /** It makes a condition that is not understood here. */
  | 'unsupported'
  | 'wrong-name'
  /** The partner record has pins, and its key is none of them. */
  | 'not-pinned'
  /** Its issuer has taken it back, or one above it. */
  | 'revoked'

export interface CertificateFailure {
  readonly kind: CertificateFailureKind
  /** A sentence for an administrator, and what to do. */
  readonly text: string
  /** For the log. */
  readonly detail: string
}

/** In the words of people: a minute is exact enough. */
export const timeText = (epochMs: number): string =>
  Number.isFinite(epochMs) ? `${new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ')} UTC` : 'an unknown time'

/** What a stranger wrote, made fit to be shown. */
export const shown = (text: string, length = 120): string => {
  const clean = text
    .slice(0, length)
    .replaceAll('\n', ', ')
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '\u{fffd}')
  return text.length <= length ? clean : `${clean}…`
}
