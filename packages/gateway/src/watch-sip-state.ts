import type { SubscriberContext, SubscriberState, SubscriptionOrder } from '@stox/sip-engine'
import type { DevicePresence } from '@stox/translate'
import { newPresence } from '@stox/xmpp'
import type { Jid, PresenceStanza } from '@stox/xmpp'
import { Turn, ownJid } from './watch-effects.ts'
import type { WatchEffect } from './watch-effects.ts'

/**
 * An XMPP user watches a SIP user: we are the subscriber, with one dialog for each watcher, and behave to his server as
 * the contact's server. The authorization outlives the dialogs. Plain JSON. @see RFC 8048 §5.2, mapping D.1, D.2
 */
export interface SipWatch {
  /** Bare addresses, as JIDs are written. */
  readonly watcher: string
  readonly contact: string
  /** `none`: a poll, or an ending; `pending`: the watcher has asked; `active`: the SIP side has let him in. */
  readonly authorization: 'none' | 'pending' | 'active'
  /** Null: no dialog, and none wanted for now. */
  readonly subscriber: SubscriberState | null
  /** What the watcher was last told. */
  readonly shown: readonly DevicePresence[]
  /** `shown` is what the living dialog says. */
  readonly known: boolean
  readonly heardAtMs: number | null
  /** From then on `shown` is not to be believed any more; null: it is. */
  readonly staleAtMs: number | null
  /** What was told may not have arrived: tell everything again. */
  readonly tellAgain: boolean
  /** When what could not leave is told again, and how long after that if it still cannot. */
  readonly resendAtMs: number | null
  readonly resendPauseMs: number
  /** A `subscribed` that has not left. */
  readonly owesSubscribed: boolean
  /** The watcher has heard that it does not work now: once for each of his requests. */
  readonly toldTrouble: boolean
  /** Resources that went, as long as that may not have arrived. */
  readonly gone: readonly { readonly resource: string; readonly atMs: number; readonly unsent: boolean }[]
  /** Probes that wait for an answer. */
  readonly askers: readonly Asker[]
}

/** Who has sent a probe, and of which device; left out: of all. */
export interface Asker {
  readonly jid: string
  readonly id: string | null
  readonly resource?: string
}

export interface SipWatchContext extends SubscriberContext {
  /** Whether the watcher's domain may see status notes. */
  readonly showsNotes: boolean
  /** Whether a status in words alone may count as busy or away. */
  readonly readsNotes: boolean
  order(expiresS: number): SubscriptionOrder
  readonly expiresS: number
  /** Whether the SIP side may be asked for what can wait. */
  readonly mayAsk: boolean
}

/** A road that is broken is tried again, less and less often; when a stream comes up, at once. */
export const RESEND_MS = 60_000

export const newSipWatch = (watcher: string, contact: string): SipWatch => ({
  watcher,
  contact,
  authorization: 'none',
  subscriber: null,
  shown: [],
  known: false,
  heardAtMs: null,
  staleAtMs: null,
  tellAgain: false,
  resendAtMs: null,
  resendPauseMs: RESEND_MS,
  owesSubscribed: false,
  toldTrouble: false,
  gone: [],
  askers: [],
})

export class SipTurn extends Turn<SipWatch, WatchEffect> {
  readonly context: SipWatchContext
  /** Of what the watcher is told. */
  readonly addresses: { readonly from: Jid; readonly to: Jid }

  constructor(watch: SipWatch, context: SipWatchContext) {
    super(watch)
    this.context = context
    this.addresses = { from: ownJid(watch.contact), to: ownJid(watch.watcher) }
  }

  tell(presence: PresenceStanza): void {
    this.effects.push({ kind: 'send-stanza', presence })
  }

  tellAuthorization(type: 'subscribed' | 'unsubscribed'): void {
    this.tell(newPresence({ ...this.addresses, id: `x2s-${this.context.ids.token()}`, type }))
  }
}
