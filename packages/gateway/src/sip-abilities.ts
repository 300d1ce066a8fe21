import { RecentMap } from '@stox/kernel'
import type { Clock } from '@stox/kernel'
import type { MessageExtra } from '@stox/federation'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'

export type Ability = 'composing' | 'cpim' | 'html' | 'alternatives'

/** By what an Accept names. That somebody takes anything at all is said by those who never look at it. */
const ABILITY_OF: ReadonlyMap<string, Ability> = new Map([
  ['message/cpim', 'cpim'],
  ['text/html', 'html'],
  ['multipart/alternative', 'alternatives'],
])

/** Who refused a thing is not asked again for so long, unless he sends one himself. @see RFC 3994 §4, mapping C.8, C.9 */
const REFUSED_FOR_MS = 24 * 3_600_000
const MOST_REMEMBERED = 50_000

/**
 * What SIP users take beyond plain text: learned from what they send, what they refuse, and what their servers say that
 * they take. May be forgotten without harm.
 */
export class SipAbilities {
  readonly #clock: Clock
  readonly #known = new RecentMap<string, { readonly takes: boolean; readonly atMs: number }>(MOST_REMEMBERED)
  /** By domain: what each of its servers has said last. */
  #ofServers: ReadonlyMap<string, readonly ReadonlySet<Ability>[]> = new Map()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(user: Jid, ability: Ability, takes: boolean): void {
    this.#known.set(keyOf(user, ability), { takes, atMs: this.#clock.monotonicMs() })
  }

  /** What the servers of each domain say in the Accept of their answers to OPTIONS, all of them anew. @see RFC 3261 §11.2 */
  noteServers(accepts: ReadonlyMap<string, readonly (readonly string[])[]>): void {
    this.#ofServers = new Map([...accepts].map(([domain, all]) => [domain, all.map(abilitiesIn)]))
  }

  takes(user: Jid, ability: Ability, when: MessageExtra): boolean {
    if (when === 'never') return false
    const known = this.#known.get(keyOf(user, ability))
    if (known?.takes === false && this.#clock.monotonicMs() - known.atMs < REFUSED_FOR_MS) return false
    return when === 'always' || known?.takes === true || this.#allTake(user.domain, ability)
  }

  /** By which of its servers a message goes nobody knows beforehand. */
  #allTake(domain: string, ability: Ability): boolean {
    const servers = this.#ofServers.get(domain)
    return servers !== undefined && servers.length > 0 && servers.every((one) => one.has(ability))
  }
}

const keyOf = (user: Jid, ability: Ability): string => `${ability} ${formatBareJid(user)}`

/** Of `message/cpim, text/html;q=0.5`; what has q=0 is not taken. @see RFC 3261 §20.1 */
const abilitiesIn = (accept: readonly string[]): ReadonlySet<Ability> =>
  new Set(
    accept.flatMap((range) => {
      const [type = '', ...params] = range.split(';').map((one) => one.trim().toLowerCase())
      return params.some((one) => /^q *= *0(?:\.0*)?$/.test(one)) ? [] : (ABILITY_OF.get(type) ?? [])
    }),
  )
