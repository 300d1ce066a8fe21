import { fail, ok } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { formatSipUri, newSipUri, textToImUser, uriParamToText, userToText } from '@stox/sip'
import type { NameAddr, SipUri } from '@stox/sip'
import { domainToAscii, escapeLocal, parseDomain, prepLocal, prepResource, unescapeLocal } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import type { SipFailure } from './sip-failure.ts'

/** Stands for resources that SIP is not to see: they can be long, and tell the name of a client. */
export interface GruuTokens {
  /** A token for the resource of a full JID, always the same. */
  tokenOf(jid: Jid): string
}

/**
 * How an XMPP resource travels: as `gr`, as a token in `gr`, or not at all (some servers match From against the AOR
 * literally). @see mapping A.5
 */
export type GruuPolicy = 'raw' | 'off' | GruuTokens

/** For a resource that the SIP side made: it has nothing to hide from it. */
export const asLearned = (gruu: GruuPolicy): GruuPolicy => (gruu === 'off' ? 'off' : 'raw')

const badAddress = (status: 400 | 404 | 416, text: string, detail: string): SipFailure => ({
  fault: 'sender',
  retry: 'after-change',
  condition: status === 404 ? 'item-not-found' : 'jid-malformed',
  status,
  text,
  detail,
})

/** XMPP cannot promise TLS on every hop. @see RFC 7247 §8, RFC 5630 §5 */
const sipsNotAllowed: SipFailure = {
  fault: 'sender',
  retry: 'after-change',
  condition: 'not-acceptable',
  status: 480,
  text: 'SIPS Not Allowed',
  headers: [['Warning', '380 stox "SIPS Not Allowed"']],
  detail: 'a sips URI is not translated',
}

/** A SIP address as the XMPP side knows it; `gr` outside the angle brackets is what some write. @see RFC 7247 §6.4 */
export function sipUriToJid(uri: SipUri, gruuOutside?: string): Result<Jid, SipFailure> {
  if (uri.scheme === 'sips') return fail(sipsNotAllowed)
  if (uri.scheme !== 'sip' && uri.scheme !== 'im' && uri.scheme !== 'pres')
    return fail(badAddress(416, 'Unsupported URI Scheme', `scheme ${uri.scheme}`))

  let local: string | undefined
  if (uri.user !== undefined) {
    // Step 3: decoded once, never again.
    const user = userToText(uri.user)
    if (!user.ok) return fail(badAddress(400, 'Malformed user part', user.failure.detail))
    if (user.value.startsWith(' ') || user.value.endsWith(' '))
      return fail(badAddress(404, 'No such user can exist', 'user part: space at its edge'))
    // Step 5 with all ten escapes: after step 3 any of the ten characters may be present. @see XEP-0106 §4
    const prepared = prepLocal(escapeLocal(user.value))
    if (!prepared.ok) return fail(badAddress(404, 'No such user can exist', prepared.failure.detail))
    local = prepared.value
  }

  const domain = parseDomain(uri.host)
  if (!domain.ok) return fail(badAddress(404, 'No such domain can exist', domain.failure.detail))

  // Step 8. `gr` without a value marks a temporary GRUU, which is outside the mapping.
  const gruu = uri.params.get('gr') ?? gruuOutside
  if (gruu === undefined || gruu === '') return ok({ local, domain: domain.value, resource: undefined })
  const decoded = uriParamToText(gruu)
  if (!decoded.ok) return fail(badAddress(400, 'Malformed gr', decoded.failure.detail))
  const resource = prepResource(decoded.value)
  if (!resource.ok) return fail(badAddress(400, 'Malformed gr', resource.failure.detail))
  return ok({ local, domain: domain.value, resource: resource.value })
}

/** From, To or Contact as a JID. */
export const sipAddressToJid = (address: NameAddr): Result<Jid, SipFailure> =>
  sipUriToJid(address.uri, address.params.get('gr'))

/** As it was asked for last: an address that was read is the same object each time, and so are our policies. */
const known = new WeakMap<Jid, { readonly gruu: GruuPolicy; readonly uri: SipUri }>()

/** An XMPP address as the SIP side knows it: one spelling per address. @see RFC 7247 §6.5 */
export function jidToSipUri(jid: Jid, gruu: GruuPolicy = 'raw'): SipUri {
  const found = known.get(jid)
  if (found?.gruu === gruu) return found.uri
  const uri = toSipUri(jid, gruu)
  known.set(jid, { gruu, uri })
  return uri
}

function toSipUri(jid: Jid, gruu: GruuPolicy): SipUri {
  return newSipUri({
    // Unescaped strictly after case mapping, which parseJid has done.
    ...(jid.local === undefined ? {} : { user: unescapeLocal(jid.local) }),
    host: domainToAscii(jid.domain),
    // The prose of step 8 says slash, its example `;gr=qux`: the example is right. @see RFC 5627 §3
    ...(gruu === 'off' || jid.resource === undefined ? {} : { gr: gruu === 'raw' ? jid.resource : gruu.tokenOf(jid) }),
  })
}

export const jidToSipText = (jid: Jid, gruu: GruuPolicy = 'raw'): string => formatSipUri(jidToSipUri(jid, gruu))

/** Never used for signalling: PIDF's `entity`, and CPIM. */
export function jidToInstantUri(scheme: 'im' | 'pres', jid: Jid): string {
  const user = jid.local === undefined ? '' : `${textToImUser(unescapeLocal(jid.local))}@`
  return `${scheme}:${user}${domainToAscii(jid.domain)}`
}
