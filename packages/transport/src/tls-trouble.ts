import type { FailureReason } from '@stox/xmpp-engine'

/** In the order in which they are looked for: the names that OpenSSL gives its errors, as Node passes them on. */
const TROUBLE: readonly (readonly [RegExp, FailureReason])[] = [
  [
    /ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_\w+|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)/,
    'our-certificate-refused',
  ],
  [/UNRECOGNIZED_NAME/, 'tls-name-unknown'],
  [/WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH|BAD_RECORD_TYPE|UNEXPECTED_MESSAGE/, 'not-tls'],
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_SHARED_CIPHER|HANDSHAKE_FAILURE|APPLICATION_PROTOCOL|INSUFFICIENT_SECURITY|VERSION_TOO_LOW/,
    'tls-nothing-common',
  ],
  [/^ERR_SSL_|^EPROTO$/, 'tls-failed'],
]

/** Why a TLS handshake failed, by the code of the socket's error; undefined where TLS says nothing. @see RFC 8446 §6.2 */
export const tlsTroubleOf = (code: string): FailureReason | undefined =>
  TROUBLE.find(([named]) => named.test(code))?.[1]
