import type { Timers } from '@stox/kernel'
import type { SipRequest } from '@stox/sip'
import { dialogKey } from '@stox/sip-engine'
import type { SubscriptionStore } from '@stox/store'
import type { IncomingSipRequest } from '@stox/transport'
import type { PresenceStanza } from '@stox/xmpp'
import { PresenceHealing } from './presence-healing.ts'
import type { PresenceHealingDeps } from './presence-healing.ts'
import { refuse } from './refuse.ts'
import type { WatchContexts } from './watch-contexts.ts'
import type { WatchEffect, WatchStep } from './watch-effects.ts'
import { recordOfEntry } from './watch-entry.ts'
import type { EntryOf, WatchEntry } from './watch-entry.ts'
import { sendInWatch, sendPresence } from './watch-sending.ts'
import type { WatchSendingDeps } from './watch-sending.ts'
import { advanceSipWatch } from './watch-sip.ts'
import type { SipWatchEvent } from './watch-sip.ts'
import type { SipWatch } from './watch-sip-state.ts'
import type { WatchTable } from './watch-table.ts'
import { advanceXmppWatch } from './watch-xmpp.ts'
import type { XmppWatchEvent } from './watch-xmpp.ts'
import type { XmppWatch } from './watch-xmpp-state.ts'

export interface WatchTurnsDeps extends WatchSendingDeps, PresenceHealingDeps {
  readonly timers: Timers
  readonly store: Pick<SubscriptionStore, 'put' | 'delete' | 'all'>
  /** Hears of every subscription as it is after a turn; `held`: it is still there. */
  readonly noteWatch: (entry: WatchEntry, held: boolean) => void
  /** Told once that there are very many subscriptions. */
  noteCrowd(): void
}

const CROWD = 2000

/** What both directions know. */
type EitherEvent = SipWatchEvent & XmppWatchEvent

/** What a turn is due to: where its `respond` effect goes, and who is told when all that it sends has its answer. */
interface Occasion {
  readonly incoming?: IncomingSipRequest
  readonly end?: () => void
}

/** Events in, watches advanced, state kept, effects done. All decisions are in `watch-sip` and `watch-xmpp`. */
export class WatchTurns {
  readonly healing: PresenceHealing
  readonly #deps: WatchTurnsDeps
  readonly #table: WatchTable
  readonly #contexts: WatchContexts
  #isCrowd = false
  #closed = false

  constructor(deps: WatchTurnsDeps, table: WatchTable, contexts: WatchContexts) {
    this.#deps = deps
    this.#table = table
    this.#contexts = contexts
    this.healing = new PresenceHealing(deps, table, (entry, event) => this.#advance(entry, event))
  }

  /** Before anybody can ask for it: what is not known is answered with 481. */
  async load(): Promise<void> {
    await this.healing.load()
    this.#countCrowd()
  }

  #countCrowd(): void {
    if (this.#isCrowd || this.#table.size < CROWD) return
    this.#isCrowd = true
    this.#deps.noteCrowd()
  }

  /** Timers only: what is kept is in the store, and is taken up by the next process. */
  close(): void {
    this.#closed = true
    for (const entry of this.#table) entry.timers.cancelAll()
    this.healing.close()
  }

  #advance(entry: WatchEntry, event: EitherEvent): void {
    if (this.#closed || !this.#table.holds(entry)) return
    if (entry.direction === 'xmpp-watches-sip') void this.sip(entry, event)
    else void this.xmpp(entry, event)
  }

  /** False: we broke down over it. */
  sip(entry: EntryOf<'xmpp-watches-sip'> | undefined, event: SipWatchEvent, occasion: Occasion = {}): Promise<boolean> {
    if (entry === undefined) return Promise.resolve(true)
    this.healing.resumeFirst(entry)
    return this.#guarded(entry, event.kind, occasion, () => {
      const before = entry.authorization
      const step = advanceSipWatch(entry.watch, event, this.#contexts.sip(entry))
      if (step.watch !== undefined) entry.watch = step.watch
      return this.#finish(entry, step, before, occasion)
    })
  }

  xmpp(
    entry: EntryOf<'sip-watches-xmpp'> | undefined,
    event: XmppWatchEvent,
    occasion: Occasion = {},
  ): Promise<boolean> {
    if (entry === undefined) return Promise.resolve(true)
    const ahead = this.healing.resumeFirst(entry)
    return this.#guarded(entry, event.kind, occasion, () => {
      const before = entry.authorization
      const input = event.kind === 'presence' ? { ...event, ahead } : event
      const step = advanceXmppWatch(entry.watch, input, this.#contexts.xmpp(entry))
      if (step.watch !== undefined) entry.watch = step.watch
      return this.#finish(entry, step, before, occasion)
    })
  }

  /** One subscription on which we break down, or a disk that is full, must not end the others. */
  async #guarded(
    entry: WatchEntry,
    event: string,
    { incoming, end }: Occasion,
    turn: () => Promise<void>,
  ): Promise<boolean> {
    try {
      await turn()
      return true
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#deps.log.error('presence-broke-down', { id: entry.id, event, detail })
      if (incoming !== undefined) refuse(this.#deps, incoming, 500)
      end?.()
      return false
    }
  }

  /**
   * Keeps what is to be kept, then does what is to be done: nobody is told of an authorization or a dialog that a crash
   * could make us forget. Turns of one subscription keep their order.
   */
  async #finish(
    entry: WatchEntry,
    step: WatchStep<SipWatch | XmppWatch>,
    before: string,
    { incoming, end }: Occasion,
  ): Promise<void> {
    const act = (): void => {
      const sent = step.effects.flatMap((effect) => this.#do(entry, effect, incoming) ?? [])
      // A request that a turn has nothing to say to is not left to die.
      if (incoming !== undefined && step.effects.every(({ kind }) => kind !== 'respond'))
        refuse(this.#deps, incoming, 481)
      if (end !== undefined) void Promise.all(sent).finally(end)
    }
    const written = this.#kept(entry, step, before)
    if (written === undefined && entry.writing === undefined) return act()
    const done = doneAfter(entry.writing, written, act)
    const writing = done.catch(() => undefined)
    entry.writing = writing
    await done.finally(() => {
      if (entry.writing === writing) entry.writing = undefined
    })
  }

  #kept(entry: WatchEntry, step: WatchStep<SipWatch | XmppWatch>, before: string): Promise<void> | undefined {
    try {
      return this.#keep(entry, step, before)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Undefined: it may wait for its turn with the others. */
  #keep(entry: WatchEntry, step: WatchStep<SipWatch | XmppWatch>, before: string): Promise<void> | undefined {
    const { store, log, clock, noteWatch } = this.#deps
    if (step.watch === undefined) {
      const wasHeld = this.#table.forget(entry)
      noteWatch(entry, false)
      if (!wasHeld) return undefined
      // Whose authorization is gone already, has nothing left but the end of a dialog.
      if (before !== 'none') return store.delete(entry.id, { durable: true })
      store.delete(entry.id)
      return undefined
    }
    const hasOtherDialogs = this.#table.keep(entry)
    this.#countCrowd()
    noteWatch(entry, true)
    const record = recordOfEntry(entry, clock.wallMs())
    const { direction, watcher, contact, authorization, state } = record
    if (authorization !== before) log.info('subscription', { direction, watcher, contact, authorization, state })
    else if (!hasOtherDialogs) {
      store.put(record)
      return undefined
    }
    return store.put(record, { durable: true })
  }

  /** Of what is sent: when it has its answer. */
  #do(entry: WatchEntry, effect: WatchEffect, incoming: IncomingSipRequest | undefined): Promise<void> | undefined {
    switch (effect.kind) {
      case 'send-stanza':
        return this.#sendStanza(entry, effect.presence)
      case 'send-sip':
        return this.#sendSip(entry, effect.request, effect.nextHop)
      case 'respond':
        incoming?.respond(effect.response)
        return undefined
      case 'arm-timer':
        this.#arm(entry, effect.timer, effect.afterMs)
        return undefined
      case 'cancel-timer':
        entry.timers.cancel(effect.timer)
        return undefined
    }
  }

  #arm(entry: WatchEntry, name: string, afterMs: number): void {
    if (this.#closed || !this.#table.holds(entry)) return
    entry.timers.arm(this.#deps.timers, name, afterMs, () => this.#advance(entry, { kind: 'timer', timer: name }))
  }

  async #sendStanza(entry: WatchEntry, presence: PresenceStanza): Promise<void> {
    if (this.#closed) return
    const outcome = await sendPresence(this.#deps, presence)
    if (this.#closed || !this.#table.holds(entry)) return
    if (outcome.kind === 'bounced') {
      const { failure } = outcome
      this.#deps.log.warn('presence-unsent', { id: entry.id, type: presence.type, detail: failure.detail })
      this.#advance(entry, { kind: 'unsent', presence, failure })
    } else if (entry.direction === 'sip-watches-xmpp') void this.xmpp(entry, { kind: 'sent', presence })
  }

  async #sendSip(entry: WatchEntry, request: SipRequest, nextHop: string | undefined): Promise<void> {
    if (this.#closed) return
    const reply = await sendInWatch(this.#deps, entry, request, nextHop)
    if (this.#closed || !this.#table.holds(entry)) return
    if (entry.direction === 'xmpp-watches-sip')
      void this.sip(entry, { kind: 'reply', input: { kind: 'reply', request, reply } })
    else {
      const dialog = dialogKey(request.core.callId, request.core.from.params.get('tag') ?? '')
      void this.xmpp(entry, { kind: 'reply', dialog, request, reply })
    }
  }
}

/** What the disk says comes last: a turn is done whole, or the watch would believe in timers that nobody has armed. */
async function doneAfter(
  before: Promise<void> | undefined,
  written: Promise<void> | undefined,
  act: () => void,
): Promise<void> {
  await before
  try {
    await written
  } finally {
    act()
  }
}
