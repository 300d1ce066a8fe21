import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { CertificateFailure } from './certificate-failure.ts'
import { shown } from './certificate-failure.ts'
import type { PresentedName } from './certificate-names.ts'
import type { Certificate } from './certificate.ts'

/** The name that did it. */
export interface IdentityMatch {
  readonly by: PresentedName['kind']
  readonly presented: string
}

const ORDER = ['dns', 'srv', 'xmpp-addr'] as const satisfies readonly PresentedName['kind'][]

/**
 * Whether a certificate is for a domain, in A-labels: of a peer we went to the domain we wanted, never the target of
 * its SRV record; of a peer that came to us the `from` of its stream. The subject's CN says nothing.
 * @see RFC 6120 §13.7.2 and RFC 9525 §6
 */
export function matchIdentity(
  domain: string,
  certificate: Pick<Certificate, 'names'>,
): Result<IdentityMatch, CertificateFailure> {
  const wanted = domain.toLowerCase()
  const names = certificate.names.presented.filter(isOfServer)
  for (const kind of ORDER) {
    const match = names.find((name) => name.kind === kind && isFor(name.domain, wanted))
    if (match !== undefined) return ok({ by: kind, presented: nameText(match) })
  }
  const listed = names.slice(0, 10).map(nameText)
  const others = names.length > listed.length ? ` and ${names.length - listed.length} more` : ''
  const has = listed.length === 0 ? 'for no XMPP domain at all' : `for ${listed.join(', ')}${others}`
  const whose = shown(domain)
  return fail({
    kind: 'wrong-name',
    text: `The certificate is ${has}, not for ${whose}; the peer needs one with the DNS name ${whose}.`,
    detail: `${names.length} names, none matches ${whose}`,
  })
}

/** As a session list shows it. */
export const nameText = ({ kind, service, domain }: PresentedName): string =>
  kind === 'srv' ? `_${service}.${domain}` : kind === 'xmpp-addr' ? `xmpp:${domain}` : domain

/** A SRVName is for one service. @see RFC 6120 §13.7.1.2.1 */
const isOfServer = ({ kind, service }: PresentedName): boolean => kind !== 'srv' || service === 'xmpp-server'

/** A wildcard is for exactly one label. @see RFC 9525 §6.3 */
function isFor(presented: string, wanted: string): boolean {
  if (!presented.startsWith('*.')) return presented === wanted
  const dot = wanted.indexOf('.')
  return dot > 0 && wanted.slice(dot) === presented.slice(1)
}
