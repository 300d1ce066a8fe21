import tr46 from 'tr46'
import { RecentMap, fail, ok, utf8Bytes, utf8Text } from '@stox/kernel'
import type { Brand, Result } from '@stox/kernel'

/** A domain in normal form: U-labels, lower case, no trailing dot. */
export type DomainName = Brand<string, 'DomainName'>

export interface JidFailure {
  readonly kind: 'jid-malformed'
  readonly detail: string
}

const malformed = (detail: string): Result<never, JidFailure> => fail({ kind: 'jid-malformed', detail })

/** Lower-case LDH labels; what has two hyphens in a row takes the long way, as an A-label has. */
const PLAIN_DOMAIN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/
/** Of U-labels; UTS 46 lets symbols through that IDNA 2008 does not. @see RFC 5892 §3 */
const IDNA_2008 =
  /^[.a-z0-9\-\p{Ll}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}\xb7\u0375\u05f3\u05f4\u06fd\u06fe\u0f0b\u200c-\u200d\u3007\u30fb]+$/u
const UTS_46 = {
  checkHyphens: true,
  checkBidi: true,
  checkJoiners: true,
  useSTD3ASCIIRules: true,
  transitionalProcessing: false,
} as const

const domains = new RecentMap<string, DomainName>(2_000)

/** @see RFC 7622 §3.2 */
export function parseDomain(text: string): Result<DomainName, JidFailure> {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text
  if (bare === '' || bare.length > 1023) return malformed('a domain without characters, or with too many')
  if (bare.length <= 253 && PLAIN_DOMAIN.test(bare) && !bare.includes('--')) return ok(bare as DomainName)
  const known = domains.get(bare)
  if (known !== undefined) return ok(known)
  if (bare.startsWith('[')) return isIpv6(bare) ? ok(bare.toLowerCase() as DomainName) : malformed('a bad IP literal')

  const { domain, error } = tr46.toUnicode(bare, UTS_46)
  const ascii = error ? null : tr46.toASCII(domain, { ...UTS_46, verifyDNSLength: true })
  if (ascii === null || !IDNA_2008.test(domain)) return malformed('labels that are not of a domain name')
  domains.set(utf8Text(utf8Bytes(bare))!, domain as DomainName) // a copy: `bare` may be a slice of a whole chunk
  return ok(domain as DomainName)
}

/** With A-labels: for DNS, TLS and SIP. */
export function domainToAscii(domain: DomainName): string {
  if (/^[\0-\x7f]*$/.test(domain)) return domain
  const ascii = tr46.toASCII(domain, UTS_46)
  if (ascii === null) throw new RangeError(`not a domain in normal form: ${JSON.stringify(domain)}`)
  return ascii
}

/** `[…]` around eight groups of hexadecimal digits, or fewer and one `::`; the last two may be an IPv4 address. */
function isIpv6(literal: string): boolean {
  const inner = /^\[([0-9A-Fa-f:.]{2,45})\]$/.exec(literal)?.[1]
  if (inner === undefined) return false
  const address = inner.replace(/:(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/, (whole, ...octets) =>
    octets.slice(0, 4).every((octet) => Number(octet) < 256) ? ':0:0' : whole,
  )
  const halves = address.split('::')
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')))
  if (halves.length > 2 || !groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false
  return halves.length === 2 ? groups.length <= 7 : groups.length === 8
}
