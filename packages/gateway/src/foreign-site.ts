import { NamedTimers } from '@stox/kernel'
import type { Timer } from '@stox/kernel'
import type { PublicationRow } from '@stox/admin-api'
import { nameOfPublication } from '@stox/sip-engine'
import type { Jid } from '@stox/xmpp'
import type { ForeignUser } from './foreign-user.ts'
import { ownJid } from './watch-effects.ts'
import type { WatchEntry } from './watch-entry.ts'

/** A foreign user, and what we hold for him. */
export interface ForeignSite {
  readonly id: string
  readonly jid: Jid
  user: ForeignUser
  key: string | undefined
  etag: string | null
  /** Everything between him and the users of the server. */
  readonly watches: Map<string, WatchEntry>
  readonly timers: NamedTimers<string>
  settling: Timer | undefined
  /** What a process before this one has left, and nothing done for it since. */
  awaitsResumption: boolean
  joined: boolean
  /** His server may have forgotten him. */
  doubtful: boolean
  /** Who is shown what he may not see, so that nothing is published. */
  withheldFrom: string | undefined
}

export const newForeignSite = (id: string, user: ForeignUser): ForeignSite => ({
  id,
  jid: ownJid(user.user),
  user,
  key: undefined,
  etag: user.publication.etag,
  watches: new Map(),
  timers: new NamedTimers(),
  settling: undefined,
  awaitsResumption: false,
  joined: false,
  doubtful: false,
  withheldFrom: undefined,
})

/** One word for the API and the gauge. */
export function stateOfSite({ user, withheldFrom }: ForeignSite): PublicationRow['state'] {
  const name = nameOfPublication(user.publication)
  if (user.leaving || name === 'ended') return 'leaving'
  return name === 'idle' && withheldFrom !== undefined ? 'withheld' : name
}
