import { RecentMap } from '@stox/kernel'
import type { Hashes } from '@stox/kernel'
import { formatPidf } from '@stox/sip'
import { presenceToPidf } from '@stox/translate'
import type { GruuPolicy, PresenceDocument, ResourcePresence } from '@stox/translate'
import { formatBareJid } from '@stox/xmpp'

const MOST_KEPT = 500
/** What is older says another time of day. */
const KEPT_MS = 1000

export type ShownPresence = Pick<PresenceDocument, 'contact' | 'available' | 'gone' | 'atMs'>

/** Documents for watchers. A change goes to all who watch one contact within a moment: it is written once. */
export class WrittenPresence {
  readonly #hashes: Hashes
  readonly #gruu: GruuPolicy
  readonly #written = new RecentMap<string, { readonly body: string; readonly atMs: number }>(MOST_KEPT)

  constructor(hashes: Hashes, gruu: GruuPolicy) {
    this.#hashes = hashes
    this.#gruu = gruu
  }

  of(shown: ShownPresence): string {
    const key = JSON.stringify([formatBareJid(shown.contact), shown.available.map(saidBy), shown.gone])
    const known = this.#written.get(key)
    if (known !== undefined && Math.abs(shown.atMs - known.atMs) < KEPT_MS) return known.body
    const body = formatPidf(presenceToPidf({ ...shown, gruu: this.#gruu }, this.#hashes))
    this.#written.set(key, { body, atMs: shown.atMs })
    return body
  }
}

/** The time at which each watch has heard it is not said. */
const saidBy = (one: ResourcePresence): ResourcePresence => ({ ...one, atMs: 0 })
