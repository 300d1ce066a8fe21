import { toASCII, toUnicode } from 'tr46'

const RULES = {
  checkBidi: true,
  checkHyphens: true,
  checkJoiners: true,
  useSTD3ASCIIRules: true,
  transitionalProcessing: false,
} as const

/**
 * The one spelling under which a domain is stored and looked up: the U-label form, lower case, without a trailing dot.
 * Undefined when it is no domain name. The same form as `DomainName` in `@stox/xmpp`. @see RFC 7622 §3.2
 */
export function normaliseDomain(text: string): string | undefined {
  const bare = text.trim().replace(/\.$/, '')
  const unicode = toUnicode(bare, RULES)
  if (bare === '' || unicode.error || domainToAscii(unicode.domain) === undefined) return undefined
  return unicode.domain
}

/** The A-label form, as DNS and SIP spell it; undefined when DNS could not carry it. @see RFC 5890 §2.3.2.1 */
export const domainToAscii = (domain: string): string | undefined =>
  toASCII(domain, { ...RULES, verifyDNSLength: true }) ?? undefined
