import type { FederationIndex } from '@stox/federation'
import type { Clock, Log } from '@stox/kernel'
import type { ReadyCheck } from '@stox/telemetry'
import type { TlsIdentity } from '@stox/transport'

export interface CertificateGapsDeps {
  /** Its certificates may be replaced while we run. */
  readonly tls: Pick<TlsIdentity, 'expiries'>
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log: Pick<Log, 'warn'>
  index(): FederationIndex
}

/** Served domains to which no partner can come with TLS: they have no certificate, or one that has expired. */
export class CertificateGaps {
  readonly #deps: CertificateGapsDeps
  #said = ''

  constructor(deps: CertificateGapsDeps) {
    this.#deps = deps
  }

  /** At the start, and whenever the served domains may have changed; the same once. */
  warn(): void {
    const missing = this.#missing().join('; ')
    if (missing !== '' && missing !== this.#said) {
      const advice = 'see xmpp.certificates of edge.yaml: until then partners can use neither TLS nor SASL with it'
      this.#deps.log.warn('served-domain-without-certificate', { missing, advice })
    }
    this.#said = missing
  }

  /** The other domains are served all the same. */
  report(): ReadyCheck {
    const missing = this.#missing()
    return { ok: true, detail: missing.length === 0 ? 'every served domain has one' : missing.join('; ') }
  }

  #missing(): readonly string[] {
    const { tls, clock, index } = this.#deps
    const expiries = new Map(tls.expiries().map(({ domain, notAfterMs }) => [domain, notAfterMs]))
    return index().model.localDomains.flatMap(({ domain }) => {
      const notAfterMs = expiries.get(domain)
      if (notAfterMs === undefined) return [`${domain} has no certificate`]
      if (notAfterMs > clock.wallMs()) return []
      return [`the certificate of ${domain} expired on ${new Date(notAfterMs).toISOString().slice(0, 10)}`]
    })
  }
}
