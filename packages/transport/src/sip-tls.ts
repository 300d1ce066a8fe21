import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { TLSSocket, connect } from 'node:tls'
import { fail, ok } from '@stox/kernel'
import type { Clock, HostPort, Result } from '@stox/kernel'
import { parseDomain } from '@stox/xmpp'
import { shown } from './certificates/certificate-failure.ts'
import { checkPath } from './certificates/path-check.ts'
import { presentedChain } from './certificates/presented-chain.ts'
import { sipDomainsOf } from './certificates/sip-identity.ts'
import type { RevocationStore } from './certificates/revocation-store.ts'
import type { TrustStore } from './certificates/trust-store.ts'
import type { TlsIdentity } from './tls-identity.ts'

export interface SipTlsOptions {
  /**
   * Ours: one for all, under `SIP_IDENTITY`, and one for each domain that has its own; asked at every handshake, so that
   * a renewed one is used from the next on.
   */
  readonly identity: TlsIdentity
  readonly trust: Pick<TrustStore, 'anchors'>
  /** What authorities have revoked; left out: nothing is known. */
  readonly revocations?: Pick<RevocationStore, 'lists'>
  readonly clock: Pick<Clock, 'wallMs'>
  /** Whether who connects to us must prove a SIP domain; if not, it may be trusted by its address. */
  readonly clientCertificates: 'required' | 'optional'
}

/** What a peer has proven. */
export interface ProvenDomains {
  readonly domains: readonly string[]
  /** When its certificate, or one above it, expires. */
  readonly untilMs: number
}

const NOTHING: ProvenDomains = { domains: [], untilMs: Number.POSITIVE_INFINITY }

/** Under which our certificate for all that have none of their own stands in the `TlsIdentity`, and in the metric of its expiry. */
export const SIP_IDENTITY = 'sip'

/** TLS between SIP servers, with certificates on both sides that are judged by ourselves. @see RFC 5922 §7 */
export class SipTls {
  readonly #options: SipTlsOptions
  /** Who was asked for by name, and has a certificate of his own. */
  readonly #asked = new WeakMap<TLSSocket, string>()

  constructor(options: SipTlsOptions) {
    this.#options = options
  }

  /** The name in the handshake chooses the certificate. @see RFC 5922 §7.3, RFC 6066 §3 */
  accept(plain: Socket): TLSSocket {
    const secured = new TLSSocket(plain, {
      isServer: true,
      secureContext: this.#options.identity.clientContextFor(SIP_IDENTITY),
      requestCert: true,
      rejectUnauthorized: false,
      SNICallback: (name, choose) => {
        const own = this.ownFor([name])
        if (own !== SIP_IDENTITY) this.#asked.set(secured, own)
        choose(null, this.#options.identity.clientContextFor(own))
      },
    })
    secured.disableRenegotiation()
    return secured
  }

  /** The name in the handshake is the first of those that the certificate may be for. */
  dial({ host, port }: HostPort, names: readonly string[]): TLSSocket {
    const servername = names.find((name) => isIP(name) === 0)
    return connect({
      host,
      port,
      secureContext: this.#options.identity.clientContextFor(this.ownFor(names)),
      rejectUnauthorized: false,
      ...(servername === undefined ? {} : { servername }),
    })
  }

  /** As whom we speak with a peer of one of these names: a domain that has a certificate of its own, or ours for all. */
  ownFor(names: readonly string[]): string {
    const { identity } = this.#options
    if (!identity.hasSeveral) return SIP_IDENTITY
    for (const name of names) {
      // In A-labels on the wire, and in DNS.
      const domain = parseDomain(name)
      if (domain.ok && identity.contextFor(domain.value) !== undefined) return domain.value
    }
    return SIP_IDENTITY
  }

  /** As whom we have answered who connected to us. */
  ownAt(socket: TLSSocket): string {
    return this.#asked.get(socket) ?? SIP_IDENTITY
  }

  /** The domains that the peer has proven, or why it may not go on; `wanted` where it was us who connected. Once a socket. */
  judge(socket: TLSSocket, wanted: readonly string[] | undefined): Result<ProvenDomains, string> {
    const { trust, revocations, clock, clientCertificates } = this.#options
    const path = checkPath(presentedChain(socket), trust.anchors, clock.wallMs(), 'sip', revocations?.lists)
    if (!path.ok) {
      return wanted === undefined && clientCertificates === 'optional' ? ok(NOTHING) : fail(path.failure.text)
    }
    const domains = sipDomainsOf(path.value.certificates[0])
    const proven: ProvenDomains = { domains, untilMs: path.value.untilMs }
    if (wanted === undefined || wanted.some((name) => domains.includes(name))) return ok(proven)
    const has =
      domains.length === 0
        ? 'for no SIP domain at all'
        : `for ${domains
            .slice(0, 10)
            .map((domain) => shown(domain))
            .join(', ')}`
    return fail(`The certificate is ${has}; the peer needs one with the name ${wanted.join(' or ')}.`)
  }
}

/** What OpenSSL says of a handshake, for people; its codes are not the same in all its versions. */
const IN_WORDS: readonly (readonly [RegExp, string])[] = [
  [/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION/, 'the peer speaks no TLS 1.2 or later'],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/, 'the peer does not speak TLS on this port'],
  [/HTTP_REQUEST/, 'the peer speaks plain text on this port, not TLS'],
  [/NO_SHARED_CIPHER|NO_SUITABLE/, 'the peer has no cipher or key that we have'],
  [/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/, 'the peer broke off the handshake: it may want a certificate of ours'],
  [/UNKNOWN_CA/, 'the peer does not trust the authority of our certificate'],
  [/CERTIFICATE_EXPIRED/, 'the peer says that our certificate has expired'],
  [/(?:BAD|UNSUPPORTED|UNKNOWN)_CERTIFICATE|CERTIFICATE_UNKNOWN|ACCESS_DENIED/, 'the peer refuses our certificate'],
]

/** Undefined when it is no matter of TLS. */
export const tlsTrouble = (code: string): string | undefined =>
  code.startsWith('ERR_SSL_') ? `TLS: ${IN_WORDS.find(([pattern]) => pattern.test(code))?.[1] ?? code}` : undefined
