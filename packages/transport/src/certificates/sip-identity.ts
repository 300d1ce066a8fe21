import type { Certificate } from './certificate.ts'

/**
 * The SIP domains that a certificate is for: those of its SIP URIs, and only without any the DNS names. No wildcards.
 * DEVIATION: the subject's CN, which the RFC leaves to taste, says nothing, as it does for XMPP. @see RFC 5922 §7.1, §7.2
 */
export function sipDomainsOf({ names }: Pick<Certificate, 'names'>): readonly string[] {
  if (names.sipDomains.length > 0) return names.sipDomains
  return names.presented.flatMap(({ kind, domain }) => (kind === 'dns' && !domain.startsWith('*.') ? [domain] : []))
}
