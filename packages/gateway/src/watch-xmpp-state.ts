import type { Ids } from '@stox/kernel'
import type { NotifierState, SubscribeRules } from '@stox/sip-engine'
import { newPresence } from '@stox/xmpp'
import type { Jid, NewPresence } from '@stox/xmpp'
import { Turn, ownJid } from './watch-effects.ts'
import type { WatchEffect } from './watch-effects.ts'
import { NOTHING_SEEN } from './watch-xmpp-resources.ts'
import type { SeenResources } from './watch-xmpp-resources.ts'
import type { WrittenPresence } from './written-presence.ts'

/**
 * A SIP user watches an XMPP user: we are the notifier, with one dialog for each of his devices, and behave to the
 * contact's server as the watcher's server. Plain JSON. @see RFC 8048 §5.3, mapping D.1, D.3
 */
export interface XmppWatch extends SeenResources {
  /** Bare addresses, as JIDs are written. */
  readonly watcher: string
  readonly contact: string
  /** `none`: a poll; `pending`: we have asked the contact; `denied`: he has said no. */
  readonly authorization: 'none' | 'pending' | 'active' | 'denied'
  readonly pendingSinceMs: number | null
  readonly deniedUntilMs: number | null
  /** When `subscribe` last left; null: never for sure. */
  readonly askedAtMs: number | null
  readonly probedAtMs: number | null
  readonly dialogs: readonly NotifierState[]
  /** Since when nothing can be sent to the contact's domain. */
  readonly troubleSinceMs: number | null
  /** The dialogs of before a restart have not been told anything yet. */
  readonly resuming: boolean
}

export interface XmppWatchContext {
  readonly nowMs: number
  readonly ids: Ids
  readonly documents: Pick<WrittenPresence, 'of'>
  readonly rules: SubscribeRules
  /** What the contact shows is published for the watcher's server: it is kept up without any dialog of ours. */
  readonly publishes: boolean
  /** The contact is shown this SIP user's presence by a dialog of the other direction. */
  isShownToContact(): boolean
}

export const newXmppWatch = (watcher: string, contact: string): XmppWatch => ({
  watcher,
  contact,
  authorization: 'none',
  pendingSinceMs: null,
  deniedUntilMs: null,
  askedAtMs: null,
  probedAtMs: null,
  dialogs: [],
  ...NOTHING_SEEN,
  troubleSinceMs: null,
  resuming: false,
})

/** Prefix of the ids of what we send for this direction: an error that comes back belongs to it. */
export const XMPP_WATCH_ID = 's2x-'

export class XmppTurn extends Turn<XmppWatch, WatchEffect> {
  readonly context: XmppWatchContext
  readonly watcher: Jid
  readonly contact: Jid

  constructor(watch: XmppWatch, context: XmppWatchContext) {
    super(watch)
    this.context = context
    this.watcher = ownJid(watch.watcher)
    this.contact = ownJid(watch.contact)
  }

  tell(type: 'subscribe' | 'unsubscribe' | 'probe' | 'unavailable', extra: NewPresence['extra'] = []): void {
    const id = `${XMPP_WATCH_ID}${this.context.ids.token()}`
    const presence = newPresence({ from: this.watcher, to: this.contact, id, type, extra })
    this.effects.push({ kind: 'send-stanza', presence })
  }

  /** Somebody is told of what the contact shows. */
  get isWatched(): boolean {
    return this.state.dialogs.length > 0 || this.context.publishes
  }
}
