import { RecentMap } from '@stox/kernel'
import { formatBareJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import { displayText } from '@stox/translate'

const MOST_NAMES = 50_000

/** The names by which SIP users go, as their clients last wrote them. May be forgotten without harm. */
export class DisplayNames {
  readonly #names = new RecentMap<string, string>(MOST_NAMES)

  note(user: Jid, name: string | undefined): void {
    const shown = name === undefined ? '' : displayText(name)
    if (shown !== '') this.#names.set(formatBareJid(user), shown)
  }

  of(user: Jid): string | undefined {
    return this.#names.get(formatBareJid(user))
  }
}
