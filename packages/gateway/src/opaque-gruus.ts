import { RecentMap } from '@stox/kernel'
import type { Hashes } from '@stox/kernel'
import { formatBareJid, formatJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import type { GruuTokens } from '@stox/translate'

const MOST_REMEMBERED = 50_000
const TOKEN_LENGTH = 20

/**
 * Tokens in place of resources, and the way back. Made with the secret of the model, so that nobody can guess a resource
 * and look it up; the same after a restart, when the way back is not known until the resource is seen again: till then it
 * is the bare address. @see mapping A.5
 */
export class OpaqueGruus implements GruuTokens {
  readonly #hashes: Hashes
  readonly #secret: () => string
  readonly #tokens = new RecentMap<string, string>(MOST_REMEMBERED)
  readonly #resources = new RecentMap<string, string>(MOST_REMEMBERED)

  constructor(hashes: Hashes, secret: () => string) {
    this.#hashes = hashes
    this.#secret = secret
  }

  tokenOf(jid: Jid): string {
    const full = formatJid(jid)
    let token = this.#tokens.get(full)
    if (token === undefined) {
      token = this.#hashes.hmacSha256Hex(this.#secret(), `gr ${full}`).slice(0, TOKEN_LENGTH)
      this.#tokens.set(full, token)
      this.#resources.set(keyOf(jid, token), jid.resource ?? '')
    }
    return token
  }

  /** An address whose resource is a token of ours, as it is in XMPP. */
  resolve(jid: Jid): Jid {
    if (jid.resource === undefined) return jid
    return { ...jid, resource: this.#resources.get(keyOf(jid, jid.resource)) }
  }
}

const keyOf = (jid: Jid, token: string): string => `${formatBareJid(jid)} ${token}`
