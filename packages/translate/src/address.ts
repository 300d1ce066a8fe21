import { fail, ok, utf8Bytes, utf8Text, latin1Bytes } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { formatSipUri, textToUser, userToText } from '@stox/sip'
import type { NameAddr, SipUri } from '@stox/sip'
import { domainToAscii, escapeLocal, parseDomain, prepLocal, prepResource, unescapeLocal } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import type { SipFailure } from './sip-failure.ts'

/** Whether an XMPP resource travels as `gr`, or not at all (some servers match From against the AOR literally). */
export type GruuPolicy = 'raw' | 'off'

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

// U+0000–U+001F and U+007F, which no address of either side may hold.
const hasControl = (text: string): boolean => {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
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
    if (!user.ok) return fail(badAddress(400, 'Malformed user part', 'user part: bad escape or not UTF-8'))
    if (hasControl(user.value)) return fail(badAddress(400, 'Control character in the user part', 'user part: control'))
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
  const decoded = decodeEscapes(gruu)
  if (decoded === undefined || hasControl(decoded)) return fail(badAddress(400, 'Malformed gr', 'gr: bad escape'))
  const resource = prepResource(decoded)
  if (!resource.ok) return fail(badAddress(400, 'Malformed gr', resource.failure.detail))
  return ok({ local, domain: domain.value, resource: resource.value })
}

/** From, To or Contact as a JID. */
export const sipAddressToJid = (address: NameAddr): Result<Jid, SipFailure> =>
  sipUriToJid(address.uri, address.params.get('gr'))

const HEX_PAIR = /^[0-9A-Fa-f]{2}$/

/** Undefined when `%` is not followed by two hex digits or the octets are not UTF-8. */
function decodeEscapes(text: string): string | undefined {
  if (!text.includes('%')) return text
  const pieces = text.split('%')
  let octets = pieces[0] ?? ''
  for (const piece of pieces.slice(1)) {
    const pair = piece.slice(0, 2)
    if (!HEX_PAIR.test(pair)) return undefined
    octets += String.fromCharCode(Number.parseInt(pair, 16)) + piece.slice(2)
  }
  return utf8Text(latin1Bytes(octets))
}

const escapeOctets = (text: string, plain: (code: number) => boolean): string => {
  let escaped = ''
  for (const octet of utf8Bytes(text))
    escaped += plain(octet)
      ? String.fromCharCode(octet)
      : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
  return escaped
}

const tableOf = (characters: string): ((code: number) => boolean) => {
  const table = new Uint8Array(256)
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  for (const character of letters + characters) table[character.charCodeAt(0)] = 1
  return (code) => table[code] === 1
}

/** `pvalue`: unreserved and param-unreserved. @see RFC 3261 §25.1 */
const isGruuPlain = tableOf("-_.!~*'()[]/:&+$")
export const escapeGruu = (resource: string): string => escapeOctets(resource, isGruuPlain)

const NO_PARAMS: ReadonlyMap<string, string | undefined> = new Map()

/** An XMPP address as the SIP side knows it: one spelling per address. @see RFC 7247 §6.5 */
export function jidToSipUri(jid: Jid, gruu: GruuPolicy = 'raw'): SipUri {
  return {
    scheme: 'sip',
    // Unescaped strictly after case mapping, which parseJid has done.
    user: jid.local === undefined ? undefined : textToUser(unescapeLocal(jid.local)),
    password: undefined,
    host: domainToAscii(jid.domain),
    port: undefined,
    // The prose of step 8 says slash, its example `;gr=qux`: the example is right. @see RFC 5627 §3
    params:
      gruu === 'raw' && jid.resource !== undefined ? new Map([['gr', escapeGruu(jid.resource)]]) : NO_PARAMS,
    headers: undefined,
  }
}

export const jidToSipText = (jid: Jid, gruu: GruuPolicy = 'raw'): string => formatSipUri(jidToSipUri(jid, gruu))

/** The local part of `im:` and `pres:` URIs: a dot-atom. @see RFC 7247 §6.2, RFC 3859 §3.2 */
const isAtomText = tableOf("!#$&'*+-/=?^_{|}~`")

/** Never used for signalling: PIDF's `entity`, and CPIM. */
export function jidToInstantUri(scheme: 'im' | 'pres', jid: Jid): string {
  if (jid.local === undefined) return `${scheme}:${domainToAscii(jid.domain)}`
  const atoms = unescapeLocal(jid.local)
    .split('.')
    .map((atom) => escapeOctets(atom, isAtomText))
  // A dot is plain between atoms only.
  const local = atoms.includes('') ? atoms.join('%2E') : atoms.join('.')
  return `${scheme}:${local}@${domainToAscii(jid.domain)}`
}
