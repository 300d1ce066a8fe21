import { latin1Text, utf8Text } from '@stox/kernel'
import { domainToAscii, parseDomain } from '@stox/xmpp'
import type { DerValue } from './der.ts'
import { DER, contextTag, derAt, derSequence, derValues, oidOf, onlyDer } from './der.ts'

/** A domain that a certificate says it is for, in the three forms that mean something to XMPP. @see RFC 6120 §13.7.1.2 */
export interface PresentedName {
  readonly kind: 'dns' | 'srv' | 'xmpp-addr'
  /** A-labels in lower case; `dns` and `srv` may have `*` for their left-most label. */
  readonly domain: string
  /** Of `srv`: without its underscore, in lower case. */
  readonly service?: string
}

/** The subject alternative names of a certificate. */
export interface AlternativeNames {
  /** Those that are well-formed; what is not can never match. */
  readonly presented: readonly PresentedName[]
  /** The hosts of URIs that name a SIP domain and nobody in it. @see RFC 5922 §7.1 */
  readonly sipDomains: readonly string[]
  /** The forms (`GeneralName` tag numbers) that occur at all. */
  readonly forms: ReadonlySet<number>
}

export interface NameConstraints {
  /** Undefined: not constrained. In lower case; a leading dot means names below it only. */
  readonly permittedDns: readonly string[] | undefined
  readonly excludedDns: readonly string[]
  /** Distinguished names, encoded without their header, one of which a subject has to begin with. */
  readonly permittedDirectories: readonly string[] | undefined
  /** Forms that are constrained in a way that is not looked into. */
  readonly otherForms: ReadonlySet<number>
}

/** The tag numbers of `GeneralName`. @see RFC 5280 §4.2.1.6 */
const FORM = { otherName: 0, dnsName: 2, directoryName: 4, uri: 6 } as const
const IA5_STRING = 0x16
const ID_ON_XMPP_ADDR = '1.3.6.1.5.5.7.8.5'
const ID_ON_DNS_SRV = '1.3.6.1.5.5.7.8.7'
/** Letters, digits and hyphens, as in DNS; the last label of an address would be a number. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** @see RFC 5280 §4.2.1.6 */
export function readAlternativeNames(extension: Uint8Array): AlternativeNames | undefined {
  const values = derSequence(extension)
  if (values === undefined || values.length === 0) return undefined
  const presented: PresentedName[] = []
  const sipDomains: string[] = []
  const forms = new Set<number>()
  for (const value of values) {
    if (!isGeneralName(value)) return undefined
    const form = value.tag & 0x1f
    forms.add(form)
    const name = form === FORM.dnsName ? dnsName(value) : form === FORM.otherName ? otherName(value) : undefined
    if (name !== undefined) presented.push(name)
    const sipDomain = form === FORM.uri ? sipDomainOf(latin1Text(value.content)) : undefined
    if (sipDomain !== undefined) sipDomains.push(sipDomain)
  }
  return { presented, sipDomains, forms }
}

const isGeneralName = (value: DerValue): boolean => value.tag >= 0x80 && value.tag < 0xc0 && (value.tag & 0x1f) <= 8

function dnsName(value: DerValue): PresentedName | undefined {
  const domain = hostOf(latin1Text(value.content))
  return domain === undefined ? undefined : { kind: 'dns', domain }
}

/** A URI with a user is a person's, not a domain's; one with a wildcard is nobody's. @see RFC 5922 §7.1, §7.2 */
function sipDomainOf(uri: string): string | undefined {
  const domain = hostOf(/^sips?:([^@:;?]+)$/i.exec(uri)?.[1] ?? '')
  return domain?.startsWith('*') === true ? undefined : domain
}

/** @see RFC 6120 §13.7.1.4 and RFC 4985 §2 */
function otherName(value: DerValue): PresentedName | undefined {
  const [type, explicit] = derValues(value.content, 2) ?? []
  const inner = explicit?.tag === contextTag(0, 'constructed') ? derAt(explicit.content, 0) : undefined
  if (inner === undefined || inner.whole.length !== explicit?.content.length) return undefined
  const oid = oidOf(type)
  if (oid === ID_ON_XMPP_ADDR && inner.tag === DER.utf8String) return xmppAddr(utf8Text(inner.content))
  if (oid === ID_ON_DNS_SRV && inner.tag === IA5_STRING) return srvName(latin1Text(inner.content))
  return undefined
}

/** A server's is a domain alone: one with a local part or a resource is no server's. */
function xmppAddr(text: string | undefined): PresentedName | undefined {
  const domain = text === undefined ? undefined : parseDomain(text)
  const ascii = domain?.ok === true ? hostOf(domainToAscii(domain.value)) : undefined
  return ascii === undefined ? undefined : { kind: 'xmpp-addr', domain: ascii }
}

function srvName(text: string): PresentedName | undefined {
  const [, service, rest] = /^_([A-Za-z0-9-]{1,63})\.(.+)$/s.exec(text) ?? []
  const domain = rest === undefined ? undefined : hostOf(rest)
  return domain === undefined || service === undefined
    ? undefined
    : { kind: 'srv', domain, service: service.toLowerCase() }
}

/** In lower case, when it is a name of DNS, perhaps with a wildcard before at least two labels. */
function hostOf(text: string): string | undefined {
  if (text.length > 253) return undefined
  const host = text.toLowerCase()
  const isWild = host.startsWith('*.')
  const plain = isWild ? host.slice(2) : host
  return HOST.test(plain) && (!isWild || plain.includes('.')) ? host : undefined
}

/** @see RFC 5280 §4.2.1.10 */
export function readNameConstraints(extension: Uint8Array): NameConstraints | undefined {
  const parts = derSequence(extension)
  if (parts === undefined || parts.length === 0) return undefined
  const permittedDns: string[] = []
  const excludedDns: string[] = []
  const permittedDirectories: string[] = []
  const otherForms = new Set<number>()
  let step = -1
  for (const part of parts) {
    const number = part.tag & 0x1f
    const subtrees = derValues(part.content)
    if (part.tag !== contextTag(number, 'constructed') || number > 1 || number <= step || subtrees === undefined)
      return undefined
    step = number
    for (const subtree of subtrees) {
      // A minimum or maximum is not to be used: one value in the subtree, or it cannot be read.
      const [base, ...rest] = (subtree.tag === DER.sequence ? derValues(subtree.content, 3) : undefined) ?? []
      if (base === undefined || rest.length > 0 || !isGeneralName(base)) return undefined
      const form = base.tag & 0x1f
      if (form === FORM.dnsName) {
        const domain = latin1Text(base.content).toLowerCase()
        if (domain !== '' && !HOST.test(domain.startsWith('.') ? domain.slice(1) : domain)) return undefined
        ;(number === 0 ? permittedDns : excludedDns).push(domain)
      } else if (form === FORM.directoryName && number === 0) {
        const directory = onlyDer(base.content, DER.sequence)
        if (directory === undefined) return undefined
        permittedDirectories.push(latin1Text(directory.content))
      } else otherForms.add(form)
    }
  }
  return {
    permittedDns: permittedDns.length === 0 ? undefined : permittedDns,
    excludedDns,
    permittedDirectories: permittedDirectories.length === 0 ? undefined : permittedDirectories,
    otherForms,
  }
}

/**
 * What in a certificate below breaks the constraints. All forms of a domain are held to the constraints on dNSName,
 * which is more than the RFC asks: else an authority for `example.org` could vouch, by id-on-xmppAddr or a SIP URI, for
 * any domain.
 */
export function breachOf(
  constraints: NameConstraints,
  below: { readonly subject: string; readonly names: AlternativeNames },
): string | undefined {
  const { permittedDns, excludedDns, permittedDirectories, otherForms } = constraints
  const unread = [...otherForms].find(
    (form) => below.names.forms.has(form) || (form === FORM.directoryName && below.subject !== ''),
  )
  if (unread !== undefined) return `a name of form ${unread}, whose constraint cannot be judged`
  if (permittedDirectories !== undefined) {
    const isOutside = !permittedDirectories.some((directory) => below.subject.startsWith(directory))
    if (below.names.forms.has(FORM.directoryName) || (isOutside && below.subject !== '')) return 'its subject'
  }
  const { presented, sipDomains } = below.names
  return [...presented.map(({ domain }) => domain), ...sipDomains].find(
    (domain) =>
      (permittedDns !== undefined && !permittedDns.some((base) => isWithin(domain, base))) ||
      excludedDns.some((base) => isWithin(domain, base) || couldBeWithin(domain, base)),
  )
}

const isWithin = (domain: string, base: string): boolean =>
  base === '' || domain === base || domain.endsWith(base.startsWith('.') ? base : `.${base}`)

/** Whether a wildcard takes in names of the subtree. */
const couldBeWithin = (domain: string, base: string): boolean =>
  domain.startsWith('*.') && base.endsWith(domain.slice(1))
