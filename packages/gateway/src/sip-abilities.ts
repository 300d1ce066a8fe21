import { RecentMap } from '@stox/kernel'
import type { Clock } from '@stox/kernel'
import type { MessageExtra } from '@stox/federation'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'

export type Ability = 'composing' | 'cpim' | 'html'

/** Who refused a thing is not asked again for so long, unless he sends one himself. @see RFC 3994 §4, mapping C.8, C.9 */
const REFUSED_FOR_MS = 24 * 3_600_000
const MOST_REMEMBERED = 50_000

/** What SIP users take beyond plain text: learned from what they send and what they refuse. May be forgotten without harm. */
export class SipAbilities {
  readonly #clock: Clock
  readonly #known = new RecentMap<string, { readonly takes: boolean; readonly atMs: number }>(MOST_REMEMBERED)

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(user: Jid, ability: Ability, takes: boolean): void {
    this.#known.set(keyOf(user, ability), { takes, atMs: this.#clock.monotonicMs() })
  }

  takes(user: Jid, ability: Ability, when: MessageExtra): boolean {
    if (when === 'never') return false
    const known = this.#known.get(keyOf(user, ability))
    if (known?.takes === false && this.#clock.monotonicMs() - known.atMs < REFUSED_FOR_MS) return false
    return when === 'always' || known?.takes === true
  }
}

const keyOf = (user: Jid, ability: Ability): string => `${ability} ${formatBareJid(user)}`
