import { RecentMap, fail, ok, utf8Bytes, utf8Length, utf8Text } from '@stox/kernel'
import type { Result } from '@stox/kernel'
import { parseDomain } from './domain.ts'
import type { DomainName, JidFailure } from './domain.ts'
import { opaqueString, usernameCaseMapped } from './precis.ts'

/** An address in normal form: compare parts with `===`. @see RFC 7622 §3 */
export interface Jid {
  readonly local: string | undefined
  readonly domain: DomainName
  readonly resource: string | undefined
}

/** An address that was read has its texts at hand: what it is looked up by, logged and journalled. */
class ReadJid implements Jid {
  readonly local: string | undefined
  readonly domain: DomainName
  readonly resource: string | undefined
  readonly #bare: Jid
  readonly #bareText: string
  readonly #text: string

  constructor(local: string | undefined, domain: DomainName, resource: string | undefined) {
    this.local = local
    this.domain = domain
    this.resource = resource
    this.#bare = resource === undefined ? this : new ReadJid(local, domain, undefined)
    this.#bareText = bareText(this)
    this.#text = resource === undefined ? this.#bareText : `${this.#bareText}/${resource}`
  }

  static bare(jid: ReadJid): Jid {
    return jid.#bare
  }

  static bareText(jid: ReadJid): string {
    return jid.#bareText
  }

  static text(jid: ReadJid): string {
    return jid.#text
  }
}

const bareText = ({ local, domain }: Jid): string => (local === undefined ? domain : `${local}@${domain}`)

const malformed = (detail: string): Result<never, JidFailure> => fail({ kind: 'jid-malformed', detail })

const MAX_PART_BYTES = 1023
/** ASCII that needs no mapping and is not excluded. @see RFC 7622 §3.3.1 */
const PLAIN_LOCAL = /^[!#-%(-.0-9;=?A-Z[-~]{1,1023}$/
const EXCLUDED_FROM_LOCAL = /["&'/:<>@]/
const PLAIN_RESOURCE = /^[!-~](?:[ -~]{0,1021}[!-~])?$/

/** Twice as many at most, and only short ones: some megabytes. */
const MAX_CACHED = 10_000
const MAX_CACHED_LENGTH = 256
const jids = new RecentMap<string, Jid>(MAX_CACHED)

/** In normal form, or refused. @see RFC 7622 §3.1 */
export function parseJid(text: string): Result<Jid, JidFailure> {
  const known = jids.get(text)
  if (known !== undefined) return ok(known)
  if (text.length > 3 * MAX_PART_BYTES + 2) return malformed('too long')
  // A copy of its own: the text may be a slice of a whole chunk, which the cache would keep alive.
  const own = utf8Text(utf8Bytes(text)) ?? text
  if (own !== text) return malformed('a lone surrogate')
  const jid = parseParts(own)
  if (jid.ok && own.length <= MAX_CACHED_LENGTH) jids.set(own, jid.value)
  return jid
}

/** The first `/` ends the bare part, then the first `@` ends the local part: in that order. */
function parseParts(text: string): Result<Jid, JidFailure> {
  const slash = text.indexOf('/')
  const bare = slash < 0 ? text : text.slice(0, slash)
  const at = bare.indexOf('@')
  const domain = parseDomain(bare.slice(at + 1))
  if (!domain.ok) return domain
  const local = at < 0 ? ok(undefined) : prepLocal(bare.slice(0, at))
  if (!local.ok) return local
  const resource = slash < 0 ? ok(undefined) : prepResource(text.slice(slash + 1))
  if (!resource.ok) return resource
  return ok(new ReadJid(local.value, domain.value, resource.value))
}

export function formatJid(jid: Jid): string {
  if (jid instanceof ReadJid) return ReadJid.text(jid)
  return jid.resource === undefined ? bareText(jid) : `${bareText(jid)}/${jid.resource}`
}

export function bareJid(jid: Jid): Jid {
  if (jid instanceof ReadJid) return ReadJid.bare(jid)
  return jid.resource === undefined ? jid : { local: jid.local, domain: jid.domain, resource: undefined }
}

export const formatBareJid = (jid: Jid): string => (jid instanceof ReadJid ? ReadJid.bareText(jid) : bareText(jid))

export const sameBareJid = (a: Jid, b: Jid): boolean => a.local === b.local && a.domain === b.domain

/** UsernameCaseMapped, without the characters that a local part must not have. @see RFC 7622 §3.3 */
export function prepLocal(text: string): Result<string, JidFailure> {
  if (PLAIN_LOCAL.test(text)) return ok(/[A-Z]/.test(text) ? text.toLowerCase() : text)
  if (text.length > MAX_PART_BYTES) return malformed('a local part too long')
  const local = usernameCaseMapped(text)
  if (local === undefined || EXCLUDED_FROM_LOCAL.test(local)) return malformed('a bad local part')
  if (utf8Length(local) > MAX_PART_BYTES) return malformed('a local part too long')
  return ok(local)
}

/** OpaqueString, without space at its ends. @see RFC 7622 §3.4, §3.5 table 2 */
export function prepResource(text: string): Result<string, JidFailure> {
  if (PLAIN_RESOURCE.test(text)) return ok(text)
  if (text.length > MAX_PART_BYTES) return malformed('a resource too long')
  const resource = opaqueString(text)
  if (resource === undefined || resource.startsWith(' ') || resource.endsWith(' ')) return malformed('a bad resource')
  if (utf8Length(resource) > MAX_PART_BYTES) return malformed('a resource too long')
  return ok(resource)
}
